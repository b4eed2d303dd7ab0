//! The float network of a [`Spec`]: its tensors, and how they are born. Comes after `spec`, before `train`.
//!
//! Forward and backward of each operation are neighbours in one file. Nothing here has heard of integers.

mod conv1x1;
mod conv3x3;
mod dropout;
mod head;
mod infer;
mod loss;
mod memory;
mod norm;
mod pass;
mod plain;
pub(crate) mod product;
pub(crate) mod ranks;
#[cfg(test)]
mod reference;
pub(crate) mod simd;
mod stem;
mod transition;

pub use infer::Site;
pub use loss::{Loss, Score, Teacher};
pub use pass::{Pass, Step};
pub use product::product_speed;
pub use ranks::{Alone, Ranks};

use crate::spec::{Layer as LayerSpec, Spec};
use crate::stages::Stage;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What turns raw bytes into network input, per channel: x = (byte - mean) / std, in raw units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalisation {
    /// Mean of the training split, one per input channel.
    pub mean: Vec<f32>,
    /// Standard deviation of the training split, one per input channel, above zero.
    pub std: Vec<f32>,
}

/// Batch norm over channels.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNorm {
    /// Scales.
    pub gamma: Vec<f32>,
    /// Offsets.
    pub beta: Vec<f32>,
    /// Running means.
    pub mean: Vec<f32>,
    /// Running variances.
    pub var: Vec<f32>,
    /// Added to the variance.
    pub epsilon: f32,
}

/// Convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// Output channels.
    pub outputs: usize,
    /// Rows of taps.
    pub kernel_height: usize,
    /// Columns of taps.
    pub kernel_width: usize,
    /// Input channels.
    pub inputs: usize,
    /// Weights, `[o][ky][kx][i]` row-major.
    pub weight: Vec<f32>,
    /// One per output channel; only networks made elsewhere have them.
    pub bias: Option<Vec<f32>>,
}

/// Fully connected layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// Classes.
    pub outputs: usize,
    /// Channels of the averaged map.
    pub inputs: usize,
    /// Weights, `[o][i]` row-major.
    pub weight: Vec<f32>,
    /// One per class.
    pub bias: Vec<f32>,
}

/// A convolution, and the batch norm and ReLU after it, if there are any.
#[derive(Clone, Debug)]
pub struct Normed<'n> {
    /// The convolution.
    pub conv: Cow<'n, Conv>,
    /// The batch norm.
    pub norm: Option<&'n BatchNorm>,
}

/// First convolution, with batch norm + ReLU + 3x3 stride-2 max pool in the ImageNet form.
#[derive(Clone, Debug, PartialEq)]
pub struct Stem {
    /// The convolution over normalised input; padding is zero after normalisation.
    pub conv: Conv,
    /// Batch norm after it, followed by ReLU.
    pub norm: Option<BatchNorm>,
}

/// One dense layer: (norm1, ReLU, 1x1 conv1, norm2, ReLU, 3x3 conv2), or (norm1, ReLU, conv2) without bottleneck.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Over all channels before the layer.
    pub norm1: BatchNorm,
    /// The 1x1 bottleneck.
    pub conv1: Option<Conv>,
    /// Over the bottleneck's channels; there exactly when `conv1` is.
    pub norm2: Option<BatchNorm>,
    /// The convolution whose outputs the layer appends.
    pub conv2: Conv,
}

/// Batch norm, ReLU, 1x1 convolution, 2x2 average.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// Over the whole block, with a ReLU after it; absent in a linear transition.
    pub norm: Option<BatchNorm>,
    /// The 1x1 convolution.
    pub conv: Conv,
}

/// One dense block and the transition after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Its layers in order.
    pub layers: Vec<Layer>,
    /// The transition after it.
    pub transition: Option<Transition>,
}

/// A whole network: float parameters and running statistics.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Its shape.
    pub spec: Spec,
    /// Of raw input bytes.
    pub input: Normalisation,
    /// First convolution.
    pub stem: Stem,
    /// Dense blocks in order.
    pub blocks: Vec<Block>,
    /// In front of the global average, followed by ReLU.
    pub final_norm: Option<BatchNorm>,
    /// Behind the global average.
    pub head: Linear,
}

/// What a tensor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weights of a convolution or of the head: trained, decayed.
    Weight,
    /// Scales, offsets, biases: trained, not decayed.
    Offset,
    /// Running statistics: not trained.
    Statistic,
}

/// One named tensor of a network.
#[derive(Debug)]
pub struct Tensor<'n> {
    /// Unique, such as `blocks.0.layers.2.conv2.weight`.
    pub name: String,
    /// Its sides, outermost first.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
    /// Its values, row-major.
    pub values: &'n mut [f32],
}

impl Tensor<'_> {
    /// Whether steps of training change it.
    pub fn is_trained(&self) -> bool {
        self.role != Role::Statistic
    }
}

/// Seeded normal numbers; the sequence is the same on every machine.
struct Normal {
    bits: ChaCha8Rng,
}

