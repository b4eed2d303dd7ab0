//! A quantised network's integers as floats, in the order the products of a step want.
//!
//! Every sum of products stays below 2^24, where floats are exact: so the products give the device's accumulators.

use super::FinetuneError;
use super::product::Matrix;
use crate::fold::{Folded, Gate as FoldedGate};
use crate::quantise::{Quantised, QuantisedConv, QuantisedGate};
use crate::stages;

/// One stage.
pub(super) type Stage = stages::Stage<Gate, Conv>;

/// A network.
#[derive(Clone, Debug)]
pub(super) struct Integers {
    /// The byte that stands for zero, per input channel.
    pub(super) padding: Vec<f32>,
    /// What a logit of 1 stands for.
    pub(super) scale: f32,
    pub(super) stages: Vec<Stage>,
}

/// A clamp: `v = max(sign * u + offset, 0)`, per channel.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    pub(super) sign: Vec<f32>,
    pub(super) offset: Vec<f32>,
    /// Gradients pass where `v` is above this: 0, or -1 where the gate is always open, or nowhere.
    pub(super) shut: Vec<f32>,
}

/// A convolution.
#[derive(Clone, Debug)]
pub(super) struct Conv {
    pub(super) outputs: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) inputs: usize,
    /// `[o][ky][kx][i]`.
    pub(super) weight: Vec<f32>,
    /// `[ky][kx][i]` by outputs, or by twice the outputs if one sum could pass 2^24: see [`WIDE`].
    pub(super) forward: Matrix,
    /// `[ky][kx][o]` by inputs, with the taps turned round, times the ratio: from gradients of output bytes to those of input
    /// bytes.
    pub(super) backward: Matrix,
    /// What an accumulator of 1 is worth in output bytes.
    pub(super) ratio: Vec<f32>,
    pub(super) finish: Finish,
    pub(super) is_wide: bool,
}

/// What becomes of the sum of products, per output (and border, in a plain layer).
#[derive(Clone, Debug)]
pub(super) enum Finish {
    /// The device's arithmetic.
    Round {
        /// `[o]` or `[border][o]`.
        bias: Vec<i32>,
        /// `[o]`.
        multiplier: Vec<i32>,
    },
    /// None of it is rounded: what the gradient checks differentiate.
    #[cfg(test)]
    Smooth {
        /// `[o]` or `[border][o]`.
        bias: Vec<f32>,
    },
}

/// A wide convolution's weights are `16 * high + low`, both parts in [-8, 8], and its second half of columns are the highs.
pub(super) const WIDE: f32 = 16.0;

/// Below this, floats count without gaps.
const EXACT: f32 = 16_777_216.0;

/// Largest value after a clamp.
const LARGEST: f32 = 255.0;

/// Pixels that a transition adds up, at most.
const POOLED: f32 = 4.0;

impl Integers {
    /// The integers of `quantised`, which come from `folded`.
    ///
    /// # Errors
    ///
    /// Returns an error if a filter is so long that no way known here keeps its sums exact.
    pub(super) fn new(folded: &Folded, quantised: &Quantised) -> Result<Self, FinetuneError> {
        let stages = folded.stages.iter().zip(&quantised.stages).enumerate();
        let stages = stages.map(|(index, (folded, stage))| {
            let is_open = matches!(
                folded,
                stages::Stage::Head {
                    gate: FoldedGate::Pass,
                    ..
                }
            );
            let largest = match stage {
                stages::Stage::Stem { .. } | stages::Stage::Layer { .. } => Some(LARGEST),
                stages::Stage::Transition { .. } => Some(POOLED * LARGEST),
                stages::Stage::Head { .. } => None,
            };
            let mut is_too_wide = false;
            let stage = stage.as_ref().map(
                |gate| Gate::new(gate, is_open),
                |conv| match largest {
                    Some(largest) => Conv::new(conv, largest).unwrap_or_else(|| {
                        is_too_wide = true;
                        Conv::none()
                    }),
                    None => Conv::exact(conv),
                },
            );
            match is_too_wide {
                true => Err(FinetuneError::TooWide { index }),
                false => Ok(stage),
            }
        });
        let stages = stages.collect::<Result<Vec<_>, _>>()?;
        let last = quantised
            .stages
            .last()
            .and_then(|stage| stage.conv().scales.first());
        Ok(Self {
            padding: quantised.padding.iter().map(|&byte| f32::from(byte)).collect(),
            scale: last.map_or(1.0, |scale| scale.scale),
            stages,
        })
    }
}

