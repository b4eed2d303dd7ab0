//! Batch norms leave the network: what follows a convolution goes into its weights, what stands in front of one
//! becomes a gate. After training, before calibration; still float.
//!
//! In inference a batch norm is `slope * x + offset` per channel. Behind a convolution (the bottleneck's, an ImageNet stem's)
//! it scales the filter and moves the bias. In front of one, with its ReLU, it stays: `quantise` makes a clamp of it.

use crate::net::{BatchNorm, Conv, Network};
use crate::spec::Spec;

/// What stands in front of a convolution.
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

/// One stage without batch norms.
#[derive(Clone, Debug, PartialEq)]
pub enum FoldedStage {
    /// The first convolution, on raw input bytes.
    Stem {
        /// Its bias belongs to raw bytes, padding included.
        conv: FoldedConv,
        /// The raw value that stands for zero, one per input channel.
        zero: Vec<f32>,
        /// Whether a ReLU follows.
        relu: bool,
    },
    /// A dense layer.
    Layer {
        /// In front of the first convolution.
        gate: Gate,
        /// The 1x1, its batch norm folded in, a ReLU behind it.
        bottleneck: Option<FoldedConv>,
        /// The 3x3.
        conv: FoldedConv,
    },
    /// A transition.
    Transition {
        /// In front of the pooling.
        gate: Gate,
        /// The 1x1.
        conv: FoldedConv,
    },
    /// The head.
    Head {
        /// In front of the average.
        gate: Gate,
        /// The linear layer as a 1x1.
        conv: FoldedConv,
    },
}

/// A network without batch norms, its stages in the order they run.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    /// The family it is of.
    pub spec: Spec,
    /// The stem, then layers and transitions, then the head.
    pub stages: Vec<FoldedStage>,
}

/// Folds a trained network.
pub fn fold(network: &Network) -> Folded {
    let mut stages = vec![stem(network)];
    for block in &network.blocks {
        for layer in &block.layers {
            let bottleneck = layer.conv1.as_ref().map(|conv| {
                let mut folded = plain(conv);
                if let Some(norm) = &layer.norm2 {
                    absorb(&mut folded, norm);
                }
                folded
            });
            stages.push(FoldedStage::Layer {
                gate: gate(&layer.norm1),
                bottleneck,
                conv: plain(&layer.conv2),
            });
        }
        if let Some(transition) = &block.transition {
            stages.push(FoldedStage::Transition {
                gate: transition.norm.as_ref().map_or(Gate::Pass, gate),
                conv: plain(&transition.conv),
            });
        }
    }
    let head = &network.head;
    stages.push(FoldedStage::Head {
        gate: network.final_norm.as_ref().map_or(Gate::Pass, gate),
        conv: FoldedConv {
            outputs: head.outputs,
            rows: 1,
            columns: 1,
            inputs: head.inputs,
            weight: head.weight.clone(),
            bias: head.bias.clone(),
        },
    });
    Folded {
        spec: network.spec.clone(),
        stages,
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

/// Folds the batch norm behind a convolution into it.
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

/// The stem on raw bytes: `x = (byte - mean) / std` goes into weights and bias.
fn stem(network: &Network) -> FoldedStage {
    let mut conv = plain(&network.stem.conv);
    if let Some(norm) = &network.stem.norm {
        absorb(&mut conv, norm);
    }
    let filter_len = conv.weight.len() / conv.outputs;
    for (filter, bias) in conv.weight.chunks_exact_mut(filter_len).zip(&mut conv.bias) {
        for tap in filter.chunks_exact_mut(conv.inputs) {
            let input = network.input.mean.iter().zip(&network.input.std);
            for (weight, (mean, std)) in tap.iter_mut().zip(input) {
                *weight /= std;
                *bias -= *weight * mean;
            }
        }
    }
    FoldedStage::Stem {
        conv,
        zero: network.input.mean.clone(),
        relu: network.stem.norm.is_some(),
    }
}