impl Normal {
    /// Uniform in (0, 1].
    fn uniform(&mut self) -> f32 {
        ((self.bits.next_u32() >> 8) + 1) as f32 / (1u32 << 24) as f32
    }

    fn next(&mut self) -> f32 {
        let radius = (-2.0 * f64::from(self.uniform()).ln()).sqrt();
        let angle = f64::from(self.uniform()) * core::f64::consts::TAU;
        (radius * angle.cos()) as f32
    }

    fn fill(&mut self, count: usize, deviation: f32) -> Vec<f32> {
        (0..count).map(|_| self.next() * deviation).collect()
    }
}

impl BatchNorm {
    fn new(channels: usize, epsilon: f32) -> Self {
        Self {
            gamma: vec![1.0; channels],
            beta: vec![0.0; channels],
            mean: vec![0.0; channels],
            var: vec![1.0; channels],
            epsilon,
        }
    }

    /// Channels it normalises.
    pub fn channels(&self) -> usize {
        self.gamma.len()
    }

    /// Scale and shift per channel with running statistics: y = scale * x + shift.
    pub fn affine(&self) -> (Vec<f32>, Vec<f32>) {
        let scale: Vec<f32> = self
            .gamma
            .iter()
            .zip(&self.var)
            .map(|(gamma, var)| gamma / (var + self.epsilon).sqrt())
            .collect();
        let shift = (self.beta.iter().zip(&self.mean).zip(&scale))
            .map(|((beta, mean), scale)| beta - mean * scale)
            .collect();
        (scale, shift)
    }
}

impl Linear {
    /// Returns the layer as a 1x1 convolution.
    fn as_conv(&self) -> Conv {
        Conv {
            outputs: self.outputs,
            kernel_height: 1,
            kernel_width: 1,
            inputs: self.inputs,
            weight: self.weight.clone(),
            bias: Some(self.bias.clone()),
        }
    }
}

impl Conv {
    /// He initialisation, no bias.
    fn new(outputs: usize, kernel: [usize; 2], inputs: usize, normal: &mut Normal) -> Self {
        let [kernel_height, kernel_width] = kernel;
        let fan_in = kernel_height * kernel_width * inputs;
        let weight = normal.fill(outputs * fan_in, (2.0 / fan_in as f32).sqrt());
        Self {
            outputs,
            kernel_height,
            kernel_width,
            inputs,
            weight,
            bias: None,
        }
    }

    /// Rows of taps times columns of taps.
    pub fn taps(&self) -> usize {
        self.kernel_height * self.kernel_width
    }
}

impl Network {
    /// A network of `spec` with He-initialised weights, the same for the same seed on every machine.
    pub fn new(spec: &Spec, input: Normalisation, seed: u64) -> Self {
        let mut normal = Normal {
            bits: ChaCha8Rng::seed_from_u64(seed),
        };
        let epsilon = spec.epsilon;
        let stem = &spec.stem;
        let kernel = [stem.kernel_height, stem.kernel_width];
        let made = Stem {
            conv: Conv::new(stem.filters, kernel, spec.input.channels, &mut normal),
            norm: stem.norm.then(|| BatchNorm::new(stem.filters, epsilon)),
        };
        let maps = spec.maps();
        let mut channels = stem.filters;
        let mut blocks = Vec::with_capacity(spec.blocks.len());
        for (block, map) in spec.blocks.iter().zip(&maps.blocks) {
            let kernel = [LayerSpec::kernel_height(map.height), 3];
            let mut layers = Vec::with_capacity(block.layers.len());
            for layer in &block.layers {
                let conv1 = layer
                    .bottleneck
                    .map(|b| Conv::new(b, [1, 1], channels, &mut normal));
                layers.push(Layer {
                    norm1: BatchNorm::new(channels, epsilon),
                    conv1,
                    norm2: layer.bottleneck.map(|b| BatchNorm::new(b, epsilon)),
                    conv2: Conv::new(
                        layer.growth,
                        kernel,
                        layer.bottleneck.unwrap_or(channels),
                        &mut normal,
                    ),
                });
                channels += layer.growth;
            }
            let transition = block.transition.map(|outputs| Transition {
                norm: (!block.linear).then(|| BatchNorm::new(channels, epsilon)),
                conv: Conv::new(outputs, [1, 1], channels, &mut normal),
            });
            channels = block.transition.unwrap_or(channels);
            blocks.push(Block { layers, transition });
        }
        let deviation = (1.0 / channels as f32).sqrt();
        Self {
            spec: spec.clone(),
            input,
            stem: made,
            blocks,
            final_norm: spec.final_norm.then(|| BatchNorm::new(channels, epsilon)),
            head: Linear {
                outputs: spec.classes,
                inputs: channels,
                weight: normal.fill(spec.classes * channels, deviation),
                bias: vec![0.0; spec.classes],
            },
        }
    }

