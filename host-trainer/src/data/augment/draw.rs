//! Numbers drawn from a random generator.

use rand_chacha::rand_core::Rng;

/// Returns a number below `count`, which must be above 0.
pub(super) fn below(count: usize, bits: &mut impl Rng) -> usize {
    ((u128::from(bits.next_u64()) * count as u128) >> 64) as usize
}

/// Returns a number from -1 up to, but not including, 1.
pub(super) fn signed(bits: &mut impl Rng) -> f32 {
    (bits.next_u32() >> 8) as f32 / (1u32 << 23) as f32 - 1.0
}
