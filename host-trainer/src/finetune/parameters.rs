//! What fine-tuning trains: the folded network and the ranges its bytes span, in float.
//!
//! `quantise` makes the integer network of them exactly as an export does. A gate's slope is 1 or -1 here: its size stands in
//! the weights after it, where `quantise` would put it anyway, so that each thing the integers know is trained once.

use super::Recipe;
use crate::calibrate::{Calibration, Range, Ranges, calibrate};
use crate::data::Dataset;
use crate::fold::{Folded, FoldedConv, Gate, fold};
use crate::means::Means;
use crate::net::{Network, Role, Tensor};
use crate::quantise::{QuantiseError, Quantised, fit, quantise};
use crate::stages::{Location, Stage};

/// Ranges of a block's stored channels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stored {
    /// What the byte 0 stands for, per channel.
    pub low: Vec<f32>,
    /// What the byte 255 stands for, per channel.
    pub high: Vec<f32>,
    /// What the byte 255 of each layer's bottleneck stands for; 0 without.
    pub bottlenecks: Vec<f32>,
}

impl Stored {
    /// Ranges of nothing.
    pub(super) fn new(channels: usize, layers: usize) -> Self {
        Self {
            low: vec![0.0; channels],
            high: vec![0.0; channels],
            bottlenecks: vec![0.0; layers],
        }
    }
}

/// Everything an integer network is made of, in float.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// Convolutions and gates.
    pub folded: Folded,
    /// Ranges, per block; a last entry for what a final transition leaves, if there is one.
    pub stored: Vec<Stored>,
}

impl Parameters {
    /// Those that a run starts from: the network as the recipe calibrates it.
    ///
    /// # Errors
    ///
    /// Returns an error if a parameter of the network is not finite.
    pub fn calibrated(network: &Network, data: &Dataset, recipe: &Recipe) -> Result<Self, QuantiseError> {
        let images = Calibration::draw(data, recipe.finetune.calibration).images.images;
        let (mut folded, ranges) = (fold(network), calibrate(network, &images));
        let bits = recipe.finetune.bits;
        if bits < 8 {
            let means = Means::of(network, &folded, &images);
            fit(&mut folded, &ranges, &means, bits.into())?;
        }
        Ok(Self::new(folded, &ranges))
    }

    /// Those of a folded network and its calibrated ranges.
    pub fn new(mut folded: Folded, ranges: &Ranges) -> Self {
        for stage in &mut folded.stages {
            if let (Some(gate), first, conv) = stage.as_mut().into_parts() {
                settle_slopes(gate, first.unwrap_or(conv));
            }
        }
        let nothing = Vec::new();
        let bottlenecks = ranges.bottlenecks.iter().chain([&nothing]);
        let blocks = ranges.blocks.iter().zip(bottlenecks);
        let stored = blocks.map(|(channels, bottlenecks)| Stored {
            low: channels.iter().map(|range| range.min).collect(),
            high: channels.iter().map(|range| range.max).collect(),
            bottlenecks: bottlenecks.clone(),
        });
        Self {
            stored: stored.collect(),
            folded,
        }
    }

    /// The ranges as calibration would give them.
    pub fn ranges(&self) -> Ranges {
        let blocks = self.folded.spec.blocks.len();
        Ranges {
            blocks: (self.stored.iter())
                .map(|stored| {
                    let ranges = stored.low.iter().zip(&stored.high);
                    ranges.map(|(&min, &max)| Range { min, max }).collect()
                })
                .collect(),
            bottlenecks: (self.stored.iter().take(blocks))
                .map(|stored| stored.bottlenecks.clone())
                .collect(),
        }
    }

    /// The integer network they stand for.
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is not finite.
    pub fn quantise(&self) -> Result<Quantised, QuantiseError> {
        quantise(&self.folded, &self.ranges())
    }

