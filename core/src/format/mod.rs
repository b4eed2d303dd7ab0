#![doc = include_str!("FORMAT.md")]
//!
//! This file is the field table; `read.rs` and `write.rs` are its two directions.
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod bytes;
mod crc32;
mod header;
pub mod metadata;
mod parameters;
mod read;
mod write;

use crate::layout::{BORDERS, Filters, Order, stage_filter_len, stride};
use crate::shape::{Shape, StageShape, StemShape};
use core::ops::Range;
use half::f16;

pub use crate::codec::Codec;
pub use header::arena_len;
pub use metadata::{Field, Fields};
pub use read::{Blob, Records, Stages};
pub use write::{WriteError, len, set_arena_len, write};

/// The first four bytes.
pub const MAGIC: [u8; 4] = *b"DLET";
/// The version this library reads and writes.
pub const VERSION: u16 = 2;
/// Bytes; a blob starts at a multiple of this, and so does every array in it.
pub const ALIGN: usize = 4;
/// Bytes of the header.
pub const HEADER_LEN: usize = 48;
/// Bytes of a stage record.
pub const RECORD_LEN: usize = 16;

/// Places of the header's fields that are not plain numbers, or that a constant reads.
pub(crate) mod field {
    use core::ops::Range;
    pub(crate) const MAGIC: Range<usize> = 0..4;
    pub(crate) const VERSION: Range<usize> = 4..6;
    pub(crate) const LEN: Range<usize> = 8..12;
    pub(crate) const CRC: Range<usize> = 12..16;
    pub(crate) const ARENA_LEN: Range<usize> = 16..20;
}

/// The numbers of the header as they are stored.
#[derive(Clone, Copy, Debug, Default)]
struct HeaderNumbers {
    order: usize,
    reserved: usize,
    len: usize,
    arena_len: usize,
    input: [usize; 3],
    stages: usize,
    /// Kernel height and width, stride down and across, padding top, left, bottom, right.
    stem: [usize; 8],
    pool: usize,
    filters: usize,
    /// Of the stem's weights.
    codec: usize,
    weights_len: usize,
    /// Words of the run of zeros.
    zeros: usize,
    /// Bits of the `f16` that a logit of 1 stands for.
    scale: usize,
}

impl HeaderNumbers {
    const RESERVED: usize = 7;

    /// Calls `number` with the place of every number: the one description that reader and writer share.
    fn each(&mut self, mut number: impl FnMut(Range<usize>, &mut usize)) {
        number(6..7, &mut self.order);
        number(Self::RESERVED..8, &mut self.reserved);
        number(field::LEN, &mut self.len);
        number(field::ARENA_LEN, &mut self.arena_len);
        let mut at = 20;
        for side in &mut self.input {
            number(at..at.saturating_add(2), side);
            at = at.saturating_add(2);
        }
        number(26..28, &mut self.stages);
        at = 28;
        for side in &mut self.stem {
            number(at..at.saturating_add(1), side);
            at = at.saturating_add(1);
        }
        number(36..37, &mut self.pool);
        number(37..38, &mut self.codec);
        number(38..40, &mut self.filters);
        number(40..44, &mut self.weights_len);
        number(44..46, &mut self.zeros);
        number(46..48, &mut self.scale);
    }
}

/// The numbers of a stage record as they are stored; the stem's are in the header.
#[derive(Clone, Copy, Debug, Default)]
struct RecordNumbers {
    kind: usize,
    /// 1 if the stage stores its clamp masks, 0 if they are all zero.
    masks: usize,
    bottleneck: usize,
    outputs: usize,
    /// Of the bottleneck's weights and of the others.
    codec: [usize; 2],
    weights_len: [usize; 2],
}

impl RecordNumbers {
    const LAYER: usize = 1;
    const TRANSITION: usize = 2;
    const HEAD: usize = 3;

    /// Calls `number` with the place of every number, as [`HeaderNumbers::each`] does.
    fn each(&mut self, mut number: impl FnMut(Range<usize>, &mut usize)) {
        let [first_codec, codec] = &mut self.codec;
        let [first_len, len] = &mut self.weights_len;
        number(0..1, &mut self.kind);
        number(1..2, &mut self.masks);
        number(2..4, &mut self.bottleneck);
        number(4..6, &mut self.outputs);
        number(6..7, first_codec);
        number(7..8, codec);
        number(8..12, first_len);
        number(12..16, len);
    }
}

/// Returns what the CRC-32 is of: every byte but its own.
fn checked(bytes: &[u8]) -> Option<[&[u8]; 2]> {
    Some([bytes.get(..field::CRC.start)?, bytes.get(field::CRC.end..)?])
}

/// What the header holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Header {
    /// Order of the weights.
    pub order: Order,
    /// Bytes of arena the network needs.
    pub arena_len: usize,
    /// Input image.
    pub input: Shape,
    /// Geometry of the stem.
    pub stem: StemShape,
    /// Stages after the stem.
    pub stages: usize,
    /// What a logit of 1 stands for.
    pub scale: f16,
}

/// The stem, or a stage after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The stem.
    Stem(StemShape),
    /// A stage that has a record.
    Stage(StageShape),
}

/// The arrays a stage can have, in the order in which they lie in the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the table in the module's documentation describes each"
)]
pub enum Section {
    Padding,
    Mask,
    Threshold,
    BottleneckWeights,
    BottleneckBias,
    BottleneckMultiplier,
    Weights,
    Bias,
    Multiplier,
}

