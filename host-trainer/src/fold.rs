//! Folds batch norms: one after a convolution becomes part of its weights, one before a convolution becomes a gate. After
//! training, before calibration; still float.
//!
//! In inference a batch norm is `slope * x + offset` per channel. After a convolution (a bottleneck's, an ImageNet stem's)
//! it scales the filter and moves the bias. Before one, with its ReLU, it stays: `quantise` turns it into a clamp.

use crate::net::{BatchNorm, Conv, Network, Normalisation};
use crate::spec::Spec;
use crate::stages::Stage;

/// What precedes a convolution.
#[derive(Clone, Debug, PartialEq)]
pub enum Gate {
    /// `relu(slope * x + offset)` per channel.
    Relu {
        /// One per channel.
        slope: Vec<f32>,
        /// One per channel.
        offset: Vec<f32>,
    },
    /// Nothing: a head or a transition without batch norm.
    Pass,
}

/// A convolution with all that followed it folded in.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldedConv {
    /// Output channels.
    pub outputs: usize,
    /// Rows of taps.
    pub rows: usize,
    /// Columns of taps.
    pub columns: usize,
    /// Input channels.
    pub inputs: usize,
    /// `[o][ky][kx][i]`.
    pub weight: Vec<f32>,
    /// One per output.
    pub bias: Vec<f32>,
}

/// A network without batch norms.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    /// The family it is of.
    pub spec: Spec,
    /// The raw value that stands for zero, one per input channel.
    pub zero: Vec<f32>,
    /// Its stages. The stem's bias is for raw bytes, padding included; a ReLU follows the stem if it has a batch norm, and
    /// every bottleneck.
    pub stages: Vec<Stage<Gate, FoldedConv>>,
}

/// Folds a trained network.
pub fn fold(network: &Network) -> Folded {
    let stages = network.stages().into_iter().map(|stage| {
        let is_stem = matches!(stage, Stage::Stem { .. });
        stage.map(
            |norm| norm.map_or(Gate::Pass, gate),
            |step| {
                let mut conv = plain(&step.conv);
                if let Some(norm) = step.norm {
                    absorb(&mut conv, norm);
                }
                if is_stem {
                    take_bytes(&mut conv, &network.input);
                }
                conv
            },
        )
    });
    Folded {
        spec: network.spec.clone(),
        zero: network.input.mean.clone(),
        stages: stages.collect(),
    }
}

/// `(slope, offset)` of a batch norm in inference, per channel.
fn affine(norm: &BatchNorm) -> impl Iterator<Item = (f32, f32)> + '_ {
    let statistics = norm.mean.iter().zip(&norm.var);
    norm.gamma
        .iter()
        .zip(&norm.beta)
        .zip(statistics)
        .map(|((gamma, beta), (mean, var))| {
            let slope = gamma / (var + norm.epsilon).sqrt();
            (slope, beta - slope * mean)
        })
}

fn gate(norm: &BatchNorm) -> Gate {
    let (slope, offset) = affine(norm).unzip();
    Gate::Relu { slope, offset }
}

fn plain(conv: &Conv) -> FoldedConv {
    FoldedConv {
        outputs: conv.outputs,
        rows: conv.kernel_height,
        columns: conv.kernel_width,
        inputs: conv.inputs,
        weight: conv.weight.clone(),
        bias: conv.bias.clone().unwrap_or_else(|| vec![0.0; conv.outputs]),
    }
}

/// Folds the batch norm after a convolution into it.
fn absorb(conv: &mut FoldedConv, norm: &BatchNorm) {
    let filter_len = conv.weight.len() / conv.outputs;
    let filters = conv.weight.chunks_exact_mut(filter_len).zip(&mut conv.bias);
    for ((filter, bias), (slope, offset)) in filters.zip(affine(norm)) {
        for weight in filter {
            *weight *= slope;
        }
        *bias = *bias * slope + offset;
    }
}

/// Moves `x = (byte - mean) / std` into the stem's weights and biases: it reads raw bytes.
fn take_bytes(conv: &mut FoldedConv, input: &Normalisation) {
    let filter_len = conv.weight.len() / conv.outputs;
    for (filter, bias) in conv.weight.chunks_exact_mut(filter_len).zip(&mut conv.bias) {
        for tap in filter.chunks_exact_mut(conv.inputs) {
            for (weight, (mean, std)) in tap.iter_mut().zip(input.mean.iter().zip(&input.std)) {
                *weight /= std;
                *bias -= *weight * mean;
            }
        }
    }
}
