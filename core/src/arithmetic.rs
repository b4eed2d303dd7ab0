#![doc = include_str!("ARITHMETIC.md")]
//!
//! Rank 1: the one definition of rounding.

/// One clamped value: see the module's documentation, *Clamp*.
#[inline(always)]
pub const fn clamp(u: u8, mask: u8, threshold: u8) -> u8 {
    (u ^ mask).saturating_sub(threshold)
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
