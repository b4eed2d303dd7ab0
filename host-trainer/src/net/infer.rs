//! Inference: running statistics, no gradients. What evaluation, calibration and export see of a network.
//!
//! What is observed comes from a version written for clarity; logits come from the pass of training, and tests hold the
//! two together.

use super::plain::{Affine, Step, Turned, average, max_pool};
use super::{Network, Pass};
use crate::spec::Map;
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
    /// When `images` does not hold exactly `n` images.
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
    /// When `input` does not hold exactly `n` images.
    pub fn logits_of(&self, input: &[f32], n: usize) -> Vec<f32> {
        let size = self.image_len();
        assert_eq!(input.len(), n * size, "values of {n} images");
        let plan = Folded::new(self);
        let mut logits = vec![0.0; n * self.spec.classes];
        input
            .par_chunks(size)
            .zip(logits.par_chunks_mut(self.spec.classes))
            .for_each(|(picture, out)| out.copy_from_slice(&plan.run(picture, &mut |_, _, _| {})));
        logits
    }

    /// Runs `n` raw images in inference mode and calls `see(site, values, channels)` with what stands at each
    /// site, all images together, in the order of the forward pass.
    ///
    /// # Panics
    ///
    /// When `images` does not hold exactly `n` images.
    pub fn observe(&self, images: &[u8], n: usize, see: &mut dyn FnMut(Site, &[f32], usize)) {
        let size = self.image_len();
        assert_eq!(images.len(), n * size, "bytes of {n} images");
        let plan = Folded::new(self);
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

/// A network prepared for inference.
struct Folded<'n> {
    network: &'n Network,
    stem: Turned<'n>,
    stem_norm: Option<Affine>,
    blocks: Vec<FoldedBlock<'n>>,
    final_norm: Option<Affine>,
}

struct FoldedBlock<'n> {
    layers: Vec<FoldedLayer<'n>>,
    transition: Option<(Option<Affine>, Turned<'n>)>,
}

struct FoldedLayer<'n> {
    norm1: Affine,
    bottleneck: Option<(Turned<'n>, Affine)>,
    conv2: Turned<'n>,
}

impl<'n> Folded<'n> {
    fn new(network: &'n Network) -> Self {
        let layer = |layer: &'n super::Layer| FoldedLayer {
            norm1: Affine::new(&layer.norm1),
            bottleneck: (layer.conv1.as_ref().zip(layer.norm2.as_ref()))
                .map(|(conv, norm)| (Turned::new(conv), Affine::new(norm))),
            conv2: Turned::new(&layer.conv2),
        };
        let block = |block: &'n super::Block| FoldedBlock {
            layers: block.layers.iter().map(layer).collect(),
            transition: block
                .transition
                .as_ref()
                .map(|t| (t.norm.as_ref().map(Affine::new), Turned::new(&t.conv))),
        };
        Self {
            network,
            stem: Turned::new(&network.stem.conv),
            stem_norm: network.stem.norm.as_ref().map(Affine::new),
            blocks: network.blocks.iter().map(block).collect(),
            final_norm: network.final_norm.as_ref().map(Affine::new),
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
        let spec = &self.network.spec;
        let maps = spec.maps();
        let (mut map, mut before) = self.first(input);
        for (b, block) in self.blocks.iter().enumerate() {
            let whole = maps.blocks[b];
            let mut values = vec![0.0; whole.pixels() * whole.channels];
            for (pixel, from) in values
                .chunks_exact_mut(whole.channels)
                .zip(before.chunks_exact(map.channels))
            {
                pixel[..map.channels].copy_from_slice(from);
            }
            let mut slot = map.channels;
            for (l, layer) in block.layers.iter().enumerate() {
                let mut read = layer.norm1.relu(&values, whole.channels);
                let mut inner = Map {
                    channels: slot,
                    ..whole
                };
                if let Some((conv1, norm2)) = &layer.bottleneck {
                    let made = Map {
                        channels: conv1.conv.outputs,
                        ..whole
                    };
                    let mut bottleneck = vec![0.0; made.pixels() * made.channels];
                    conv1.run(&read, inner, Step::ONE, &mut bottleneck, made, 0);
                    read = norm2.relu(&bottleneck, made.channels);
                    inner = made;
                    see(Site::Bottleneck(b, l), &read, made.channels);
                }
                let step = Step::padded(layer.conv2.conv);
                layer.conv2.run(&read, inner, step, &mut values, whole, slot);
                slot += layer.conv2.conv.outputs;
            }
            see(Site::Block(b), &values, whole.channels);
            (map, before) = (whole, values);
            if let Some((norm, conv)) = &block.transition {
                let read = norm.as_ref().map(|norm| norm.relu(&before, map.channels));
                let (half, pooled) = average(read.as_deref().unwrap_or(&before), map);
                let out = Map {
                    channels: conv.conv.outputs,
                    ..half
                };
                let mut made = vec![0.0; out.pixels() * out.channels];
                conv.run(&pooled, half, Step::ONE, &mut made, out, 0);
                (map, before) = (out, made);
                if b + 1 == self.blocks.len() {
                    see(Site::Head, &before, map.channels);
                }
            }
        }
        let logits = self.last(&before, map);
        see(Site::Logits, &logits, logits.len());
        logits
    }

    /// Normalised input through the stem.
    fn first(&self, input: &[f32]) -> (Map, Vec<f32>) {
        let network = self.network;
        let spec = &network.spec;
        let shape = spec.input;
        let map = Map {
            height: shape.height,
            width: shape.width,
            channels: shape.channels,
        };
        let made = spec.maps().stem;
        let mut out = vec![0.0; made.pixels() * made.channels];
        let stride = spec.stem.stride;
        let step = Step {
            vertical: if shape.height == 1 { 1 } else { stride },
            horizontal: stride,
            pad_top: spec.stem.pad_top,
            pad_left: spec.stem.pad_left,
        };
        self.stem.run(input, map, step, &mut out, made, 0);
        if let Some(norm) = &self.stem_norm {
            out = norm.relu(&out, made.channels);
        }
        if spec.stem.pool {
            max_pool(&out, made, spec.stem.pooling())
        } else {
            (made, out)
        }
    }

    /// Final norm, global average, linear layer.
    fn last(&self, values: &[f32], map: Map) -> Vec<f32> {
        let activated;
        let values = match &self.final_norm {
            Some(norm) => {
                activated = norm.relu(values, map.channels);
                &activated
            }
            None => values,
        };
        let mut mean = vec![0.0f32; map.channels];
        for pixel in values.chunks_exact(map.channels) {
            for (sum, v) in mean.iter_mut().zip(pixel) {
                *sum += v;
            }
        }
        let head = &self.network.head;
        let share = 1.0 / map.pixels() as f32;
        (head.weight.chunks_exact(head.inputs).zip(&head.bias))
            .map(|(row, bias)| bias + row.iter().zip(&mean).map(|(w, m)| w * m * share).sum::<f32>())
            .collect()
    }
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
