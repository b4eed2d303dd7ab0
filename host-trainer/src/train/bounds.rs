//! Bounds that several numbers of a recipe share.

/// Most epochs, and the largest patience.
pub(super) const MOST_EPOCHS: usize = 1_000_000;
/// What logits may be divided by.
pub(super) const TEMPERATURES: core::ops::RangeInclusive<f32> = 0.01..=1000.0;
