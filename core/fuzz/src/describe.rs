//! Bytes as the description of a small network: whatever they are, what comes out is close to a blob.

use crate::code;
use crate::random::Random;
use denselet::codec::Codec;
use denselet::format::{self, Header, Kind, Section};
use denselet::layout::Order;
use denselet::shape::{Shape, StageShape, StemPool, StemShape};
use half::f16;

/// A network that bytes describe: its shape by the first [`SHAPE`] bytes, its arrays filled with the others.
#[derive(Debug)]
pub struct Described {
    pub header: Header,
    pub stages: Vec<Stage>,
}

/// A stage with its arrays by [`Section`], as long and as padded as the format wants them, and the codecs of its weights.
#[derive(Debug)]
pub struct Stage {
    pub kind: Kind,
    pub input: Shape,
    pub arrays: [Vec<u8>; Section::ALL.len()],
    pub codecs: [Codec; 2],
}

/// Bytes that describe a shape.
const SHAPE: usize = 24;

/// Reads a description.
pub fn describe(bytes: &[u8]) -> Option<Described> {
    let (shape, values) = bytes.split_first_chunk::<SHAPE>()?;
    let mut numbers = shape.iter().map(|&byte| usize::from(byte));
    let mut below = |end: usize| numbers.next().map_or(0, |number| number % end);
    let order = [Order::Plain, Order::Pairs, Order::Quads][below(3)];
    let input = Shape {
        height: 1 + below(9),
        width: 1 + below(9),
        channels: 1 + below(5),
    };
    let (kernel_height, kernel_width) = (1 + below(4), 1 + below(4));
    let stem = StemShape {
        kernel_height,
        kernel_width,
        stride_y: 1 + below(2),
        stride_x: 1 + below(2),
        pad_top: below(kernel_height),
        pad_left: below(kernel_width),
        pad_bottom: below(kernel_height),
        pad_right: below(kernel_width),
        pool: [StemPool::None, StemPool::Centred, StemPool::Same][below(3)],
        filters: 1 + below(18),
    };
    let mut shapes = Vec::new();
    for _ in 0..below(4) {
        let (is_transition, width) = (below(3) == 0, below(6));
        shapes.push(if is_transition {
            StageShape::Transition { filters: 1 + width }
        } else {
            StageShape::Layer {
                bottleneck: (width > 0).then_some(width),
                growth: 3,
            }
        });
    }
    shapes.push(StageShape::Head {
        classes: 1 + below(20),
    });
    let coding = [below(256), below(256)];
    let mut described = stages(order, input, stem, &shapes, values)?;
    // The stem's weights are raw.
    for (nth, stage) in described.iter_mut().enumerate().skip(1) {
        stage.code(coding.map(|bits| Codec::ALL[bits >> (nth % 4 * 2) & 3]))?;
    }
    Some(Described {
        header: Header {
            order,
            arena_len: 0,
            input,
            stem,
            stages: shapes.len(),
            scale: f16::ONE,
        },
        stages: described,
    })
}

impl Stage {
    /// Codes the weights, made small enough for the codecs.
    fn code(&mut self, codecs: [Codec; 2]) -> Option<()> {
        let sections = [Section::BottleneckWeights, Section::Weights];
        for ((section, codec), stored) in sections.into_iter().zip(codecs).zip(&mut self.codecs) {
            let array = &mut self.arrays[section.place()];
            let shift = match codec {
                _ if array.is_empty() => continue,
                Codec::Raw | Codec::Huffman => 0,
                Codec::Nibbles => 4,
                Codec::Planes => 5,
            };
            let weights: Vec<_> = array.iter().map(|byte| byte.cast_signed() >> shift).collect();
            *array = code::encode(codec, &weights, &mut Random::new(weights.len() as u64))?;
            *stored = codec;
        }
        Some(())
    }
}

