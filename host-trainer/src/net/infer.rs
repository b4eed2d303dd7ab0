//! Inference: running statistics, no gradients. What evaluation, calibration and export see of a network.
//!
//! What is observed comes from an executor written for clarity; logits come from the training pass. Tests check that the
//! two agree.

use super::plain::{Affine, Target, Turned, Walk, average, max_pool};
use super::{Conv, Network, Pass};
use crate::spec::Map;
use crate::stages::{Location, Stage};
use rayon::prelude::*;

/// Images that go through the network at once when only logits are wanted.
const BATCH: usize = 64;

/// Where [`Network::observe`] looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Site {
    /// The whole buffer of a dense block, before any batch norm, once its last layer is done: `[n*h*w][c_total]`.
    Block(usize),
    /// The bottleneck of (block, layer) after its batch norm + ReLU: `[n*h*w][width]`.
    Bottleneck(usize, usize),
    /// What a final transition leaves for the head, in networks that have one: `[n*h*w][c]`.
    Head,
    /// The head's outputs: `[n][classes]`.
    Logits,
}

impl Network {
    /// Inference-mode logits of `n` raw images (NHWC bytes): `[n][classes]`.
    ///
    /// # Panics
    ///
    /// If `images` does not hold exactly `n` images.
    pub fn logits(&self, images: &[u8], n: usize) -> Vec<f32> {
        let size = self.image_len();
        assert_eq!(images.len(), n * size, "bytes of {n} images");
        let mut pass = Pass::inference(&self.spec, n.min(BATCH));
        let mut logits = Vec::with_capacity(n * self.spec.classes);
        for batch in images.chunks(BATCH * size) {
            logits.extend_from_slice(pass.logits(self, batch));
        }
        logits
    }

    /// Inference-mode logits of `n` images that are normalised already (NHWC): `[n][classes]`.
    ///
    /// # Panics
    ///
    /// If `input` does not hold exactly `n` images.
    pub fn logits_of(&self, input: &[f32], n: usize) -> Vec<f32> {
        let size = self.image_len();
        assert_eq!(input.len(), n * size, "values of {n} images");
        let plan = Executor::new(self);
        let mut logits = vec![0.0; n * self.spec.classes];
        input
            .par_chunks(size)
            .zip(logits.par_chunks_mut(self.spec.classes))
            .for_each(|(image, out)| out.copy_from_slice(&plan.run(image, &mut |_, _, _| {})));
        logits
    }

    /// Runs `n` raw images in inference mode and calls `see(site, values, channels)` with what stands at each
    /// site, all images together, in the order of the forward pass.
    ///
    /// # Panics
    ///
    /// If `images` does not hold exactly `n` images.
    pub fn observe(&self, images: &[u8], n: usize, see: &mut dyn FnMut(Site, &[f32], usize)) {
        let size = self.image_len();
        assert_eq!(images.len(), n * size, "bytes of {n} images");
        let plan = Executor::new(self);
        let seen: Vec<Vec<(Site, Vec<f32>, usize)>> = images
            .par_chunks(size)
            .map(|image| {
                let mut seen = Vec::new();
                plan.run(&plan.normalised(image), &mut |site, values, channels| {
                    seen.push((site, values.to_vec(), channels));
                });
                seen
            })
            .collect();
        let Some(first) = seen.first() else { return };
        for (at, (site, _, channels)) in first.iter().enumerate() {
            let all: Vec<f32> = seen.iter().flat_map(|image| &image[at].1).copied().collect();
            see(*site, &all, *channels);
        }
    }

    /// Bytes of one raw image.
    pub fn image_len(&self) -> usize {
        self.spec.input.height * self.spec.input.width * self.spec.input.channels
    }
}

/// A network prepared for inference: the one float executor, for what is observed and for inputs that are not bytes.
struct Executor<'n> {
    network: &'n Network,
    stages: Vec<(Stage<Option<Affine>, Prepared<'n>>, Location)>,
}

/// A convolution with the batch norm and ReLU after it, if there are any.
struct Prepared<'n> {
    conv: Turned<'n>,
    norm: Option<Affine>,
}