    /// Puts right what a step may have turned round: no range ends before it begins, and no step of a grid goes below a part of
    /// its unit.
    pub(super) fn order(&mut self, units: &Self) {
        for (stage, units) in self.folded.stages.iter_mut().zip(&units.folded.stages) {
            for (conv, units) in stage.convs_mut().zip(units.convs()) {
                if let (Some(grid), Some(units)) = (&mut conv.grid, &units.grid) {
                    for (step, unit) in grid.step.iter_mut().zip(&units.step) {
                        *step = step.max(*unit);
                    }
                }
            }
        }
        for stored in &mut self.stored {
            for (low, high) in stored.low.iter().zip(&mut stored.high) {
                *high = high.max(*low);
            }
            for largest in &mut stored.bottlenecks {
                *largest = largest.max(0.0);
            }
        }
    }

    /// Every tensor, in the order of the stages, ranges last. Those with the role of a statistic are not trained.
    pub fn tensors(&mut self) -> Vec<Tensor<'_>> {
        let mut list = List(Vec::new());
        let Folded { spec, zero, stages } = &mut self.folded;
        let mut zero = Some(zero);
        for (stage, position) in stages.iter_mut().zip(Location::all(spec)) {
            let at = position.name(stage);
            let last = match stage {
                Stage::Layer { .. } => format!("{at}.conv"),
                _ => at.clone(),
            };
            let (gate, first, conv) = stage.as_mut().into_parts();
            if let Some(gate) = gate {
                list.gate(&format!("{at}.gate"), gate);
            }
            if let Some(first) = first {
                list.conv(&format!("{at}.bottleneck"), first);
            }
            list.conv(&last, conv);
            // After the stem's.
            if let Some(zero) = zero.take() {
                list.flat("stem.zero".into(), Role::Statistic, zero);
            }
        }
        for (block, stored) in self.stored.iter_mut().enumerate() {
            let Stored {
                low,
                high,
                bottlenecks,
            } = stored;
            list.flat(format!("ranges.{block}.low"), Role::Offset, low);
            list.flat(format!("ranges.{block}.high"), Role::Offset, high);
            list.flat(format!("ranges.{block}.bottlenecks"), Role::Offset, bottlenecks);
        }
        list.0
    }
}

/// Moves the size of a gate's slopes into the weights after it: what a gate lets through is in proportion to it.
fn settle_slopes(gate: &mut Gate, conv: &mut FoldedConv) {
    let Gate::Relu { slope, offset } = gate else {
        return;
    };
    for pixel in conv.weight.chunks_exact_mut(slope.len()) {
        for (weight, slope) in pixel.iter_mut().zip(&*slope) {
            // A slope of nothing makes a constant of the channel, and stays.
            if *slope != 0.0 {
                *weight *= slope.abs();
            }
        }
    }
    for (slope, offset) in slope.iter_mut().zip(offset) {
        if *slope != 0.0 {
            *offset /= slope.abs();
            *slope = slope.signum();
        }
    }
}

/// Tensors by their names.
struct List<'p>(Vec<Tensor<'p>>);

impl<'p> List<'p> {
    fn conv(&mut self, at: &str, conv: &'p mut FoldedConv) {
        self.0.push(Tensor {
            name: format!("{at}.weight"),
            shape: vec![conv.outputs, conv.rows, conv.columns, conv.inputs],
            role: Role::Weight,
            values: &mut conv.weight,
        });
        self.flat(format!("{at}.bias"), Role::Offset, &mut conv.bias);
        if let Some(grid) = &mut conv.grid {
            self.flat(format!("{at}.step"), Role::Offset, &mut grid.step);
        }
    }

    fn gate(&mut self, at: &str, gate: &'p mut Gate) {
        if let Gate::Relu { slope, offset } = gate {
            self.flat(format!("{at}.slope"), Role::Statistic, slope);
            self.flat(format!("{at}.offset"), Role::Offset, offset);
        }
    }

    fn flat(&mut self, name: String, role: Role, values: &'p mut [f32]) {
        self.0.push(Tensor {
            name,
            shape: vec![values.len()],
            role,
            values,
        });
    }
}