impl Section {
    /// Every section in order.
    pub const ALL: [Self; 9] = [
        Self::Padding,
        Self::Mask,
        Self::Threshold,
        Self::BottleneckWeights,
        Self::BottleneckBias,
        Self::BottleneckMultiplier,
        Self::Weights,
        Self::Bias,
        Self::Multiplier,
    ];

    /// Its number in [`Section::ALL`].
    pub const fn place(self) -> usize {
        match self {
            Self::Padding => 0,
            Self::Mask => 1,
            Self::Threshold => 2,
            Self::BottleneckWeights => 3,
            Self::BottleneckBias => 4,
            Self::BottleneckMultiplier => 5,
            Self::Weights => 6,
            Self::Bias => 7,
            Self::Multiplier => 8,
        }
    }
}

/// The filters in [`Section::BottleneckWeights`] of a stage, none without a bottleneck, or those of its main convolution (any
/// other section); `None` if a number passes `usize`.
#[inline(never)]
pub fn filters(section: Section, kind: Kind, input: Shape) -> Option<Filters> {
    let channels = input.channels;
    let is_bottleneck = section == Section::BottleneckWeights;
    let (outputs, inputs) = match kind {
        Kind::Stage(StageShape::Layer { bottleneck, .. }) if is_bottleneck => {
            (bottleneck.unwrap_or(0), channels)
        }
        _ if is_bottleneck => (0, channels),
        // Its taps lie close together, as an input row does: one long tap.
        Kind::Stem(stem) => {
            let taps = stem.kernel_height.checked_mul(stem.kernel_width)?;
            (stem.filters, taps.checked_mul(channels)?)
        }
        Kind::Stage(StageShape::Layer { bottleneck, growth }) => (growth, bottleneck.unwrap_or(channels)),
        Kind::Stage(StageShape::Transition { filters }) => (filters, channels),
        Kind::Stage(StageShape::Head { classes }) => (classes, channels),
    };
    let depth = stride(inputs);
    let length = if is_bottleneck {
        depth
    } else {
        filter_len(kind, input)?
    };
    Some(Filters {
        outputs,
        length,
        depth,
        inputs,
    })
}

/// Number of weights in one filter of the stage's main convolution; a multiple of 4.
pub fn filter_len(kind: Kind, input: Shape) -> Option<usize> {
    match kind {
        Kind::Stem(stem) => {
            let taps = stem.kernel_height.checked_mul(stem.kernel_width)?;
            taps.checked_mul(input.channels)?.checked_next_multiple_of(ALIGN)
        }
        Kind::Stage(stage) => stage_filter_len(stage, input),
    }
}

/// Bytes of one section of a stage that reads a map of shape `input`, weights as [`Codec::Raw`], without padding; 0 if the stage
/// has no such section, `None` if the number passes `usize`.
pub fn section_len(section: Section, order: Order, kind: Kind, input: Shape) -> Option<usize> {
    let (bottleneck, outputs) = match kind {
        Kind::Stem(stem) => (0, stem.filters),
        Kind::Stage(StageShape::Layer { bottleneck, growth }) => (bottleneck.unwrap_or(0), growth),
        Kind::Stage(StageShape::Transition { filters }) => (0, filters),
        Kind::Stage(StageShape::Head { classes }) => (0, classes),
    };
    let is_stem = matches!(kind, Kind::Stem(_));
    let is_plain = matches!(kind, Kind::Stage(StageShape::Layer { bottleneck: None, .. }));
    match section {
        Section::Padding => Some(if is_stem { input.channels } else { 0 }),
        Section::Mask | Section::Threshold => Some(if is_stem { 0 } else { stride(input.channels) }),
        Section::BottleneckBias | Section::BottleneckMultiplier => bottleneck.checked_mul(4),
        Section::BottleneckWeights => order.weights_len(bottleneck, stride(input.channels)),
        Section::Weights => order.weights_len(outputs, filter_len(kind, input)?),
        Section::Bias => outputs
            .checked_mul(4)?
            .checked_mul(if is_plain { BORDERS } else { 1 }),
        Section::Multiplier => outputs.checked_mul(4),
    }
}

/// One stage's parameters as bytes: what [`Blob::stages`] returns and [`write()`] takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageBytes<'b> {
    /// What the stage is.
    pub kind: Kind,
    /// Shape of the map it reads; its channels are those the block has so far.
    pub input: Shape,
    /// How the bottleneck's weights and the others are stored.
    pub codecs: [Codec; 2],
    /// Its arrays by [`Section`], without padding; empty if it has none.
    pub sections: [&'b [u8]; 9],
}

impl<'b> StageBytes<'b> {
    /// The bytes of one section.
    pub fn section(&self, section: Section) -> &'b [u8] {
        self.sections.get(section.place()).copied().unwrap_or(&[])
    }

    /// The codec of one section; raw if it does not hold weights.
    pub fn codec(&self, section: Section) -> Codec {
        let [first, other] = self.codecs;
        match section {
            Section::BottleneckWeights => first,
            Section::Weights => other,
            _ => Codec::Raw,
        }
    }
}

/// Shape of the map that the next stage reads.
pub fn next_shape(kind: Kind, input: Shape) -> Option<Shape> {
    match kind {
        Kind::Stem(stem) => stem.output(input),
        Kind::Stage(StageShape::Layer { growth, .. }) => Some(Shape {
            channels: input.channels.checked_add(growth)?,
            ..input
        }),
        Kind::Stage(StageShape::Transition { filters }) => Some(input.pooled(filters)),
        Kind::Stage(StageShape::Head { classes }) => Some(Shape {
            height: 1,
            width: 1,
            channels: classes,
        }),
    }
}
