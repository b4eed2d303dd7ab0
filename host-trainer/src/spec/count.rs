//! Shapes and counts of a [`Spec`]: feature maps, parameters, multiply-accumulates.

use super::{Block, Geometry, Layer, Spec};
use denselet::format::Kind;
use denselet::shape::{Shape, StageShape};

/// One feature map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels per pixel.
    pub channels: usize,
}

impl Map {
    /// Pixels of the map.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// The map a transition leaves: half of each side, odd rows and columns dropped, one row kept as it is.
    pub fn halved(&self, channels: usize) -> Self {
        let height = if self.height == 1 { 1 } else { self.height / 2 };
        Self {
            height,
            width: self.width / 2,
            channels,
        }
    }
}

/// Every feature map of a network, for one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maps {
    /// The output of the stem's convolution, before its max pool.
    pub stem: Map,
    /// Each block's buffer with all its channels, once its last layer is done.
    pub blocks: Vec<Map>,
    /// What the head reads: the last block, or its transition's output.
    pub head: Map,
}

impl Layer {
    /// Rows of the layer's convolution: 3, or 1 if the feature map has one row.
    pub fn kernel_height(height: usize) -> usize {
        if height == 1 { 1 } else { 3 }
    }
}

impl Block {
    /// Channels the block's layers append together.
    pub fn appended(&self) -> usize {
        self.layers.iter().map(|layer| layer.growth).sum()
    }
}

/// Counts pass 32 bits where `usize` has no more.
fn wide(n: usize) -> u64 {
    n as u64
}

impl Spec {
    /// The feature maps, in order.
    pub fn maps(&self) -> Maps {
        let stem = &self.stem;
        let step = |side: usize, pads: usize, kernel: usize, stride: usize| {
            (side + pads).saturating_sub(kernel) / stride + 1
        };
        let flat = self.input.height == 1;
        let made = Map {
            height: step(
                self.input.height,
                stem.pad_top + stem.pad_bottom,
                stem.kernel_height,
                if flat { 1 } else { stem.stride },
            ),
            width: step(
                self.input.width,
                stem.pad_left + stem.pad_right,
                stem.kernel_width,
                stem.stride,
            ),
            channels: stem.filters,
        };
        let mut map = made;
        if stem.pool {
            map.height = if flat { 1 } else { step(map.height, 2, 3, 2) };
            map.width = step(map.width, 2, 3, 2);
        }
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            map.channels += block.appended();
            blocks.push(map);
            if let Some(outputs) = block.transition {
                map = map.halved(outputs);
            }
        }
        Maps {
            stem: made,
            blocks,
            head: map,
        }
    }

    /// Parameters as papers count them: weights, the head's biases, batch-norm scales and offsets.
    pub fn parameters(&self) -> usize {
        let norm = |has: bool, channels: usize| if has { 2 * wide(channels) } else { 0 };
        let mut block = 0;
        let stages = Geometry::of(self).walk().into_iter().map(|(kind, input)| {
            let norms = match kind {
                Kind::Stem(stem) => norm(self.stem.norm, stem.filters),
                Kind::Stage(StageShape::Layer { bottleneck, .. }) => {
                    norm(true, input.channels) + norm(true, bottleneck.unwrap_or(0))
                }
                Kind::Stage(StageShape::Transition { .. }) => {
                    block += 1;
                    norm(!self.blocks[block - 1].linear, input.channels)
                }
                Kind::Stage(StageShape::Head { classes }) => {
                    norm(self.final_norm, input.channels) + wide(classes)
                }
            };
            norms + weights(kind, input)
        });
        usize::try_from(stages.sum::<u64>()).unwrap_or(usize::MAX)
    }

    /// Multiply-accumulates of one image as the network is trained: see [`Macs::as_trained`].
    pub fn macs(&self) -> u64 {
        let walk = Geometry::of(self).walk();
        walk.into_iter()
            .map(|(kind, input)| Macs::of(kind, input).as_trained)
            .sum()
    }
}

/// Multiply-accumulates of one stage for one image. Two counts: they differ in transitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Macs {
    /// As the paper writes the network and as it is trained: a transition convolves every pixel, then pools. The count that
    /// papers and other tools publish.
    pub as_trained: u64,
    /// As the device executes them: a transition pools first and convolves a quarter of the pixels, for the same result.
    pub as_executed: u64,
}

