#![doc = include_str!("ARITHMETIC.md")]
//!
//! Rank 1: the one definition of rounding.

/// One clamped value: see the module's documentation, *Clamp*.
#[inline(always)]
pub const fn clamp(u: u8, mask: u8, threshold: u8) -> u8 {
    (u ^ mask).saturating_sub(threshold)
}

/// What a subtraction with saturation gives for each byte of a word: four clamps at once, without a branch.
#[inline(always)]
pub const fn saturating_sub_bytes(x: u32, t: u32) -> u32 {
    const HIGH: u32 = 0x8080_8080;
    // No borrow passes from one byte to the next; if one would have to, the result is zero.
    let difference = ((x | HIGH) - (t & !HIGH)) ^ ((x ^ !t) & HIGH);
    let borrow = ((!x & t) | (!(x ^ t) & difference)) & HIGH;
    difference & !(borrow << 1).wrapping_sub(borrow >> 7)
}

/// `round(acc * m / 2^32)`, halves up; `m` is in [0, 2^31).
#[inline(always)]
pub const fn scale(acc: i32, m: i32) -> i32 {
    ((acc as i64 * m as i64 + (1 << 31)) >> 32) as i32
}

/// [`scale`], saturated to a stored activation.
#[inline(always)]
pub const fn requantise(acc: i32, m: i32) -> u8 {
    let u = scale(acc, m);
    if u < 0 {
        0
    } else if u > 255 {
        255
    } else {
        u as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clamp_is_max_or_min_around_the_threshold() {
        for u in 0..=255u8 {
            for t in 0..=255u8 {
                assert_eq!(clamp(u, 0, t), u.max(t) - t);
                assert_eq!(clamp(u, 0xff, 255 - t), t - u.min(t));
                let (x, y) = ([u, t, 0, 255], [t, u, t, u]);
                let bytes = saturating_sub_bytes(u32::from_le_bytes(x), u32::from_le_bytes(y)).to_le_bytes();
                assert_eq!(bytes, [0, 1, 2, 3].map(|i| x[i].saturating_sub(y[i])));
            }
        }
    }

    #[test]
    fn requantise_rounds_halves_up_and_saturates() {
        let half = 1 << 30; // a quarter
        assert_eq!(requantise(2, half), 1);
        assert_eq!(requantise(1, half), 0);
        assert_eq!(scale(-2, half), 0);
        assert_eq!(scale(-3, half), -1);
        assert_eq!(requantise(i32::MAX, i32::MAX), 255);
        assert_eq!(requantise(i32::MIN, i32::MAX), 0);
        assert_eq!(scale(i32::MIN, i32::MAX), 1 - (1 << 30));
    }
}
