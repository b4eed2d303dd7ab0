//! Ranges of every stored channel over some training images. After folding, before quantisation.

use crate::data::{Dataset, SAMPLE_SEED, Sample, Split};
use crate::net::{Network, Site};

/// Images that calibrate unless another number is asked for.
pub const IMAGES: usize = 256;

/// The images that calibrate: a seeded sample of the training split, balanced over its classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// The images.
    pub images: Split,
    /// Which images of the training split they are.
    pub sample: Sample,
    /// Names of the data set's classes that none of them is of.
    pub missing: Vec<String>,
}

impl Calibration {
    /// Draws `count` training images.
    pub fn draw(data: &Dataset, count: usize) -> Self {
        let (images, sample) = data.train.draw(count, SAMPLE_SEED);
        let classes = (0u16..).zip(&data.classes);
        let missing = classes.filter(|(class, _)| !images.labels.contains(class));
        Self {
            missing: missing.map(|(_, name)| name.clone()).collect(),
            images,
            sample,
        }
    }
}

/// Smallest and largest value of one channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Smallest value.
    pub min: f32,
    /// Largest value.
    pub max: f32,
}

impl Range {
    const NOTHING: Self = Self {
        min: f32::INFINITY,
        max: f32::NEG_INFINITY,
    };

    fn include(&mut self, value: f32) {
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }
}

/// Ranges of everything that is stored between two convolutions.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranges {
    /// Per block, per channel of its buffer; a last entry for what a final transition leaves, if there is one.
    pub blocks: Vec<Vec<Range>>,
    /// Per block, per layer: the largest value after the bottleneck's ReLU (0 without bottleneck).
    pub bottlenecks: Vec<Vec<f32>>,
}

/// Images that go through the network at a time: bounds the memory of what is observed.
const CHUNK: usize = 32;

/// Runs `images` (NHWC bytes, whole images) through `network` and keeps the range of every channel: plain minimum and
/// maximum, which did better than percentiles on every network tried.
pub fn calibrate(network: &Network, images: &[u8]) -> Ranges {
    let spec = &network.spec;
    let has_final_transition = spec.blocks.last().is_some_and(|block| block.transition.is_some());
    let mut ranges = Ranges {
        blocks: vec![Vec::new(); spec.blocks.len() + usize::from(has_final_transition)],
        bottlenecks: spec
            .blocks
            .iter()
            .map(|block| vec![0.0; block.layers.len()])
            .collect(),
    };
    let image_len = spec.input.height * spec.input.width * spec.input.channels;
    for chunk in images.chunks(CHUNK * image_len) {
        network.observe(
            chunk,
            chunk.len() / image_len,
            &mut |site, values, channels| match site {
                Site::Block(block) => widen(&mut ranges.blocks[block], values, channels),
                Site::Head => widen(&mut ranges.blocks[spec.blocks.len()], values, channels),
                Site::Bottleneck(block, layer) => {
                    let largest = &mut ranges.bottlenecks[block][layer];
                    *largest = values.iter().copied().fold(*largest, f32::max);
                }
                Site::Logits => {}
            },
        );
    }
    ranges
}

fn widen(ranges: &mut Vec<Range>, values: &[f32], channels: usize) {
    ranges.resize(channels, Range::NOTHING);
    for pixel in values.chunks_exact(channels) {
        for (range, &value) in ranges.iter_mut().zip(pixel) {
            range.include(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::images;
    use crate::net::Normalisation;
    use crate::spec::Spec;

    #[test]
    fn a_range_is_the_smallest_and_the_largest_value_of_its_channel() {
        let mut ranges = Vec::new();
        widen(&mut ranges, &[1.0, -5.0, 3.0, 4.0], 2);
        widen(&mut ranges, &[2.0, 9.0, -0.5, 0.0], 2);
        let range = |min, max| Range { min, max };
        assert_eq!(ranges, [range(-0.5, 3.0), range(-5.0, 9.0)]);
    }

    #[test]
    fn ranges_are_those_of_every_image_however_they_are_cut() {
        for name in ["digits", "article"] {
            let spec = Spec::load(name).unwrap();
            let input = Normalisation {
                mean: vec![120.0; spec.input.channels],
                std: vec![70.0; spec.input.channels],
            };
            let network = Network::new(&spec, input, 3);
            let size = network.image_len();
            // More than one chunk, the last one not whole.
            let images = images(CHUNK + 3, size);
            let all = calibrate(&network, &images);
            let single: Vec<Ranges> = images
                .chunks(size)
                .map(|image| calibrate(&network, image))
                .collect();
            for (block, ranges) in all.blocks.iter().enumerate() {
                for (channel, range) in ranges.iter().enumerate() {
                    let of = |single: &Ranges| single.blocks[block][channel];
                    let min = single
                        .iter()
                        .map(|single| of(single).min)
                        .fold(f32::MAX, f32::min);
                    let max = single
                        .iter()
                        .map(|single| of(single).max)
                        .fold(f32::MIN, f32::max);
                    assert_eq!((range.min, range.max), (min, max), "{name} {block} {channel}");
                }
            }
            for (block, layers) in all.bottlenecks.iter().enumerate() {
                for (layer, largest) in layers.iter().enumerate() {
                    let expected = single.iter().map(|single| single.bottlenecks[block][layer]);
                    assert_eq!(*largest, expected.fold(0.0, f32::max), "{name} {block} {layer}");
                }
            }
        }
    }
}
