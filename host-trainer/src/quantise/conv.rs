//! A convolution in integers: filters as `i8`, multipliers and biases that fit.

use super::{QuantisedGate, Scale};
use crate::fold::FoldedConv;
use crate::spec::Map;
use denselet::layout::{BORDERS, border};

/// A convolution in integers.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisedConv {
    /// Output channels.
    pub outputs: usize,
    /// Rows of taps.
    pub rows: usize,
    /// Columns of taps.
    pub columns: usize,
    /// Input channels.
    pub inputs: usize,
    /// `[o][ky][kx][i]`, in [-127, 127].
    pub weight: Vec<i8>,
    /// `[o]`, or `[border][o]` in a plain layer.
    pub bias: Vec<i32>,
    /// `[o]`, in [0, 2^31) for [0, 1/2).
    pub multiplier: Vec<i32>,
    /// How each output is stored; the head's have the logits' scale.
    pub scales: Vec<Scale>,
}

/// How the outputs of a convolution are to be stored.
pub(super) enum Outputs {
    /// Each in its own scale.
    Own(Vec<Scale>),
    /// All in one: a bottleneck's, and logits, which are compared.
    Shared(Scale),
}

/// A convolution as it meets clamped bytes: weights times the gate's factors, biases with its constants, and what the
/// accumulator must still be divided by.
pub(super) struct Inner {
    pub(super) weight: Vec<f32>,
    /// One vector per kind of border, or one.
    pub(super) bias: Vec<Vec<f32>>,
    pub(super) divisor: f32,
}

impl Inner {
    /// A convolution of values that are what they stand for: the stem's of raw bytes.
    pub(super) fn plain(conv: &FoldedConv) -> Self {
        Self::scaled(conv, 1.0)
    }

    /// A convolution of values that stand for `scale` each.
    pub(super) fn scaled(conv: &FoldedConv, scale: f32) -> Self {
        Self {
            weight: conv.weight.iter().map(|weight| weight * scale).collect(),
            bias: vec![conv.bias.clone()],
            divisor: 1.0,
        }
    }

    /// A 1x1 convolution after a gate, of sums of `divisor` pixels.
    pub(super) fn after(gate: &QuantisedGate, conv: &FoldedConv, divisor: f32) -> Self {
        let mut bias = conv.bias.clone();
        let mut weight = conv.weight.clone();
        for (filter, bias) in weight.chunks_exact_mut(conv.inputs).zip(&mut bias) {
            for ((weight, factor), constant) in filter.iter_mut().zip(&gate.factor).zip(&gate.constant) {
                *bias += *weight * constant;
                *weight *= factor;
            }
        }
        Self {
            weight,
            bias: vec![bias],
            divisor,
        }
    }

    /// A plain layer's convolution after a gate. A padded tap is zero, but a channel that is always on has a constant
    /// at every pixel: each kind of border counts the taps it has.
    pub(super) fn with_borders(gate: &QuantisedGate, conv: &FoldedConv, map: Map) -> Self {
        let mut bias = vec![conv.bias.clone(); BORDERS];
        let mut weight = conv.weight.clone();
        let filter_len = conv.rows * conv.columns * conv.inputs;
        for (o, filter) in weight.chunks_exact_mut(filter_len).enumerate() {
            for (tap, weights) in filter.chunks_exact_mut(conv.inputs).enumerate() {
                let constants = weights
                    .iter()
                    .zip(&gate.constant)
                    .map(|(weight, constant)| weight * constant);
                let constant: f32 = constants.sum();
                for (kind, bias) in bias.iter_mut().enumerate() {
                    if tap_is_inside(conv, map, tap, kind) {
                        bias[o] += constant;
                    }
                }
                for (weight, factor) in weights.iter_mut().zip(&gate.factor) {
                    *weight *= factor;
                }
            }
        }
        Inner {
            weight,
            bias,
            divisor: 1.0,
        }
    }
}

/// Whether tap `[ky][kx]` meets a pixel of the map at a border of this kind: first, inner or last row and column. Where the
/// map has one row or column, the first is the last.
pub(crate) fn tap_is_inside(conv: &FoldedConv, map: Map, tap: usize, kind: usize) -> bool {
    let reach = |kind: usize, side: usize, k: usize, taps: usize| {
        let at = [0, 1, side - 1][kind];
        (taps / 2..side + taps / 2).contains(&(at + k))
    };
    let (row, column) = (kind / 3, kind % 3);
    debug_assert_eq!(border(3, 3, row, column), kind);
    reach(row, map.height, tap / conv.columns, conv.rows)
        && reach(column, map.width, tap % conv.columns, conv.columns)
}

/// Largest sum that an accumulator is allowed, bias and products each.
const MAX_SUM: f32 = 1_000_000_000.0;

