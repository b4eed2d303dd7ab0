//! What every convolution reads on average over some training images. After folding and calibration, before quantisation: a
//! weight that is rounded moves its output by the mean of what it reads.

use crate::fold::{Folded, Gate};
use crate::net::{Network, Site};
use crate::stages::{Location, Stage};

/// Mean and mean square of each channel that a convolution reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// Mean per channel.
    pub mean: Vec<f32>,
    /// Mean square per channel.
    pub square: Vec<f32>,
}

/// What the convolutions of each stage read: after its gate (the stem: bytes of the image), and after its bottleneck.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Means {
    /// Per stage: after the gate, and after the bottleneck.
    pub stages: Vec<[Read; 2]>,
}

/// Images that go through the network at a time.
const CHUNK: usize = 32;

/// Sums over pixels.
#[derive(Clone, Debug, Default)]
struct Sums {
    sum: Vec<f64>,
    square: Vec<f64>,
    pixels: f64,
}

impl Sums {
    /// Adds pixels of `stride` values, of which the first `channels` are read, each through `see`.
    fn add(&mut self, values: &[f32], stride: usize, channels: usize, see: impl Fn(usize, f32) -> f32) {
        self.sum.resize(channels, 0.0);
        self.square.resize(channels, 0.0);
        for pixel in values.chunks_exact(stride) {
            self.pixels += 1.0;
            for (c, ((sum, square), &value)) in
                self.sum.iter_mut().zip(&mut self.square).zip(pixel).enumerate()
            {
                let value = f64::from(see(c, value));
                *sum += value;
                *square += value * value;
            }
        }
    }

    fn means(&self) -> Read {
        let of = |sums: &[f64]| {
            sums.iter()
                .map(|sum| (sum / self.pixels.max(1.0)) as f32)
                .collect()
        };
        Read {
            mean: of(&self.sum),
            square: of(&self.square),
        }
    }
}

impl Means {
    /// Runs `images` (NHWC bytes, whole images) through `network`, of which `folded` is the folded form.
    pub fn of(network: &Network, folded: &Folded, images: &[u8]) -> Self {
        let positions = Location::all(&folded.spec);
        let blocks = folded.spec.blocks.len();
        let mut sums = vec![[Sums::default(), Sums::default()]; folded.stages.len()];
        let channels = folded.spec.input.channels;
        let bytes: Vec<f32> = images.iter().map(|&byte| f32::from(byte)).collect();
        sums[0][0].add(&bytes, channels, channels, |_, value| value);
        let image_len = network.image_len();
        for chunk in images.chunks(CHUNK * image_len) {
            network.observe(chunk, chunk.len() / image_len, &mut |site, values, stride| {
                let read = match site {
                    Site::Block(block) => block,
                    Site::Head => blocks,
                    Site::Bottleneck(block, layer) => {
                        let mut stages = folded.stages.iter().zip(&positions);
                        let index = stages.position(|(stage, at)| {
                            matches!(stage, Stage::Layer { .. }) && (at.block, at.layer) == (block, layer)
                        });
                        if let Some(index) = index {
                            sums[index][1].add(values, stride, stride, |_, value| value);
                        }
                        return;
                    }
                    Site::Logits => return,
                };
                let stages = folded.stages.iter().zip(&positions).zip(&mut sums);
                for ((stage, at), sums) in stages {
                    let from = match stage {
                        Stage::Stem { .. } => continue,
                        Stage::Transition { .. } => at.block - 1,
                        Stage::Layer { .. } | Stage::Head { .. } => at.block,
                    };
                    if from == read
                        && let (Some(gate), ..) = stage.as_ref().into_parts()
                    {
                        sums[0].add(values, stride, at.input.channels, |c, value| match gate {
                            Gate::Relu { slope, offset } => (slope[c] * value + offset[c]).max(0.0),
                            Gate::Pass => value,
                        });
                    }
                }
            });
        }
        Self {
            stages: sums
                .iter()
                .map(|sums| [sums[0].means(), sums[1].means()])
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::images;
    use crate::fold::fold;
    use crate::net::Normalisation;
    use crate::spec::Spec;

    #[test]
    fn a_head_reads_the_means_that_its_logits_are_made_of() {
        for name in ["digits", "article"] {
            let spec = Spec::load(name).unwrap();
            let input = Normalisation {
                mean: vec![120.0; spec.input.channels],
                std: vec![70.0; spec.input.channels],
            };
            let network = Network::new(&spec, input, 3);
            let images = images(CHUNK + 3, network.image_len());
            let folded = fold(&network);
            let means = Means::of(&network, &folded, &images);
            let last = folded.stages.last().unwrap().conv();
            let logits = network.logits(&images, CHUNK + 3);
            for o in 0..last.outputs {
                let found: f32 = (last.weight.chunks_exact(last.inputs).nth(o).unwrap().iter())
                    .zip(&means.stages.last().unwrap()[0].mean)
                    .map(|(weight, mean)| weight * mean)
                    .sum();
                let of_class = logits.iter().skip(o).step_by(last.outputs);
                let expected = of_class.sum::<f32>() / (CHUNK + 3) as f32;
                let found = found + last.bias[o];
                assert!(
                    (found - expected).abs() < 1e-3 * expected.abs().max(1.0),
                    "{name} {o}: {found} {expected}"
                );
            }
        }
    }
}
