//! Small random networks as blobs, and a second, slow way to run them.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared by tests that use different parts"
)]

use denselet::Model;
use denselet::codec::Codec;
use denselet::format::{self, Header, Kind, Section, StageBytes};
use denselet::layout::{Filters, Order};
use denselet::network::Network;
use denselet::plan::Plan;
use denselet::shape::{Shape, StageShape, StemPool, StemShape};
use half::f16;
pub use random::Random;

#[cfg(feature = "coded")]
pub mod code;
pub mod random;
pub mod recipes;
pub mod slow;

/// What a random network looks like.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub order: Order,
    pub input: Shape,
    pub stem: StemShape,
    pub stages: Vec<StageShape>,
    pub seed: u64,
}

/// Bytes at an address that is a multiple of 16.
#[derive(Clone, Debug)]
pub struct Aligned {
    words: Vec<u128>,
    len: usize,
}

impl Aligned {
    pub fn new(bytes: &[u8]) -> Self {
        let words = bytes.chunks(16).map(|chunk| {
            let mut word = [0; 16];
            word[..chunk.len()].copy_from_slice(chunk);
            u128::from_le_bytes(word)
        });
        Self {
            words: words.collect(),
            len: bytes.len(),
        }
    }

    pub fn zeros(len: usize) -> Self {
        Self {
            words: vec![0; len.div_ceil(16)],
            len,
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len]
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[..self.len]
    }
}

pub fn same_stem(filters: usize) -> StemShape {
    StemShape {
        kernel_height: 3,
        kernel_width: 3,
        stride_y: 1,
        stride_x: 1,
        pad_top: 1,
        pad_left: 1,
        pad_bottom: 1,
        pad_right: 1,
        pool: StemPool::None,
        filters,
    }
}

/// Stem 3, a bottleneck layer, a transition, a plain layer, a head.
pub fn small() -> Recipe {
    let stages = vec![
        StageShape::Layer {
            bottleneck: Some(6),
            growth: 3,
        },
        StageShape::Transition { filters: 3 },
        StageShape::Layer {
            bottleneck: None,
            growth: 2,
        },
        StageShape::Head { classes: 3 },
    ];
    let input = Shape {
        height: 6,
        width: 4,
        channels: 1,
    };
    Recipe {
        order: Order::Plain,
        input,
        stem: same_stem(3),
        stages,
        seed: 5,
    }
}

/// A stage's arrays by section, weights one byte each, and the codecs that they can have.
struct Owned {
    kind: Kind,
    input: Shape,
    arrays: Vec<Vec<u8>>,
    codecs: [Codec; 2],
}

impl Owned {
    fn view(&self) -> StageBytes<'_> {
        let mut sections: [&[u8]; 9] = [&[]; 9];
        for (section, array) in sections.iter_mut().zip(&self.arrays) {
            *section = array;
        }
        StageBytes {
            kind: self.kind,
            input: self.input,
            codecs: self.codecs,
            sections,
        }
    }
}

/// The blob of a recipe, with parameters that keep activations in the middle of their range.
pub fn blob(recipe: &Recipe) -> Aligned {
    let mut random = Random::new(recipe.seed);
    let stages = stages(recipe, &mut random, |_| Codec::Raw);
    write(recipe, &stages, &mut random)
}

/// A blob whose arrays of weights have any codecs, and the same network with raw weights.
#[cfg(feature = "coded")]
pub fn coded(recipe: &Recipe) -> (Aligned, Aligned) {
    let mut random = Random::new(recipe.seed);
    let mut stages = stages(recipe, &mut random, |random| {
        Codec::ALL[random.below(Codec::ALL.len() as u64) as usize]
    });
    let codecs: Vec<_> = stages
        .iter_mut()
        .map(|stage| core::mem::take(&mut stage.codecs))
        .collect();
    let raw = write(recipe, &stages, &mut random.clone());
    for (stage, codecs) in stages.iter_mut().zip(codecs) {
        stage.codecs = codecs;
        for (section, codec) in [Section::BottleneckWeights, Section::Weights].iter().zip(codecs) {
            let array = &mut stage.arrays[section.place()];
            let weights: Vec<i8> = array.iter().map(|&byte| byte.cast_signed()).collect();
            *array = code::encode(codec, &weights, &mut random).unwrap();
        }
    }
    (write(recipe, &stages, &mut Random::new(recipe.seed)), raw)
}

