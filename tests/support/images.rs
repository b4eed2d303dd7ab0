//! The images of the golden logits.

/// Number of images per golden.
pub const IMAGES: usize = 4;

/// Returns `count` seeded images of `len` bytes: waves with noise.
pub fn images(count: usize, len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let pixels = (0..count * len).map(|n| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let wave = (n % len) * (3 + n / len * 5) % 256;
        ((wave + (state >> 57) as usize) / 2 % 256) as u8
    });
    pixels.collect()
}