impl Prepared<'_> {
    /// Returns the map that it computes, of height and width `to`.
    fn run(&self, input: &[f32], map: Map, walk: Walk, to: Map) -> (Map, Vec<f32>) {
        let to = Map {
            channels: self.conv.conv.outputs,
            ..to
        };
        let mut out = vec![0.0; to.pixels() * to.channels];
        let target = Target {
            values: &mut out,
            map: to,
            slot: 0,
        };
        self.conv.run(input, map, walk, target);
        match &self.norm {
            Some(norm) => (to, norm.relu(&out, to.channels)),
            None => (to, out),
        }
    }
}

impl<'n> Executor<'n> {
    fn new(network: &'n Network) -> Self {
        let stages = network.stages().into_iter().map(|stage| {
            stage.map(
                |norm| norm.map(Affine::new),
                |normed| Prepared {
                    norm: normed.norm.map(Affine::new),
                    conv: Turned::new(normed.conv),
                },
            )
        });
        Self {
            network,
            stages: stages.zip(Location::all(&network.spec)).collect(),
        }
    }

    /// One raw image as the stem reads it.
    fn normalised(&self, image: &[u8]) -> Vec<f32> {
        let input = &self.network.input;
        (image.chunks_exact(input.mean.len()))
            .flat_map(|pixel| {
                (pixel.iter().zip(&input.mean).zip(&input.std))
                    .map(|((&byte, mean), std)| (f32::from(byte) - mean) / std)
            })
            .collect()
    }

    /// Logits of one normalised image.
    fn run(&self, input: &[f32], see: &mut dyn FnMut(Site, &[f32], usize)) -> Vec<f32> {
        let blocks = self.network.spec.maps().blocks;
        let mut values = input.to_vec();
        for (stage, at) in &self.stages {
            // A block's map has room for all of its channels from the start.
            let whole = blocks.get(at.block).copied().unwrap_or(at.output);
            match stage {
                Stage::Stem { conv } => values = widen(&self.stem(conv, &values, at), at.output, whole),
                Stage::Layer {
                    gate,
                    bottleneck,
                    conv,
                } => {
                    let mut read = active(gate, &values, whole.channels);
                    let mut inner = at.input;
                    if let Some(first) = bottleneck {
                        (inner, read) = first.run(&read, inner, Walk::ONE, inner);
                        see(Site::Bottleneck(at.block, at.layer), &read, inner.channels);
                    }
                    let target = Target {
                        values: &mut values,
                        map: whole,
                        slot: at.input.channels,
                    };
                    conv.conv.run(&read, inner, Walk::padded(&conv.conv.conv), target);
                }
                Stage::Transition { gate, conv } => {
                    let (half, pooled) = average(&active(gate, &values, at.input.channels), at.input);
                    let (made, out) = conv.run(&pooled, half, Walk::ONE, half);
                    values = widen(&out, made, whole);
                }
                Stage::Head { gate, conv } => {
                    values = linear(
                        &active(gate, &values, at.input.channels),
                        at.input,
                        &conv.conv.conv,
                    );
                    see(Site::Logits, &values, values.len());
                    continue;
                }
            }
            // After its last stage, which is the one before it if a block has no layers.
            if at.output.channels == whole.channels {
                let site = match at.block < blocks.len() {
                    true => Site::Block(at.block),
                    false => Site::Head,
                };
                see(site, &values, whole.channels);
            }
        }
        values
    }

    /// Normalised input through the stem.
    fn stem(&self, conv: &Prepared<'_>, input: &[f32], at: &Location) -> Vec<f32> {
        let spec = &self.network.spec;
        let stride = spec.stem.stride;
        let walk = Walk {
            vertical: if at.input.height == 1 { 1 } else { stride },
            horizontal: stride,
            pad_top: spec.stem.pad_top,
            pad_left: spec.stem.pad_left,
        };
        let (made, out) = conv.run(input, at.input, walk, spec.maps().stem);
        if spec.stem.pool {
            max_pool(&out, made, spec.stem.pooling()).1
        } else {
            out
        }
    }
}

