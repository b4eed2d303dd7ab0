//! Converts sums of gradients by bytes to gradients of the parameters, in the units of the learning rate. The formulas, with
//! their sources, are in `FINETUNING.md`.

use super::memory::StageSums;
use super::quantiser::ConvSums;
use super::{Parameters, Stored};
use crate::fold::{FoldedConv, Gate};
use crate::net::Role;
use crate::quantise::{Quantised, QuantisedConv, QuantisedGate, tap_is_inside};
use crate::spec::Map;
use crate::stages::{Location, Stage};
use denselet::layout::BORDERS;

/// A convolution's parameters, of the gate before it and of the range after it, with their integers.
pub(super) struct Part<'p> {
    /// Stage, 0 for the stem.
    index: usize,
    which: Which,
    /// Of its outputs.
    map: Map,
    gate: Option<(&'p mut Gate, &'p QuantisedGate)>,
    pub(super) inputs: Inputs<'p>,
    pub(super) conv: &'p mut FoldedConv,
    pub(super) integers: &'p QuantisedConv,
    /// Pixels that are added up for each output.
    divisor: f32,
    range: OutputRange<'p>,
}

/// Which of a stage's convolutions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// The bottleneck.
    First,
    /// The stage's own.
    Own,
}

/// What the integers that a convolution reads stand for.
pub(super) enum Inputs<'p> {
    /// Themselves.
    Raw,
    /// So much each.
    Ring(f32),
    /// What the gate says.
    Gate(&'p QuantisedGate),
}

impl Inputs<'_> {
    /// `(factor, constant)` of channel `i`: it stands for `factor * v + constant`.
    pub(super) fn of(&self, i: usize) -> (f32, f32) {
        match self {
            Self::Raw => (1.0, 0.0),
            Self::Ring(scale) => (*scale, 0.0),
            Self::Gate(gate) => (gate.factor[i], gate.constant[i]),
        }
    }
}

/// What decides the scales of a convolution's outputs.
enum OutputRange<'p> {
    /// Channels in a block.
    Own {
        low: &'p mut [f32],
        high: &'p mut [f32],
        /// Whether the range begins at zero, whatever `low` says.
        is_relu: bool,
    },
    /// A bottleneck's largest value.
    Ring(&'p mut f32),
    /// Nothing: they are fixed.
    Logits,
}

/// Unit of the head's biases: an eighth of a step of a byte that spanned logits from -16 to 16.
const LOGIT_UNIT: f32 = 1.0 / 64.0;

/// Unit of the steps of a grid, as a part of the step: every weight of a filter changes with it.
const STEP_UNIT: f32 = 1.0 / 8.0;

impl Part<'_> {
    /// Puts gradients in the parameters' places.
    fn gradient(self, sums: &[StageSums]) {
        let stage = &sums[self.index];
        let sums = match self.which {
            Which::First => &stage.first,
            Which::Own => &stage.conv,
        };
        let conv = self.conv;
        let (outputs, inputs) = (conv.outputs, conv.inputs);
        let length = conv.rows * conv.columns * inputs;
        let scale = |o: usize| self.integers.scales[o].scale;
        for o in 0..outputs {
            let mut of_step = 0.0;
            for tap in 0..conv.rows * conv.columns {
                let read = total(sums, conv, self.map, o, Some(tap));
                for i in 0..inputs {
                    let (factor, constant) = self.inputs.of(i);
                    let at = o * length + tap * inputs + i;
                    let mut product = sums.weight.of(tap, o, i);
                    if let Some(grid) = &conv.grid {
                        let steps = conv.weight[at] * factor / grid.step[o];
                        let integer = f32::from(self.integers.weight[at]);
                        if steps.round() == integer {
                            of_step += product * (integer - steps);
                        } else {
                            // Beyond the last integer.
                            of_step += product * integer;
                            product = 0.0;
                        }
                    }
                    conv.weight[at] = (factor * product / self.divisor + constant * read) / scale(o);
                }
            }
            if let Some(grid) = &mut conv.grid {
                grid.step[o] = of_step / self.divisor / scale(o);
            }
            conv.bias[o] = total(sums, conv, self.map, o, None) / scale(o);
        }
        if let Some((Gate::Relu { offset, .. }, clamp)) = self.gate {
            for ((offset, open), factor) in offset.iter_mut().zip(&stage.open).zip(&clamp.factor) {
                *offset = if *factor == 0.0 { 0.0 } else { open / factor };
            }
        }
        let high_of = |o: usize| (sums.high[o] + sums.rounded[o] / 255.0) / scale(o);
        match self.range {
            OutputRange::Own { low, high, is_relu } => {
                for (o, (low, high)) in low.iter_mut().zip(high).enumerate() {
                    *high = high_of(o);
                    *low = if is_relu {
                        0.0
                    } else {
                        (sums.low[o] - sums.rounded[o] / 255.0) / scale(o)
                    };
                }
            }
            OutputRange::Ring(largest) => *largest = (0..outputs).map(high_of).sum(),
            OutputRange::Logits => {}
        }
    }

    /// Puts units in the parameters' places.
    fn units(self) {
        let conv = self.conv;
        let length = conv.rows * conv.columns * conv.inputs;
        let step = |o: usize| {
            let ratio = self.integers.multiplier[o] as f32 / 4_294_967_296.0;
            ratio * self.integers.scales[o].scale * self.divisor
        };
        for (o, filter) in conv.weight.chunks_exact_mut(length).enumerate() {
            for (k, weight) in filter.iter_mut().enumerate() {
                let (factor, _) = self.inputs.of(k % conv.inputs);
                *weight = step(o) / if factor == 0.0 { 1.0 } else { factor };
            }
        }
        if let Some(grid) = &mut conv.grid {
            for (o, unit) in grid.step.iter_mut().enumerate() {
                *unit = step(o) * STEP_UNIT;
            }
        }
        let scale = |o: usize| self.integers.scales[o].scale;
        let is_head = matches!(self.range, OutputRange::Logits);
        for (o, bias) in conv.bias.iter_mut().enumerate() {
            *bias = if is_head { LOGIT_UNIT } else { scale(o) };
        }
        if let Some((Gate::Relu { offset, .. }, clamp)) = self.gate {
            for (offset, factor) in offset.iter_mut().zip(&clamp.factor) {
                *offset = if *factor == 0.0 { 1.0 } else { *factor };
            }
        }
        match self.range {
            OutputRange::Own { low, high, .. } => {
                for (o, (low, high)) in low.iter_mut().zip(high).enumerate() {
                    (*low, *high) = (scale(o), scale(o));
                }
            }
            OutputRange::Ring(largest) => *largest = scale(0),
            OutputRange::Logits => {}
        }
    }
}