/// Random stages, each array of weights small enough for the codec that `choose` gives it; the stem's are raw.
fn stages(recipe: &Recipe, random: &mut Random, choose: impl Fn(&mut Random) -> Codec) -> Vec<Owned> {
    let mut owned = Vec::new();
    let mut shape = recipe.input;
    let kinds = [Kind::Stem(recipe.stem)]
        .into_iter()
        .chain(recipe.stages.iter().map(|&s| Kind::Stage(s)));
    for kind in kinds {
        let len = |section| format::section_len(section, recipe.order, kind, shape).unwrap();
        let codecs = [Section::BottleneckWeights, Section::Weights].map(|section| match kind {
            Kind::Stage(_) if len(section) > 0 => choose(random),
            _ => Codec::Raw,
        });
        let [first, other] = codecs;
        let arrays = Section::ALL.iter().map(|&section| {
            let codec = if section.place() < Section::Weights.place() {
                first
            } else {
                other
            };
            fill(
                (section, len(section)),
                (kind, shape),
                (recipe.order, codec),
                random,
            )
        });
        owned.push(Owned {
            kind,
            input: shape,
            arrays: arrays.collect(),
            codecs,
        });
        shape = format::next_shape(kind, shape).unwrap();
    }
    owned
}

fn write(recipe: &Recipe, stages: &[Owned], random: &mut Random) -> Aligned {
    let header = Header {
        order: recipe.order,
        arena_len: 0,
        input: recipe.input,
        stem: recipe.stem,
        stages: recipe.stages.len(),
        scale: f16::from_bits(1 + random.below(0x7bff) as u16),
    };
    let stages = stages.iter().map(Owned::view);
    let mut bytes = vec![0; format::len(stages.clone(), &[]).unwrap()];
    format::write(&header, stages, &[], &mut bytes).unwrap();
    planned(&bytes)
}

/// A blob with the arena length of its plan.
fn planned(bytes: &[u8]) -> Aligned {
    let mut blob = Aligned::new(bytes);
    let plan = Plan::of(&Model::read(blob.bytes()).unwrap()).unwrap();
    format::set_arena_len(blob.bytes_mut(), plan.arena_len).unwrap();
    blob
}

/// How many times smaller than bytes the weights of a codec are here.
fn divisor(codec: Codec) -> u8 {
    match codec {
        Codec::Raw => 1,
        #[cfg(feature = "coded")]
        Codec::Planes => 32,
        #[cfg(feature = "coded")]
        _ => 16,
    }
}

/// One array: multipliers that scale a random sum to a byte, any value elsewhere, but zero weights
/// where a filter is padded.
fn fill(
    (section, len): (Section, usize),
    (kind, input): (Kind, Shape),
    (order, codec): (Order, Codec),
    random: &mut Random,
) -> Vec<u8> {
    let length = format::filter_len(kind, input).unwrap();
    let divisor = divisor(codec);
    match section {
        // Every other stage has none.
        Section::Mask if input.channels.is_multiple_of(2) => vec![0; len],
        Section::Mask => (0..len)
            .map(|c| if c > 0 && random.below(2) == 0 { 0 } else { 0xff })
            .collect(),
        Section::Threshold => (0..len).map(|_| random.below(200) as u8).collect(),
        Section::Multiplier | Section::BottleneckMultiplier => {
            let scale = 2e6 / (length as f64).sqrt() * f64::from(divisor);
            let m = (0..len / 4).map(|_| (scale * (0.5 + random.below(1000) as f64 / 1000.0)) as i32);
            m.flat_map(i32::to_le_bytes).collect()
        }
        Section::Bias | Section::BottleneckBias => {
            let spread = (300_000.0 * (length as f64).sqrt() / f64::from(divisor)) as i64;
            let b = (0..len / 4).map(|_| (random.below(spread as u64 * 2) as i64 - spread / 2) as i32);
            b.flat_map(i32::to_le_bytes).collect()
        }
        Section::BottleneckWeights | Section::Weights => {
            let filters = format::filters(section, kind, input).unwrap();
            let weight = || {
                (random.next() as i8)
                    .div_euclid(divisor.cast_signed())
                    .cast_unsigned()
            };
            weights(len, &filters, order, weight)
        }
        _ => random.bytes(len),
    }
}

/// Random filters; what meets padding is zero.
fn weights(len: usize, filters: &Filters, order: Order, mut weight: impl FnMut() -> u8) -> Vec<u8> {
    let &Filters {
        outputs,
        length,
        depth,
        inputs,
    } = filters;
    let mut bytes = vec![0; len];
    for o in 0..outputs {
        for k in (0..length).filter(|k| k % depth < inputs) {
            bytes[order.weight_offset(length, depth, o, k)] = weight();
        }
    }
    bytes
}

/// Logits by `core`, in an arena painted with `paint`; checks that the last byte of the arena was written.
pub fn run(blob: &[u8], image: &[u8], paint: u8) -> (Vec<i32>, usize) {
    let len = denselet::arena_len(blob);
    let mut memory = Aligned::zeros(len + 64);
    memory.bytes_mut().fill(paint);
    let logits = {
        let mut network = Network::in_bytes(blob, memory.bytes_mut()).unwrap();
        network.run(image).unwrap().as_slice().to_vec()
    };
    let mark = memory
        .bytes()
        .iter()
        .rposition(|&byte| byte != paint)
        .map_or(0, |last| last + 1);
    (logits, mark)
}
