//! The integers that a convolution's weights may become: as many as its bits allow, and one step for each output. Imports
//! nothing.

use core::ops::RangeInclusive;

/// Bits of a weight: 2 to 8.
pub const BITS: RangeInclusive<u8> = 2..=8;

/// How fine the integers of a network's weights are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Precision {
    /// Bits of a weight: 2 to 8.
    pub bits: u8,
    /// How many times the step of least error a step is: 1 for the least error, more for integers that codes make smaller.
    pub coarser: f32,
}

impl From<u8> for Precision {
    /// Steps of least error.
    fn from(bits: u8) -> Self {
        Self { bits, coarser: 1.0 }
    }
}

/// Which integers the weights of a convolution may become.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Bits of a weight.
    pub bits: u8,
    /// What an integer of 1 stands for, per output, where weights meet clamped bytes.
    pub step: Vec<f32>,
}

impl Grid {
    /// Bits of the stem's weights, however few the others have: it reads the image, and has few weights.
    pub const STEM_BITS: u8 = 8;

    /// A grid for so many outputs that says nothing yet.
    pub fn blank(bits: u8, outputs: usize) -> Self {
        Self {
            bits,
            step: vec![0.0; outputs],
        }
    }

    /// The smallest and the largest integer of so many bits. Eight leave out -128, so that the range is symmetric.
    pub fn ends(bits: u8) -> (f32, f32) {
        let half = f32::from(1u8 << (bits.clamp(*BITS.start(), *BITS.end()) - 1));
        (if bits < 8 { -half } else { 1.0 - half }, half - 1.0)
    }

    /// The integer of a weight of `steps` steps.
    pub fn round(&self, steps: f32) -> f32 {
        let (low, high) = Self::ends(self.bits);
        steps.round().clamp(low, high)
    }

    /// The steps of least squared error for filters of `length` weights, where weight `k` counts `importance[k]`, made coarser as the
    /// precision says.
    pub fn fit(precision: Precision, filters: &[f32], importance: &[f32]) -> Self {
        let Precision { bits, coarser } = precision;
        let steps = filters.chunks_exact(importance.len());
        Self {
            bits,
            step: steps
                .map(|filter| coarser * step(bits, filter, importance))
                .collect(),
        }
    }
}

/// Sizes of a step that are tried, as parts of the one that just reaches the largest weight.
const TRIED: usize = 80;

fn step(bits: u8, filter: &[f32], importance: &[f32]) -> f32 {
    let largest = filter
        .iter()
        .fold(0.0f32, |largest, weight| largest.max(weight.abs()));
    let (low, high) = Grid::ends(bits);
    let whole = largest / high;
    if whole == 0.0 {
        return 1e-30;
    }
    let error = |step: f32| -> f64 {
        let errors = filter.iter().zip(importance).map(|(&weight, &importance)| {
            let off = (weight / step).round().clamp(low, high) * step - weight;
            f64::from(importance) * f64::from(off) * f64::from(off)
        });
        errors.sum()
    };
    let tried = (1..=TRIED).map(|n| whole * n as f32 / TRIED as f32);
    let best = tried
        .map(|step| (error(step), step))
        .reduce(|best, next| if next.0 <= best.0 { next } else { best });
    best.map_or(whole, |(_, step)| step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_bound_the_integers() {
        assert_eq!(Grid::ends(8), (-127.0, 127.0));
        assert_eq!(Grid::ends(4), (-8.0, 7.0));
        assert_eq!(Grid::ends(2), (-2.0, 1.0));
        let grid = Grid {
            bits: 3,
            step: vec![1.0],
        };
        assert_eq!(
            [-9.0, -3.6, 0.4, 2.6, 80.0].map(|steps| grid.round(steps)),
            [-4.0, -4.0, 0.0, 3.0, 3.0]
        );
    }

    #[test]
    fn a_fitted_step_errs_less_than_one_that_reaches_the_largest_weight() {
        let filter: Vec<f32> = (0..200)
            .map(|n| ((n * 37 % 199) as f32 / 99.5 - 1.0).powi(5))
            .collect();
        let importance = vec![1.0; filter.len()];
        for bits in BITS {
            let grid = Grid::fit(bits.into(), &filter, &importance);
            let error = |step: f32| -> f32 {
                filter
                    .iter()
                    .map(|weight| (grid.round(weight / step) * step - weight).powi(2))
                    .sum()
            };
            let reaching = 1.0 / Grid::ends(bits).1;
            assert!(error(grid.step[0]) <= error(reaching), "{bits}");
            if bits < 5 {
                assert!(error(grid.step[0]) < 0.9 * error(reaching), "{bits}");
            }
        }
    }

    #[test]
    fn what_counts_more_is_closer() {
        let filter = [1.0, 0.3, 0.3, 0.3];
        let first = Grid::fit(2.into(), &filter, &[1.0, 0.0, 0.0, 0.0]);
        let others = Grid::fit(2.into(), &filter, &[0.0, 1.0, 1.0, 1.0]);
        assert_eq!(first.step[0], 1.0);
        assert!((others.step[0] - 0.3).abs() < 0.01, "{}", others.step[0]);
    }
}