fn stages(
    order: Order,
    input: Shape,
    stem: StemShape,
    shapes: &[StageShape],
    values: &[u8],
) -> Option<Vec<Stage>> {
    // Short descriptions go round and round.
    let mut values = values.iter().copied().chain([1]).cycle();
    let mut input = input;
    let kinds = std::iter::once(Kind::Stem(stem)).chain(shapes.iter().map(|&shape| Kind::Stage(shape)));
    let stages = kinds.map(|kind| {
        let arrays = Section::ALL.map(|section| array(section, order, kind, input, &mut values));
        let mut whole = [const { Vec::new() }; Section::ALL.len()];
        for (slot, array) in whole.iter_mut().zip(arrays) {
            *slot = array?;
        }
        let stage = Stage {
            kind,
            input,
            arrays: whole,
            codecs: [Codec::Raw; 2],
        };
        input = match kind {
            Kind::Stem(stem) => stem.output(input)?,
            Kind::Stage(StageShape::Layer { growth, .. }) => Shape {
                channels: input.channels + growth,
                ..input
            },
            Kind::Stage(StageShape::Transition { filters }) => input.pooled(filters),
            Kind::Stage(StageShape::Head { .. }) => input,
        };
        Some(stage)
    });
    stages.collect()
}

/// One array: multipliers are not negative, weights that meet padding are zero.
fn array(
    section: Section,
    order: Order,
    kind: Kind,
    input: Shape,
    values: &mut impl Iterator<Item = u8>,
) -> Option<Vec<u8>> {
    let len = format::section_len(section, order, kind, input)?;
    let length = format::filter_len(kind, input)?;
    let stride = denselet::layout::stride;
    let (taps, inputs) = match kind {
        Kind::Stem(stem) => (1, stem.kernel_height * stem.kernel_width * input.channels),
        Kind::Stage(StageShape::Layer { bottleneck, .. }) => {
            (3 * input.tap_rows(), bottleneck.unwrap_or(input.channels))
        }
        Kind::Stage(_) => (1, input.channels),
    };
    let outputs = match kind {
        Kind::Stem(stem) => stem.filters,
        Kind::Stage(StageShape::Layer { growth, .. }) => growth,
        Kind::Stage(StageShape::Transition { filters }) => filters,
        Kind::Stage(StageShape::Head { classes }) => classes,
    };
    let bottleneck = match kind {
        Kind::Stage(StageShape::Layer { bottleneck, .. }) => bottleneck.unwrap_or(0),
        _ => 0,
    };
    Some(match section {
        Section::Weights => weights(len, order, (outputs, length), taps, inputs, values),
        Section::BottleneckWeights => {
            let length = stride(input.channels);
            weights(len, order, (bottleneck, length), 1, input.channels, values)
        }
        Section::Mask => flags(len, input.channels, values),
        Section::Threshold => clear(values.take(len).collect(), input.channels),
        Section::Multiplier | Section::BottleneckMultiplier => {
            let words = (0..len / 4).map(|_| [0, 0, 0, 0].map(|_: u8| values.next().unwrap_or(0)));
            words.flat_map(|[a, b, c, d]| [a, b, c, d & 0x7f]).collect()
        }
        _ => values.take(len).collect(),
    })
}

/// Filters of `taps` taps, of which the first `inputs` values may be anything.
fn weights(
    len: usize,
    order: Order,
    (filters, length): (usize, usize),
    taps: usize,
    inputs: usize,
    values: &mut impl Iterator<Item = u8>,
) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let depth = length / taps;
    for o in 0..filters {
        for k in (0..length).filter(|k| k % depth < inputs) {
            bytes[order.weight_offset(length, depth, o, k)] = values.next().unwrap_or(0);
        }
    }
    bytes
}

fn flags(len: usize, channels: usize, values: &mut impl Iterator<Item = u8>) -> Vec<u8> {
    let flags = values.take(len).map(|byte| if byte % 4 == 0 { 0 } else { 0xff });
    clear(flags.collect(), channels)
}

/// Zeros after the channels that there are.
fn clear(mut bytes: Vec<u8>, channels: usize) -> Vec<u8> {
    bytes.iter_mut().skip(channels).for_each(|byte| *byte = 0);
    bytes
}
