//! Float to integers: scales and zero points, gates as clamps, filters as `i8` with a multiplier per output. After
//! calibration, before packing; what the integers mean is `denselet::arithmetic`'s text.

use crate::calibrate::{Range, Ranges};
use crate::fold::{Folded, FoldedConv, FoldedStage, Gate};
use crate::spec::{Map, Spec};
use denselet::layout::{BORDERS, border};
use thiserror::Error;

/// Why a network cannot be quantised.
#[derive(Debug, Error, PartialEq)]
pub enum QuantiseError {
    /// A weight, statistic or range is not a number.
    #[error("stage {stage}: {what} is not finite; was training stable?")]
    NotFinite {
        /// The stage, 0 for the stem.
        stage: usize,
        /// What it was.
        what: &'static str,
    },
}

/// How one stored channel is to be read: `x = scale * (u - zero)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Size of a step.
    pub scale: f32,
    /// Byte that stands for 0; need not lie in a byte's range.
    pub zero: i32,
}

impl Scale {
    /// A range spread over the bytes; a channel that is always the same gets a step of its own size.
    fn of(range: Range) -> Self {
        let size = range.min.abs().max(range.max.abs()).max(1e-6);
        // Zero points are kept as `i16`: a narrow range far from zero gets steps large enough for that.
        let scale = ((range.max - range.min) / 255.0).max(size / 30_000.0);
        Self {
            scale,
            zero: (-range.min / scale).round() as i32,
        }
    }
}

/// One clamp per input channel, and what its output means: activation = `factor * v + constant`.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisedGate {
    /// 0x00 or 0xff per channel.
    pub mask: Vec<u8>,
    /// Per channel.
    pub threshold: Vec<u8>,
    factor: Vec<f32>,
    constant: Vec<f32>,
}

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

/// One stage in integers.
#[derive(Clone, Debug, PartialEq)]
pub enum QuantisedStage {
    /// The first convolution.
    Stem {
        /// On raw bytes.
        conv: QuantisedConv,
        /// The byte that stands for zero, per input channel.
        padding: Vec<u8>,
    },
    /// A dense layer.
    Layer {
        /// In front of the first convolution.
        gate: QuantisedGate,
        /// The 1x1.
        bottleneck: Option<QuantisedConv>,
        /// The 3x3.
        conv: QuantisedConv,
    },
    /// A transition.
    Transition {
        /// In front of the pooling.
        gate: QuantisedGate,
        /// The 1x1.
        conv: QuantisedConv,
    },
    /// The head.
    Head {
        /// In front of the sum.
        gate: QuantisedGate,
        /// The linear layer.
        conv: QuantisedConv,
    },
}

/// A network in integers.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantised {
    /// The family it is of.
    pub spec: Spec,
    /// The stem, then layers and transitions, then the head.
    pub stages: Vec<QuantisedStage>,
}

/// What a logit of 1 stands for, unless some filter needs a larger step.
const LOGIT_SCALE: f32 = 1.0 / 1024.0;

/// Quantises a folded network with calibrated ranges.
///
/// # Errors
/// Where a parameter or range is not finite.
pub fn quantise(folded: &Folded, ranges: &Ranges) -> Result<Quantised, QuantiseError> {
    let mut state = State::new(folded, ranges);
    let stages = folded.stages.iter().enumerate().map(|(index, stage)| {
        state.check(index, stage)?;
        Ok(state.stage(stage))
    });
    Ok(Quantised {
        spec: folded.spec.clone(),
        stages: stages.collect::<Result<_, _>>()?,
    })
}

/// The walk along the network: where it is, and how the block's channels so far are stored.
struct State<'r> {
    ranges: &'r Ranges,
    block: usize,
    layer: usize,
    map: Map,
    channels: Vec<Scale>,
}

impl<'r> State<'r> {
    fn new(folded: &Folded, ranges: &'r Ranges) -> Self {
        let map = folded.spec.maps().blocks[0];
        Self {
            ranges,
            block: 0,
            layer: 0,
            map,
            channels: Vec::new(),
        }
    }

