//! Every stage in integers, in order: the scales of one stage are the inputs of the next.

use super::conv::{Inner, Outputs, QuantisedConv, behind, integers, with_borders};
use super::gate::{QuantisedGate, clamp};
use super::scale::Scale;
use crate::calibrate::{Range, Ranges};
use crate::fold::{Folded, FoldedConv, FoldedStage, Gate};
use crate::spec::{Map, Spec};
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
            None => (None, integers(conv, &with_borders(conv, &gate, self.map), scales)),
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