/// The sum of an output's gradients over all pixels, or over those that have a pixel at a tap.
fn total(sums: &ConvSums, conv: &FoldedConv, map: Map, o: usize, tap: Option<usize>) -> f32 {
    if sums.bias.len() < BORDERS * conv.outputs {
        return sums.bias[o];
    }
    let kinds = sums.bias.chunks_exact(conv.outputs).enumerate();
    kinds
        .filter(|(kind, _)| tap.is_none_or(|tap| tap_is_inside(conv, map, tap, *kind)))
        .map(|(_, outputs)| outputs[o])
        .sum()
}

/// The largest power of two that is not above `value`; multiplying by it and dividing again changes nothing.
fn power_of_two(value: f32) -> f32 {
    f32::from_bits(value.max(1e-30).to_bits() & 0x7f80_0000)
}

impl Parameters {
    /// The gradients of a batch whose sums are `sums`; `quantised` is what it ran through.
    pub(super) fn gradient(&self, quantised: &Quantised, sums: &[StageSums]) -> Self {
        let mut out = self.weights_alone();
        out.visit(quantised, |part| part.gradient(sums));
        out
    }

    /// Returns the weights and their steps, and zeros for all else. A gradient is put in their places, and depends on them.
    pub(super) fn weights_alone(&self) -> Self {
        let mut out = self.clone();
        for tensor in out.tensors() {
            if tensor.role != Role::Weight && !tensor.name.ends_with(".step") {
                tensor.values.fill(0.0);
            }
        }
        out
    }

    /// What one step of quantisation is worth to each parameter, rounded down to a power of two: the unit that its learning
    /// rate counts in.
    pub(super) fn units(&self, quantised: &Quantised) -> Self {
        let mut out = self.filled(1.0);
        out.visit(quantised, |part| part.units());
        for tensor in out.tensors() {
            for value in tensor.values {
                *value = power_of_two(*value);
            }
        }
        out
    }

    /// Returns as many parameters, all of `value`. Unused ones, such as the range of an absent bottleneck, are filled too.
    fn filled(&self, value: f32) -> Self {
        let mut out = self.clone();
        for tensor in out.tensors() {
            tensor.values.fill(value);
        }
        out
    }

    /// Every stage's parameters beside its integers and the scales around it.
    pub(super) fn visit<'p>(&'p mut self, quantised: &'p Quantised, mut see: impl FnMut(Part<'_>)) {
        let Self { folded, stored } = self;
        let positions = Location::all(&folded.spec);
        let mut slot = 0;
        let stages = folded.stages.iter_mut().zip(&quantised.stages).zip(&positions);
        for (index, ((stage, integers), at)) in stages.enumerate() {
            // A network's integers have its stages.
            let Some(stage) = stage.as_mut().zip(integers.as_ref()) else {
                continue;
            };
            let Stored {
                low,
                high,
                bottlenecks,
            } = &mut stored[at.block];
            let (is_layer, is_head) = (
                matches!(stage, Stage::Layer { .. }),
                matches!(stage, Stage::Head { .. }),
            );
            let divisor = match stage {
                Stage::Stem { .. } | Stage::Layer { .. } => 1.0,
                Stage::Transition { .. } if at.input.height == 1 => 2.0,
                Stage::Transition { .. } => 4.0,
                Stage::Head { .. } => at.input.pixels() as f32,
            };
            let (mut gate, first, (conv, integers)) = stage.into_parts();
            let mut inputs = gate
                .as_ref()
                .map_or(Inputs::Raw, |(_, clamp)| Inputs::Gate(clamp));
            if let Some((first, ring)) = first {
                let scale = ring.scales.first().map_or(1.0, |scale| scale.scale);
                see(Part {
                    index,
                    map: at.input,
                    which: Which::First,
                    gate: gate.take(),
                    inputs: core::mem::replace(&mut inputs, Inputs::Ring(scale)),
                    conv: first,
                    integers: ring,
                    divisor: 1.0,
                    range: OutputRange::Ring(&mut bottlenecks[at.layer]),
                });
            }
            let range = if is_head {
                OutputRange::Logits
            } else {
                let first = if is_layer { slot } else { 0 };
                slot = first + conv.outputs;
                OutputRange::Own {
                    low: &mut low[first..slot],
                    high: &mut high[first..slot],
                    is_relu: index == 0 && folded.spec.stem.norm,
                }
            };
            see(Part {
                index,
                map: if is_head { at.input } else { at.output },
                which: Which::Own,
                gate,
                inputs,
                conv,
                integers,
                divisor,
                range,
            });
        }
    }
}
