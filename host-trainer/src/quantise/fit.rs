//! Weights of fewer bits: the step of least error for every filter, and biases that make up for what rounding moves on average.

use super::QuantiseError;
use super::conv::{Inner, integers};
use super::gate::{QuantisedGate, clamp};
use super::stages::{Walk, check};
use crate::calibrate::Ranges;
use crate::fold::{Folded, FoldedConv, Gate};
use crate::grid::{Grid, Precision};
use crate::means::{Means, Read};
use crate::stages::{Location, Stage};

/// Gives every convolution of `folded` its grid of this precision, and the stem [8 bits](Grid::STEM_BITS). A bias loses the mean of what
/// its filter's rounding adds.
///
/// # Errors
/// Returns an error if a parameter or range is not finite.
pub fn fit(
    folded: &mut Folded,
    ranges: &Ranges,
    means: &Means,
    precision: Precision,
) -> Result<(), QuantiseError> {
    let mut walk = Walk::new(folded, ranges);
    let positions = Location::all(&folded.spec);
    for (index, (stage, at)) in folded.stages.iter_mut().zip(&positions).enumerate() {
        check(index, stage, ranges.blocks.get(at.block))?;
        let [read, in_ring] = &means.stages[index];
        fit_stage(&mut walk, stage, at, (read, in_ring, precision));
        walk.stage(stage, at);
    }
    Ok(())
}

fn fit_stage(
    walk: &mut Walk<'_>,
    stage: &mut Stage<Gate, FoldedConv>,
    at: &Location,
    (read, in_ring, precision): (&Read, &Read, Precision),
) {
    match stage {
        Stage::Stem { conv } => fit_conv(
            conv,
            &Inner::plain(conv),
            &Spread::of(read, |_| (1.0, 0.0)),
            Grid::STEM_BITS.into(),
        ),
        Stage::Layer {
            gate,
            bottleneck: Some(first),
            conv,
        } => {
            let gate = clamp(gate, walk.channels());
            fit_conv(
                first,
                &Inner::after(&gate, first, 1.0),
                &Spread::after(&gate, read),
                precision,
            );
            let scale = integers(first, &Inner::after(&gate, first, 1.0), walk.ring(at)).scales[0].scale;
            fit_conv(
                conv,
                &Inner::scaled(conv, scale),
                &Spread::of(in_ring, |_| (scale, 0.0)),
                precision,
            );
        }
        Stage::Layer {
            gate,
            bottleneck: None,
            conv,
        } => {
            let gate = clamp(gate, walk.channels());
            fit_conv(
                conv,
                &Inner::with_borders(&gate, conv, at.output),
                &Spread::after(&gate, read),
                precision,
            );
        }
        // Pooling changes no mean.
        Stage::Transition { gate, conv } | Stage::Head { gate, conv } => {
            let gate = clamp(gate, walk.channels());
            fit_conv(
                conv,
                &Inner::after(&gate, conv, 1.0),
                &Spread::after(&gate, read),
                precision,
            );
        }
    }
}

/// Mean and variance of what weights meet, per channel, in steps.
struct Spread {
    mean: Vec<f32>,
    variance: Vec<f32>,
}

impl Spread {
    /// Of values that are `factor * v + constant` each.
    fn of(read: &Read, of_channel: impl Fn(usize) -> (f32, f32)) -> Self {
        let steps = read
            .mean
            .iter()
            .zip(&read.square)
            .enumerate()
            .map(|(c, (&mean, &square))| {
                let (factor, constant) = of_channel(c);
                match factor == 0.0 {
                    true => (0.0, 0.0),
                    false => (
                        (mean - constant) / factor,
                        (square - mean * mean).max(0.0) / (factor * factor),
                    ),
                }
            });
        let (mean, variance) = steps.unzip();
        Self { mean, variance }
    }

    fn after(gate: &QuantisedGate, read: &Read) -> Self {
        Self::of(read, |c| (gate.factor[c], gate.constant[c]))
    }
}

fn fit_conv(conv: &mut FoldedConv, inner: &Inner, read: &Spread, precision: Precision) {
    let length = conv.weight.len() / conv.outputs;
    let importance: Vec<f32> = read.variance.iter().copied().cycle().take(length).collect();
    let grid = Grid::fit(precision, &inner.weight, &importance);
    let filters = inner
        .weight
        .chunks_exact(length)
        .zip(&grid.step)
        .zip(&mut conv.bias);
    for ((filter, &step), bias) in filters {
        let moved = filter
            .iter()
            .zip(read.mean.iter().cycle())
            .map(|(&weight, &mean)| {
                let rounded = grid.round(weight / step) * step;
                f64::from(rounded - weight) * f64::from(mean)
            });
        *bias -= moved.sum::<f64>() as f32;
    }
    conv.grid = Some(grid);
}