    fn check(&self, stage: usize, folded: &FoldedStage) -> Result<(), QuantiseError> {
        let finite = |what, ok| {
            if ok {
                Ok(())
            } else {
                Err(QuantiseError::NotFinite { stage, what })
            }
        };
        let conv_is_finite = |conv: &FoldedConv| {
            conv.weight
                .iter()
                .chain(&conv.bias)
                .all(|value| value.is_finite())
        };
        let gate_is_finite = |gate: &Gate| match gate {
            Gate::Relu { slope, offset } => slope.iter().chain(offset).all(|value| value.is_finite()),
            Gate::Pass => true,
        };
        let (gate, bottleneck, conv) = match folded {
            FoldedStage::Stem { conv, .. } => (None, None, conv),
            FoldedStage::Layer {
                gate,
                bottleneck,
                conv,
            } => (Some(gate), bottleneck.as_ref(), conv),
            FoldedStage::Transition { gate, conv } | FoldedStage::Head { gate, conv } => {
                (Some(gate), None, conv)
            }
        };
        finite("a batch norm", gate.is_none_or(gate_is_finite))?;
        finite("a bottleneck weight", bottleneck.is_none_or(conv_is_finite))?;
        finite("a weight", conv_is_finite(conv))?;
        let ranges = self.ranges.blocks.get(self.block).into_iter().flatten();
        finite(
            "an activation",
            ranges
                .into_iter()
                .all(|range| range.min.is_finite() && range.max.is_finite()),
        )
    }

    /// Ranges of the next `count` channels of the current block.
    fn next_ranges(&self, count: usize) -> &'r [Range] {
        &self.ranges.blocks[self.block][self.channels.len()..][..count]
    }

    fn next_scales(&self, count: usize) -> Outputs {
        Outputs::Own(
            self.next_ranges(count)
                .iter()
                .map(|&range| Scale::of(range))
                .collect(),
        )
    }

    fn stage(&mut self, stage: &FoldedStage) -> QuantisedStage {
        match stage {
            FoldedStage::Stem { conv, zero, relu } => self.stem(conv, zero, *relu),
            FoldedStage::Layer {
                gate,
                bottleneck,
                conv,
            } => self.dense_layer(gate, bottleneck.as_ref(), conv),
            FoldedStage::Transition { gate, conv } => self.transition(gate, conv),
            FoldedStage::Head { gate, conv } => self.head(gate, conv),
        }
    }

    fn stem(&mut self, conv: &FoldedConv, zero: &[f32], relu: bool) -> QuantisedStage {
        let scales = self.next_ranges(conv.outputs).iter().map(|&range| {
            // Behind a ReLU the byte 0 must be zero: saturation is the ReLU.
            Scale::of(if relu {
                Range {
                    min: 0.0,
                    max: range.max.max(1e-6),
                }
            } else {
                range
            })
        });
        let inner = Inner {
            weight: conv.weight.clone(),
            bias: vec![conv.bias.clone()],
            divisor: 1.0,
        };
        let conv = integers(conv, &inner, Outputs::Own(scales.collect()));
        self.channels = conv.scales.clone();
        let padding = zero
            .iter()
            .map(|zero| zero.round().clamp(0.0, 255.0) as u8)
            .collect();
        QuantisedStage::Stem { conv, padding }
    }

    fn dense_layer(
        &mut self,
        gate: &Gate,
        bottleneck: Option<&FoldedConv>,
        conv: &FoldedConv,
    ) -> QuantisedStage {
        let gate = clamp(gate, &self.channels);
        let scales = self.next_scales(conv.outputs);
        let (bottleneck, conv) = match bottleneck {
            Some(first) => {
                let largest = self.ranges.bottlenecks[self.block][self.layer].max(1e-6);
                let ring = Scale {
                    scale: largest / 255.0,
                    zero: 0,
                };
                let first = integers(first, &behind(first, &gate), Outputs::Shared(ring));
                let ring = first.scales.first().map_or(ring.scale, |scale| scale.scale);
                let weight = conv.weight.iter().map(|weight| weight * ring).collect();
                let inner = Inner {
                    weight,
                    bias: vec![conv.bias.clone()],
                    divisor: 1.0,
                };
                (Some(first), integers(conv, &inner, scales))
            }
            None => (None, integers(conv, &with_borders(conv, &gate), scales)),
        };
        self.channels.extend(&conv.scales);
        self.layer += 1;
        QuantisedStage::Layer {
            gate,
            bottleneck,
            conv,
        }
    }

    fn transition(&mut self, gate: &Gate, conv: &FoldedConv) -> QuantisedStage {
        let gate = clamp(gate, &self.channels);
        let pixels = if self.map.height == 1 { 2.0 } else { 4.0 };
        self.map = self.map.halved(conv.outputs);
        self.block += 1;
        self.layer = 0;
        self.channels.clear();
        let scales = self.next_scales(conv.outputs);
        let conv = integers(
            conv,
            &Inner {
                divisor: pixels,
                ..behind(conv, &gate)
            },
            scales,
        );
        self.channels = conv.scales.clone();
        QuantisedStage::Transition { gate, conv }
    }

    fn head(&mut self, gate: &Gate, conv: &FoldedConv) -> QuantisedStage {
        let gate = clamp(gate, &self.channels);
        let pixels = self.map.pixels() as f32;
        let inner = Inner {
            divisor: pixels,
            ..behind(conv, &gate)
        };
        let scale = Scale {
            scale: LOGIT_SCALE,
            zero: 0,
        };
        QuantisedStage::Head {
            conv: integers(conv, &inner, Outputs::Shared(scale)),
            gate,
        }
    }
}