impl Gate {
    /// `is_open` if nothing is clamped: a head without batch norm.
    fn new(gate: &QuantisedGate, is_open: bool) -> Self {
        let mut out = Self {
            sign: Vec::new(),
            offset: Vec::new(),
            shut: Vec::new(),
        };
        let values = gate.factor.iter().zip(&gate.constant);
        for ((&mask, &threshold), (&factor, &constant)) in gate.mask.iter().zip(&gate.threshold).zip(values) {
            let threshold = f32::from(threshold);
            out.sign.push(if mask == 0 { 1.0 } else { -1.0 });
            out.offset.push(if mask == 0 {
                -threshold
            } else {
                LARGEST - threshold
            });
            out.shut.push(if factor == 0.0 {
                f32::INFINITY
            } else if is_open || constant > 0.0 {
                -1.0
            } else {
                0.0
            });
        }
        out
    }
}

/// How large a convolution is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    pub(super) outputs: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) inputs: usize,
}

impl Size {
    /// Weights of a filter.
    fn length(self) -> usize {
        self.rows * self.columns * self.inputs
    }
}

impl Conv {
    /// `None` if no sum of products with values up to `largest` is known to be exact.
    fn new(conv: &QuantisedConv, largest: f32) -> Option<Self> {
        let length = conv.weight.len() / conv.outputs;
        let fits = |part: fn(i8) -> i8| {
            conv.weight.chunks_exact(length).all(|filter| {
                let sum: f32 = filter.iter().map(|&weight| f32::from(part(weight)).abs()).sum();
                sum * largest < EXACT
            })
        };
        let mut out = Self::exact(conv);
        if !fits(|weight| weight) {
            if !(fits(high) && fits(low)) {
                return None;
            }
            let size = size(conv);
            out.forward = Matrix::new(size.length(), 2 * size.outputs, |k, n| {
                let weight = conv.weight[n % size.outputs * size.length() + k];
                f32::from(if n < size.outputs {
                    low(weight)
                } else {
                    high(weight)
                })
            });
            out.is_wide = true;
        }
        Some(out)
    }

    /// Whatever the sums.
    fn exact(conv: &QuantisedConv) -> Self {
        let ratio = conv.multiplier.iter().map(|&m| m as f32 / 4_294_967_296.0);
        let finish = Finish::Round {
            bias: conv.bias.clone(),
            multiplier: conv.multiplier.clone(),
        };
        let weight = conv.weight.iter().map(|&weight| f32::from(weight)).collect();
        Self::of(size(conv), weight, ratio.collect(), finish)
    }

    /// With weights in the order `[o][ky][kx][i]`.
    pub(super) fn of(size: Size, weight: Vec<f32>, ratio: Vec<f32>, finish: Finish) -> Self {
        let Size {
            outputs,
            rows,
            columns,
            inputs,
        } = size;
        let (taps, length) = (rows * columns, size.length());
        let backward = Matrix::new(taps * outputs, inputs, |k, i| {
            let (tap, o) = (taps - 1 - k / outputs, k % outputs);
            weight[o * length + tap * inputs + i] * ratio[o]
        });
        Self {
            outputs,
            rows,
            columns,
            inputs,
            forward: Matrix::new(length, outputs, |k, o| weight[o * length + k]),
            backward,
            weight,
            ratio,
            finish,
            is_wide: false,
        }
    }

    /// A convolution without outputs.
    pub(super) fn none() -> Self {
        let finish = Finish::Round {
            bias: Vec::new(),
            multiplier: Vec::new(),
        };
        Self::of(Size::default(), Vec::new(), Vec::new(), finish)
    }
}

fn size(conv: &QuantisedConv) -> Size {
    Size {
        outputs: conv.outputs,
        rows: conv.rows,
        columns: conv.columns,
        inputs: conv.inputs,
    }
}

fn high(weight: i8) -> i8 {
    // Rounded to the nearest, with halves away from zero.
    ((i16::from(weight) + 8 * i16::from(weight.signum())) / 16) as i8
}

fn low(weight: i8) -> i8 {
    (i16::from(weight) - 16 * i16::from(high(weight))) as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_sixteen_times_its_high_part_and_its_low_part() {
        for weight in -127..=127 {
            let whole = 16 * i16::from(high(weight)) + i16::from(low(weight));
            assert_eq!(whole, i16::from(weight));
            assert!(high(weight).abs() <= 8 && low(weight).abs() <= 8, "{weight}");
        }
    }
}