impl Macs {
    /// Counts a stage that reads a map of shape `input`.
    pub fn of(kind: Kind, input: Shape) -> Self {
        let product = |factors: &[usize]| factors.iter().map(|&factor| factor as u64).product::<u64>();
        let both = |macs| Self {
            as_trained: macs,
            as_executed: macs,
        };
        let (pixels, channels) = (input.pixels(), input.channels);
        match kind {
            Kind::Stem(stem) => {
                let out = stem.convolved(input).map_or(0, |map| map.pixels());
                both(product(&[
                    out,
                    stem.kernel_height,
                    stem.kernel_width,
                    channels,
                    stem.filters,
                ]))
            }
            Kind::Stage(StageShape::Layer { bottleneck, growth }) => {
                let first = bottleneck.map_or(0, |width| product(&[pixels, channels, width]));
                // A map of one row has one row of taps: the others would only multiply padding.
                let taps = 3 * input.tap_rows();
                both(first + product(&[pixels, taps, bottleneck.unwrap_or(channels), growth]))
            }
            Kind::Stage(StageShape::Transition { filters }) => Self {
                as_trained: product(&[pixels, channels, filters]),
                as_executed: product(&[input.pooled(filters).pixels(), channels, filters]),
            },
            Kind::Stage(StageShape::Head { classes }) => both(product(&[channels, classes])),
        }
    }
}

/// Weights of a stage that reads a map of shape `input`.
fn weights(kind: Kind, input: Shape) -> u64 {
    let product = |factors: &[usize]| factors.iter().map(|&factor| wide(factor)).product::<u64>();
    let channels = input.channels;
    match kind {
        Kind::Stem(stem) => product(&[stem.kernel_height, stem.kernel_width, channels, stem.filters]),
        Kind::Stage(StageShape::Layer { bottleneck, growth }) => {
            let first = bottleneck.map_or(0, |width| product(&[channels, width]));
            first + product(&[3 * input.tap_rows(), bottleneck.unwrap_or(channels), growth])
        }
        Kind::Stage(StageShape::Transition { filters: outputs } | StageShape::Head { classes: outputs }) => {
            product(&[channels, outputs])
        }
    }
}

/// Weights and biases of a stage in a blob, whose batch norms are folded.
pub fn folded_parameters(kind: Kind, input: Shape) -> u64 {
    let biases = match kind {
        Kind::Stem(stem) => stem.filters,
        Kind::Stage(StageShape::Layer { bottleneck, growth }) => bottleneck.unwrap_or(0) + growth,
        Kind::Stage(StageShape::Transition { filters: outputs } | StageShape::Head { classes: outputs }) => {
            outputs
        }
    };
    weights(kind, input) + wide(biases)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_those_people_publish() {
        for (name, parameters) in [
            ("densenet-40-12", 1_019_722),
            ("densenet-bc-100-12", 769_162),
            ("densenet-bc-190-40", 25_624_430),
            ("densenet-121", 7_978_856),
            ("densenet-201", 20_013_928),
        ] {
            assert_eq!(Spec::load(name).unwrap().parameters(), parameters, "{name}");
        }
    }

    #[test]
    fn macs_are_those_of_the_comparison() {
        for (name, macs) in [
            ("d1", 14_771_160),
            ("d2", 72_365_352),
            ("d3", 82_273_632),
            ("d4", 203_484),
            ("d5", 44_855_548),
        ] {
            assert_eq!(Spec::load(name).unwrap().macs(), macs, "{name}");
        }
    }

    #[test]
    fn article_grows_across_blocks_and_ends_in_a_transition() {
        let spec = Spec::load("article").unwrap();
        assert_eq!(
            spec.maps().stem,
            Map {
                height: 30,
                width: 30,
                channels: 16
            }
        );
        let head = spec.maps().head;
        assert_eq!((head.height, head.width), (3, 3));
        assert_eq!(spec.blocks[2].layers[3].growth, 192);
        assert_eq!(head.channels, 16 + (1..=12).map(|i| 16 * i).sum::<usize>());
        assert!(!spec.final_norm);
    }
}