    /// Returns the network as a list of stages: each gate is a batch norm, if there is one, and each convolution comes with the
    /// batch norm after it, if there is one.
    pub fn stages(&self) -> Vec<Stage<Option<&BatchNorm>, Normed<'_>>> {
        let alone = |conv| Normed {
            conv: Cow::Borrowed(conv),
            norm: None,
        };
        let mut stages = vec![Stage::Stem {
            conv: Normed {
                norm: self.stem.norm.as_ref(),
                ..alone(&self.stem.conv)
            },
        }];
        for block in &self.blocks {
            stages.extend(block.layers.iter().map(|layer| Stage::Layer {
                gate: Some(&layer.norm1),
                bottleneck: layer.conv1.as_ref().map(|conv| Normed {
                    norm: layer.norm2.as_ref(),
                    ..alone(conv)
                }),
                conv: alone(&layer.conv2),
            }));
            stages.extend(block.transition.iter().map(|transition| Stage::Transition {
                gate: transition.norm.as_ref(),
                conv: alone(&transition.conv),
            }));
        }
        stages.push(Stage::Head {
            gate: self.final_norm.as_ref(),
            conv: Normed {
                conv: Cow::Owned(self.head.as_conv()),
                norm: None,
            },
        });
        stages
    }

    /// Every tensor, in the order of the forward pass.
    pub fn tensors(&mut self) -> Vec<Tensor<'_>> {
        let mut list = Vec::new();
        push_conv(&mut list, "stem.conv", &mut self.stem.conv);
        if let Some(norm) = &mut self.stem.norm {
            push_norm(&mut list, "stem.norm", norm);
        }
        for (b, block) in self.blocks.iter_mut().enumerate() {
            for (l, layer) in block.layers.iter_mut().enumerate() {
                let at = format!("blocks.{b}.layers.{l}");
                push_norm(&mut list, &format!("{at}.norm1"), &mut layer.norm1);
                if let Some(conv1) = &mut layer.conv1 {
                    push_conv(&mut list, &format!("{at}.conv1"), conv1);
                }
                if let Some(norm2) = &mut layer.norm2 {
                    push_norm(&mut list, &format!("{at}.norm2"), norm2);
                }
                push_conv(&mut list, &format!("{at}.conv2"), &mut layer.conv2);
            }
            if let Some(transition) = &mut block.transition {
                if let Some(norm) = &mut transition.norm {
                    push_norm(&mut list, &format!("blocks.{b}.transition.norm"), norm);
                }
                push_conv(
                    &mut list,
                    &format!("blocks.{b}.transition.conv"),
                    &mut transition.conv,
                );
            }
        }
        if let Some(norm) = &mut self.final_norm {
            push_norm(&mut list, "final_norm", norm);
        }
        let head = &mut self.head;
        list.push(Tensor {
            name: "head.weight".into(),
            shape: vec![head.outputs, head.inputs],
            role: Role::Weight,
            values: &mut head.weight,
        });
        list.push(Tensor {
            name: "head.bias".into(),
            shape: vec![head.outputs],
            role: Role::Offset,
            values: &mut head.bias,
        });
        list
    }
}

fn push_conv<'n>(list: &mut Vec<Tensor<'n>>, name: &str, conv: &'n mut Conv) {
    list.push(Tensor {
        name: format!("{name}.weight"),
        shape: vec![conv.outputs, conv.kernel_height, conv.kernel_width, conv.inputs],
        role: Role::Weight,
        values: &mut conv.weight,
    });
    if let Some(bias) = &mut conv.bias {
        list.push(Tensor {
            name: format!("{name}.bias"),
            shape: vec![conv.outputs],
            role: Role::Offset,
            values: bias,
        });
    }
}

fn push_norm<'n>(list: &mut Vec<Tensor<'n>>, name: &str, norm: &'n mut BatchNorm) {
    let shape = vec![norm.gamma.len()];
    for (part, role, values) in [
        ("gamma", Role::Offset, &mut norm.gamma),
        ("beta", Role::Offset, &mut norm.beta),
        ("mean", Role::Statistic, &mut norm.mean),
        ("var", Role::Statistic, &mut norm.var),
    ] {
        list.push(Tensor {
            name: format!("{name}.{part}"),
            shape: shape.clone(),
            role,
            values,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(channels: usize) -> Normalisation {
        Normalisation {
            mean: vec![0.0; channels],
            std: vec![1.0; channels],
        }
    }

    #[test]
    fn trained_values_are_the_parameters_people_count() {
        for name in ["digits", "d2", "d3", "article"] {
            let spec = Spec::load(name).unwrap();
            let mut network = Network::new(&spec, identity(spec.input.channels), 1);
            let trained: usize = network
                .tensors()
                .iter()
                .filter(|tensor| tensor.role != Role::Statistic)
                .map(|tensor| tensor.values.len())
                .sum();
            assert_eq!(trained, spec.parameters(), "{name}");
        }
    }

    #[test]
    fn seed_decides_every_weight() {
        let spec = Spec::load("digits").unwrap();
        let network = |seed| Network::new(&spec, identity(1), seed);
        assert_eq!(network(5), network(5));
        assert_ne!(network(5).head.weight, network(6).head.weight);
        let stem = network(5).stem.conv.weight;
        let var = stem.iter().map(|w| w * w).sum::<f32>() / stem.len() as f32;
        assert!((var * 4.5 - 1.0).abs() < 0.5, "He variance: {var}");
    }
}