/// A gate as a clamp on bytes stored with `channels`' scales.
fn clamp(gate: &Gate, channels: &[Scale]) -> QuantisedGate {
    let mut out = QuantisedGate {
        mask: Vec::new(),
        threshold: Vec::new(),
        factor: Vec::new(),
        constant: Vec::new(),
    };
    for (c, channel) in channels.iter().enumerate() {
        let zero = channel.zero as f32;
        let (mask, threshold, factor, constant) = match gate {
            Gate::Pass => (0, 0, channel.scale, -channel.scale * zero),
            Gate::Relu { slope, offset } => clamp_channel(slope[c], offset[c], channel.scale, zero),
        };
        out.mask.push(mask);
        out.threshold.push(threshold);
        out.factor.push(factor);
        out.constant.push(constant);
    }
    out
}

/// `relu(slope * scale * (u - zero) + offset)` as mask, threshold, factor and constant.
fn clamp_channel(slope: f32, offset: f32, scale: f32, zero: f32) -> (u8, u8, f32, f32) {
    let factor = (slope * scale).abs();
    // The byte at which the gate opens, as a real number.
    let opening = zero - offset / (slope * scale);
    if !opening.is_finite() || factor == 0.0 {
        return (0, 255, 0.0, offset.max(0.0));
    }
    let threshold = opening.round().clamp(0.0, 255.0);
    if slope > 0.0 {
        let always_on = factor * (-opening).max(0.0);
        (
            0,
            threshold as u8,
            factor,
            if opening < 0.0 { always_on } else { 0.0 },
        )
    } else {
        let always_on = factor * (opening - 255.0).max(0.0);
        (0xff, 255 - threshold as u8, factor, always_on)
    }
}

/// How the outputs of a convolution are to be stored.
enum Outputs {
    /// Each in its own scale.
    Own(Vec<Scale>),
    /// All in one: a bottleneck's, and logits, which are compared.
    Shared(Scale),
}

/// A convolution as it meets clamped bytes: weights times the gate's factors, biases with its constants, and what the
/// accumulator must still be divided by.
struct Inner {
    weight: Vec<f32>,
    /// One vector per kind of border, or one.
    bias: Vec<Vec<f32>>,
    divisor: f32,
}

