//! Every stage in integers, in order: the scales of one stage are the inputs of the next.

use super::conv::{Inner, Outputs, QuantisedConv, integers};
use super::gate::{QuantisedGate, clamp};
use super::scale::Scale;
use crate::calibrate::{Range, Ranges};
use crate::fold::{Folded, FoldedConv, Gate};
use crate::spec::Spec;
use crate::stages::{Location, Stage};
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

/// A network in integers.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantised {
    /// The family it is of.
    pub spec: Spec,
    /// The byte that stands for zero, per input channel.
    pub padding: Vec<u8>,
    /// Its stages.
    pub stages: Vec<Stage<QuantisedGate, QuantisedConv>>,
}

/// What a logit of 1 stands for, unless some filter needs a larger step.
const LOGIT_SCALE: f32 = 1.0 / 1024.0;

/// Quantises a folded network with calibrated ranges.
///
/// # Errors
/// Returns an error if a parameter or range is not finite.
pub fn quantise(folded: &Folded, ranges: &Ranges) -> Result<Quantised, QuantiseError> {
    let mut walk = Walk::new(folded, ranges);
    let positions = Location::all(&folded.spec);
    let stages = folded.stages.iter().zip(&positions).enumerate();
    let stages = stages.map(|(index, (stage, at))| {
        check(index, stage, ranges.blocks.get(at.block))?;
        Ok(walk.stage(stage, at))
    });
    let stages = stages.collect::<Result<_, _>>()?;
    let padding = folded.zero.iter();
    Ok(Quantised {
        spec: folded.spec.clone(),
        padding: padding.map(|zero| zero.round().clamp(0.0, 255.0) as u8).collect(),
        stages,
    })
}

/// Checks that everything that a stage is quantised from is finite.
pub(super) fn check(
    stage: usize,
    folded: &Stage<Gate, FoldedConv>,
    ranges: Option<&Vec<Range>>,
) -> Result<(), QuantiseError> {
    let finite = |what, is_finite| match is_finite {
        true => Ok(()),
        false => Err(QuantiseError::NotFinite { stage, what }),
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
    let (gate, bottleneck, conv) = folded.as_ref().into_parts();
    finite("a batch norm", gate.is_none_or(gate_is_finite))?;
    finite("a bottleneck weight", bottleneck.is_none_or(conv_is_finite))?;
    finite("a weight", conv_is_finite(conv))?;
    let mut ranges = ranges.into_iter().flatten();
    finite(
        "an activation",
        ranges.all(|range| range.min.is_finite() && range.max.is_finite()),
    )
}

/// The walk along the network, and how the current block's channels are stored so far.
pub(super) struct Walk<'r> {
    ranges: &'r Ranges,
    has_stem_relu: bool,
    channels: Vec<Scale>,
}

impl<'r> Walk<'r> {
    pub(super) fn new(folded: &Folded, ranges: &'r Ranges) -> Self {
        Self {
            ranges,
            has_stem_relu: folded.spec.stem.norm,
            channels: Vec::new(),
        }
    }

    /// How the channels are stored that exist so far in the current block.
    pub(super) fn channels(&self) -> &[Scale] {
        &self.channels
    }

    /// How a layer's bottleneck is stored.
    pub(super) fn ring(&self, at: &Location) -> Outputs {
        let largest = self.ranges.bottlenecks[at.block][at.layer].max(1e-6);
        Outputs::Shared(Scale {
            scale: largest / 255.0,
            zero: 0,
        })
    }

    pub(super) fn stage(
        &mut self,
        stage: &Stage<Gate, FoldedConv>,
        at: &Location,
    ) -> Stage<QuantisedGate, QuantisedConv> {
        let gate = |gate| clamp(gate, &self.channels);
        match stage {
            Stage::Stem { conv } => {
                let conv = integers(conv, &Inner::plain(conv), self.scales(0, conv, at));
                self.channels = conv.scales.clone();
                Stage::Stem { conv }
            }
            Stage::Layer {
                gate: before,
                bottleneck,
                conv,
            } => {
                let gate = gate(before);
                let scales = self.scales(self.channels.len(), conv, at);
                let first = bottleneck
                    .as_ref()
                    .map(|first| integers(first, &Inner::after(&gate, first, 1.0), self.ring(at)));
                let inner = match &first {
                    Some(first) => Inner::scaled(conv, first.scales.first().map_or(1.0, |scale| scale.scale)),
                    None => Inner::with_borders(&gate, conv, at.output),
                };
                let conv = integers(conv, &inner, scales);
                self.channels.extend(&conv.scales);
                Stage::Layer {
                    gate,
                    bottleneck: first,
                    conv,
                }
            }
            Stage::Transition { gate: before, conv } => {
                let gate = gate(before);
                let pixels = if at.input.height == 1 { 2.0 } else { 4.0 };
                let conv = integers(conv, &Inner::after(&gate, conv, pixels), self.scales(0, conv, at));
                self.channels = conv.scales.clone();
                Stage::Transition { gate, conv }
            }
            Stage::Head { gate: before, conv } => {
                let gate = gate(before);
                let scale = Scale {
                    scale: LOGIT_SCALE,
                    zero: 0,
                };
                let inner = Inner::after(&gate, conv, at.input.pixels() as f32);
                let conv = integers(conv, &inner, Outputs::Shared(scale));
                Stage::Head { gate, conv }
            }
        }
    }

    /// The scales of a convolution whose outputs are stored from channel `first` of the block on.
    fn scales(&self, first: usize, conv: &FoldedConv, at: &Location) -> Outputs {
        let ranges = self.ranges.blocks[at.block][first..][..conv.outputs].iter();
        let is_relu = self.has_stem_relu && at.block == 0 && first == 0;
        let scales = ranges.map(|&range| {
            // After a ReLU the byte 0 must be zero: saturation is the ReLU.
            Scale::of(if is_relu {
                Range {
                    min: 0.0,
                    max: range.max.max(1e-6),
                }
            } else {
                range
            })
        });
        Outputs::Own(scales.collect())
    }
}