/// Rounds filters to `i8` and everything else to fit. An output whose filter is too coarse for its scale (it can hardly
/// have been used) gets a larger scale.
pub(super) fn integers(conv: &FoldedConv, inner: &Inner, outputs: Outputs) -> QuantisedConv {
    let filter_len = conv.weight.len() / conv.outputs;
    let filters = || inner.weight.chunks_exact(filter_len);
    let (wanted, is_shared) = match outputs {
        Outputs::Own(scales) => (scales, false),
        Outputs::Shared(scale) => (vec![scale; conv.outputs], true),
    };
    let steps: Vec<f32> = filters()
        .zip(&wanted)
        .enumerate()
        .map(|(o, (filter, wanted))| {
            let largest = filter
                .iter()
                .fold(0.0f32, |largest, weight| largest.max(weight.abs()));
            let sum: f32 = filter.iter().map(|weight| weight.abs()).sum();
            let bias = inner
                .bias
                .iter()
                .fold(0.0f32, |largest, bias| largest.max(bias[o].abs()));
            let offset = (bias + wanted.scale * wanted.zero.abs() as f32) * inner.divisor;
            let products = sum * 255.0 * inner.divisor;
            let step = match &conv.grid {
                Some(grid) => grid.step[o],
                None => largest / 127.0,
            };
            step.max(offset.max(products) / MAX_SUM).max(1e-30)
        })
        .collect();
    // A multiplier stays below a half.
    let mut scales = wanted;
    for (scale, step) in scales.iter_mut().zip(&steps) {
        scale.scale = scale.scale.max(step / inner.divisor * 2.01);
    }
    if is_shared {
        let shared = scales.iter().map(|scale| scale.scale).fold(0.0, f32::max);
        scales.iter_mut().for_each(|scale| scale.scale = shared);
    }
    let mut out = QuantisedConv {
        outputs: conv.outputs,
        rows: conv.rows,
        columns: conv.columns,
        inputs: conv.inputs,
        weight: Vec::with_capacity(conv.weight.len()),
        bias: vec![0; conv.outputs * inner.bias.len()],
        multiplier: Vec::with_capacity(conv.outputs),
        scales,
    };
    for (o, (filter, step)) in filters().zip(&steps).enumerate() {
        let scale = out.scales[o];
        let multiplier = f64::from(*step) / f64::from(inner.divisor) / f64::from(scale.scale);
        let integer = |steps: f32| match &conv.grid {
            Some(grid) => grid.round(steps),
            None => steps.round().clamp(-127.0, 127.0),
        };
        out.weight
            .extend(filter.iter().map(|weight| integer(weight / step) as i8));
        out.multiplier.push(
            (multiplier * 4_294_967_296.0)
                .round()
                .clamp(0.0, f64::from(i32::MAX)) as i32,
        );
        for (kind, bias) in inner.bias.iter().enumerate() {
            let output = f64::from(bias[o]) / f64::from(scale.scale) + f64::from(scale.zero);
            out.bias[kind * conv.outputs + o] = (output / multiplier).round() as i32;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_miss_the_taps_outside() {
        let conv = FoldedConv {
            outputs: 1,
            rows: 3,
            columns: 3,
            inputs: 1,
            weight: (0..9).map(|tap| f32::from(1u16 << tap)).collect(),
            bias: vec![0.0],
            grid: None,
        };
        let gate = QuantisedGate {
            mask: vec![0],
            threshold: vec![0],
            factor: vec![1.0],
            constant: vec![1.0],
        };
        let sums = |height, width| -> Vec<f32> {
            let map = Map {
                height,
                width,
                channels: 1,
            };
            let inner = Inner::with_borders(&gate, &conv, map);
            inner.bias.iter().map(|bias| bias[0]).collect()
        };
        // Row by row: taps 0 1 2 / 3 4 5 / 6 7 8 have the weights 1 2 4 / 8 16 32 / 64 128 256.
        let expected = [432.0, 504.0, 216.0, 438.0, 511.0, 219.0, 54.0, 63.0, 27.0];
        assert_eq!(sums(3, 3), expected);
        assert_eq!(sums(7, 5), expected);
        // One column: the taps left and right of it are outside, both.
        let column = sums(3, 1);
        assert_eq!([column[0], column[3], column[6]], [144.0, 146.0, 18.0]);
    }

    #[test]
    fn a_quantised_weight_and_bias_are_within_half_a_step() {
        let conv = FoldedConv {
            outputs: 3,
            rows: 1,
            columns: 1,
            inputs: 40,
            weight: (0..120)
                .map(|n| ((n * 37 % 101) as f32 - 50.0) / (7.0 + n as f32))
                .collect(),
            bias: vec![0.75, -2.0, 0.0],
            grid: None,
        };
        let scales = [(0.02, 0), (0.5, 128), (0.003, -30)].map(|(scale, zero)| Scale { scale, zero });
        for divisor in [1.0, 4.0] {
            let inner = Inner {
                divisor,
                ..Inner::plain(&conv)
            };
            let found = integers(&conv, &inner, Outputs::Own(scales.to_vec()));
            for (o, filter) in inner.weight.chunks_exact(conv.inputs).enumerate() {
                let scale = f64::from(found.scales[o].scale);
                // What an accumulator of 1 stands for: a step of the weights, before the division.
                let accumulator = f64::from(found.multiplier[o]) / 4_294_967_296.0 * scale;
                let step = accumulator * f64::from(divisor);
                let quantised = &found.weight[o * conv.inputs..][..conv.inputs];
                for (weight, integer) in filter.iter().zip(quantised) {
                    let difference = (f64::from(*weight) - f64::from(*integer) * step).abs();
                    assert!(difference <= 0.5001 * step, "{o}: {difference} of {step}");
                }
                let zero = f64::from(found.scales[o].zero) * scale;
                let bias = f64::from(found.bias[o]) * accumulator - zero;
                let difference = (bias - f64::from(conv.bias[o])).abs();
                assert!(
                    difference <= 0.5001 * accumulator,
                    "{o}: {difference} of {accumulator}"
                );
            }
        }
    }
}
