//! Folds batch norms: one after a convolution becomes part of its weights, one before a convolution becomes a gate. After
//! training, before calibration; still float.
//!
//! In inference a batch norm is `slope * x + offset` per channel. After a convolution (a bottleneck's, an ImageNet stem's)
//! it scales the filter and moves the bias. Before one, with its ReLU, it stays: `quantise` turns it into a clamp.

use crate::grid::Grid;
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
    /// Which integers its weights become; without one, a byte's whole range, with a step that just reaches a filter's largest
    /// weight.
    pub grid: Option<Grid>,
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
        grid: None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::images;
    use crate::net::Role;

    /// A batch norm that computes `slope * x + offset`.
    fn norm(slope: Vec<f32>, offset: Vec<f32>) -> BatchNorm {
        let channels = slope.len();
        BatchNorm {
            gamma: slope,
            beta: offset,
            mean: vec![0.0; channels],
            var: vec![1.0; channels],
            epsilon: 0.0,
        }
    }

    fn conv(folded: &FoldedConv) -> Conv {
        Conv {
            outputs: folded.outputs,
            kernel_height: folded.rows,
            kernel_width: folded.columns,
            inputs: folded.inputs,
            weight: folded.weight.clone(),
            bias: Some(folded.bias.clone()),
        }
    }

    /// The folded network as one with batch norms, each of which computes what a gate or a ReLU does.
    fn unfolded(folded: &Folded, like: &Network) -> Network {
        let relu = |channels| norm(vec![1.0; channels], vec![0.0; channels]);
        let open = |gate: &Gate| match gate {
            Gate::Relu { slope, offset } => Some(norm(slope.clone(), offset.clone())),
            Gate::Pass => None,
        };
        let mut out = like.clone();
        out.input = Normalisation {
            mean: folded.zero.clone(),
            std: vec![1.0; folded.zero.len()],
        };
        let (mut layers, mut transitions) = (Vec::new(), Vec::new());
        for stage in &folded.stages {
            match stage {
                Stage::Stem { conv: stem } => {
                    out.stem.conv = conv(stem);
                    out.stem.norm = like.stem.norm.as_ref().map(|_| relu(stem.outputs));
                    // The stem reads bytes: its bias takes back what the mean moves.
                    let filters = stem.weight.chunks_exact(stem.weight.len() / stem.outputs);
                    for (filter, bias) in filters.zip(out.stem.conv.bias.iter_mut().flatten()) {
                        let zeros = folded.zero.iter().cycle();
                        *bias += filter
                            .iter()
                            .zip(zeros)
                            .map(|(weight, zero)| weight * zero)
                            .sum::<f32>();
                    }
                }
                Stage::Layer {
                    gate,
                    bottleneck,
                    conv: last,
                } => layers.push((
                    open(gate).unwrap(),
                    bottleneck
                        .as_ref()
                        .map(|first| (conv(first), relu(first.outputs))),
                    conv(last),
                )),
                Stage::Transition { gate, conv: last } => transitions.push((open(gate), conv(last))),
                Stage::Head { gate, conv: last } => {
                    out.final_norm = open(gate);
                    out.head.weight = last.weight.clone();
                    out.head.bias = last.bias.clone();
                }
            }
        }
        let (mut layers, mut transitions) = (layers.into_iter(), transitions.into_iter());
        for block in &mut out.blocks {
            for layer in &mut block.layers {
                let (norm1, first, last) = layers.next().unwrap();
                (layer.norm1, layer.conv2) = (norm1, last);
                (layer.conv1, layer.norm2) = first.unzip();
            }
            if let Some(transition) = &mut block.transition {
                (transition.norm, transition.conv) = transitions.next().unwrap();
            }
        }
        out
    }

    #[test]
    fn the_folded_network_is_the_network_to_rounding() {
        let mut small = Spec::load("densenet-121").unwrap();
        (small.input.height, small.input.width) = (33, 40);
        let presets = ["digits", "d3", "d4", "article"].map(|name| Spec::load(name).unwrap());
        for spec in presets.into_iter().chain([small]) {
            let channels = spec.input.channels;
            let input = Normalisation {
                mean: (0..channels).map(|c| 117.3 + c as f32).collect(),
                std: (0..channels).map(|c| 61.7 + c as f32).collect(),
            };
            let mut network = Network::new(&spec, input, 5);
            let others = network.tensors();
            let others = others.into_iter().filter(|tensor| tensor.role != Role::Weight);
            for (index, tensor) in others.enumerate() {
                for (at, value) in tensor.values.iter_mut().enumerate() {
                    *value += ((index * 31 + at * 17) % 23) as f32 / 91.0;
                }
            }
            let images = images(3, network.image_len());
            let expected = network.logits(&images, 3);
            let found = unfolded(&fold(&network), &network).logits(&images, 3);
            let largest = expected
                .iter()
                .fold(1e-3f32, |largest, logit| largest.max(logit.abs()));
            for (found, expected) in found.iter().zip(&expected) {
                let difference = (found - expected).abs() / largest;
                assert!(difference < 1e-4, "{}: {difference}", spec.name);
            }
        }
    }
}