/// Batch norm and ReLU of the first channels of each pixel; all of them as they are without batch norm.
fn active(gate: &Option<Affine>, values: &[f32], stride: usize) -> Vec<f32> {
    match gate {
        Some(norm) => norm.relu(values, stride),
        None => values.to_vec(),
    }
}

/// A map with room for the channels of `whole`.
fn widen(values: &[f32], map: Map, whole: Map) -> Vec<f32> {
    let mut wide = vec![0.0; whole.pixels() * whole.channels];
    let pixels = wide.chunks_exact_mut(whole.channels);
    for (pixel, from) in pixels.zip(values.chunks_exact(map.channels)) {
        pixel[..map.channels].copy_from_slice(from);
    }
    wide
}

/// Global average and linear layer.
fn linear(values: &[f32], map: Map, head: &Conv) -> Vec<f32> {
    let mut mean = vec![0.0f32; map.channels];
    for pixel in values.chunks_exact(map.channels) {
        for (sum, v) in mean.iter_mut().zip(pixel) {
            *sum += v;
        }
    }
    let share = 1.0 / map.pixels() as f32;
    let bias = head.bias.iter().flatten();
    (head.weight.chunks_exact(head.inputs).zip(bias))
        .map(|(row, bias)| bias + row.iter().zip(&mean).map(|(w, m)| w * m * share).sum::<f32>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Normalisation;
    use super::*;
    use crate::spec::Spec;
    use denselet::shape::StemPool;

    fn network(name: &str) -> Network {
        let spec = Spec::load(name).unwrap();
        let channels = spec.input.channels;
        Network::new(
            &spec,
            Normalisation {
                mean: vec![8.0; channels],
                std: vec![4.0; channels],
            },
            3,
        )
    }

    #[test]
    fn sites_are_seen_in_order_and_in_full() {
        let network = network("digits");
        let images: Vec<u8> = (0..3 * 64u32).map(|i| (i * 7 % 17) as u8).collect();
        let mut seen = Vec::new();
        let mut last = Vec::new();
        network.observe(&images, 3, &mut |site, values, channels| {
            seen.push((site, values.len(), channels));
            last = values.to_vec();
        });
        assert_eq!(seen.len(), 3 + 1 + 3 + 1 + 1);
        let maps = network.spec.maps().blocks;
        let whole = |b: usize| {
            (
                Site::Block(b),
                3 * maps[b].pixels() * maps[b].channels,
                maps[b].channels,
            )
        };
        assert_eq!(seen[0], (Site::Bottleneck(0, 0), 3 * 64 * 24, 24));
        assert_eq!((seen[3], seen[7]), (whole(0), whole(1)));
        assert_eq!(seen[8], (Site::Logits, 30, 10));
        for (seen, logit) in last.iter().zip(network.logits(&images, 3)) {
            assert!((seen - logit).abs() < 1e-4);
        }
    }

    #[test]
    fn every_form_gives_finite_logits() {
        for name in ["d3", "article", "d5"] {
            let network = network(name);
            let image: Vec<u8> = (0..network.image_len()).map(|i| (i * 31 % 251) as u8).collect();
            let logits = network.logits(&image, 1);
            assert_eq!(logits.len(), network.spec.classes);
            assert!(logits.iter().all(|v| v.is_finite()), "{name}");
        }
    }

    #[test]
    fn odd_maps_drop_their_last_row_and_column() {
        let map = Map {
            height: 3,
            width: 5,
            channels: 1,
        };
        let values: Vec<f32> = (0..15u8).map(f32::from).collect();
        let (half, out) = average(&values, map);
        assert_eq!((half.height, half.width), (1, 2));
        assert_eq!(out, [3.0, 5.0]);
        let (pooled, out) = max_pool(&values, map, StemPool::Centred);
        assert_eq!((pooled.height, pooled.width), (2, 3));
        assert_eq!(out, [6.0, 8.0, 9.0, 11.0, 13.0, 14.0]);
    }
}