/// A 1x1 behind a gate.
fn behind(conv: &FoldedConv, gate: &QuantisedGate) -> Inner {
    let mut bias = conv.bias.clone();
    let mut weight = conv.weight.clone();
    for (filter, bias) in weight.chunks_exact_mut(conv.inputs).zip(&mut bias) {
        for ((weight, factor), constant) in filter.iter_mut().zip(&gate.factor).zip(&gate.constant) {
            *bias += *weight * constant;
            *weight *= factor;
        }
    }
    Inner {
        weight,
        bias: vec![bias],
        divisor: 1.0,
    }
}

/// A plain layer's convolution behind a gate. A padded tap is zero, but a channel that is always on has a constant
/// wherever there is a pixel: each kind of border counts the taps it has.
fn with_borders(conv: &FoldedConv, gate: &QuantisedGate) -> Inner {
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
                if tap_is_inside(conv, tap, kind) {
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

/// Whether tap `[ky][kx]` meets a pixel at a border of this kind: first, inner or last row and column of a map of three.
fn tap_is_inside(conv: &FoldedConv, tap: usize, kind: usize) -> bool {
    let reach = |at: usize, k: usize, taps: usize| (1..4).contains(&(at + 1 + k - taps / 2));
    let (row, column) = (kind / 3, kind % 3);
    debug_assert_eq!(border(3, 3, row, column), kind);
    reach(row, tap / conv.columns, conv.rows) && reach(column, tap % conv.columns, conv.columns)
}

/// Largest sum that an accumulator is allowed, bias and products each.
const MAX_SUM: f32 = 1_000_000_000.0;

/// Rounds filters to `i8` and everything else to fit. An output whose filter is too coarse for its scale (it can hardly
/// have been used) gets a larger scale.
fn integers(conv: &FoldedConv, inner: &Inner, outputs: Outputs) -> QuantisedConv {
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
            (largest / 127.0).max(offset.max(products) / MAX_SUM).max(1e-30)
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
        out.weight.extend(
            filter
                .iter()
                .map(|weight| (weight / step).round().clamp(-127.0, 127.0) as i8),
        );
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
    use denselet::arithmetic;

    /// What the clamp computes for byte `u`, and what it should.
    fn both(slope: f32, offset: f32, scale: f32, zero: f32, u: u8) -> (f32, f32) {
        let (mask, threshold, factor, constant) = clamp_channel(slope, offset, scale, zero);
        let v = f32::from(arithmetic::clamp(u, mask, threshold));
        (
            factor * v + constant,
            (slope * scale * (f32::from(u) - zero) + offset).max(0.0),
        )
    }

    #[test]
    fn a_clamp_is_within_half_a_step_of_batch_norm_and_relu() {
        for slope in [-2.0, -0.3, 0.0, 0.5, 3.0] {
            for offset in [-900.0, -3.3, -0.2, 0.0, 0.4, 2.7, 900.0] {
                for zero in [-40.0, 0.0, 77.0, 255.0, 300.0] {
                    for u in 0..=255 {
                        let (found, expected) = both(slope, offset, 0.02, zero, u);
                        let half_step = (slope * 0.02f32).abs() * 0.501 + 1e-3;
                        assert!(
                            (found - expected).abs() <= half_step,
                            "{slope} {offset} {zero} {u}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn borders_miss_the_taps_outside() {
        let conv = FoldedConv {
            outputs: 1,
            rows: 3,
            columns: 3,
            inputs: 1,
            weight: (0..9).map(|tap| f32::from(1u16 << tap)).collect(),
            bias: vec![0.0],
        };
        let gate = QuantisedGate {
            mask: vec![0],
            threshold: vec![0],
            factor: vec![1.0],
            constant: vec![1.0],
        };
        let sums: Vec<f32> = with_borders(&conv, &gate)
            .bias
            .iter()
            .map(|bias| bias[0])
            .collect();
        // Row by row: taps 0 1 2 / 3 4 5 / 6 7 8 have the weights 1 2 4 / 8 16 32 / 64 128 256.
        assert_eq!(sums, [432.0, 504.0, 216.0, 438.0, 511.0, 219.0, 54.0, 63.0, 27.0]);
    }
}
