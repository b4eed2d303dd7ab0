#![doc = include_str!("FORMAT.md")]
//!
//! Rank 2: this file is the field table; `read.rs` and `write.rs` are its two directions.
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod crc32;
pub mod metadata;
mod parameters;
mod read;
mod write;

use crate::layout::{BORDERS, Filters, Order, stride};
use crate::shape::{Shape, StageShape, StemShape};
use core::ops::Range;

pub use metadata::{Field, Fields};
pub use read::{Blob, Shapes, Stages, arena_len};
pub use write::{WriteError, len, set_arena_len, write};

/// The first four bytes.
pub const MAGIC: [u8; 4] = *b"DLET";
/// The version this library reads and writes.
pub const VERSION: u16 = 2;
/// Bytes; a blob starts at a multiple of this, and so does every array in it.
pub const ALIGN: usize = 4;
/// Bytes of the header.
pub const HEADER_LEN: usize = 40;
/// Bytes of a stage record.
pub const RECORD_LEN: usize = 8;

/// Where the header's fields lie.
pub(crate) mod field {
    use super::Range;
    pub(crate) const MAGIC: Range<usize> = 0..4;
    pub(crate) const VERSION: Range<usize> = 4..6;
    pub(crate) const ORDER: usize = 6;
    pub(crate) const RESERVED: [usize; 2] = [7, 37];
    pub(crate) const LEN: Range<usize> = 8..12;
    pub(crate) const CRC: Range<usize> = 12..16;
    pub(crate) const ARENA_LEN: Range<usize> = 16..20;
    pub(crate) const INPUT: [Range<usize>; 3] = [20..22, 22..24, 24..26];
    pub(crate) const STAGES: Range<usize> = 26..28;
    /// Kernel height and width, stride down and across, padding top, left, bottom, right, pool.
    pub(crate) const STEM: Range<usize> = 28..37;
    pub(crate) const POOL: usize = 36;
    pub(crate) const FILTERS: Range<usize> = 38..40;
}

/// Where a stage record's fields lie.
pub(crate) mod record {
    use super::Range;
    pub(crate) const KIND: usize = 0;
    pub(crate) const RESERVED: [usize; 3] = [1, 6, 7];
    pub(crate) const BOTTLENECK: Range<usize> = 2..4;
    pub(crate) const OUTPUTS: Range<usize> = 4..6;
    pub(crate) const LAYER: u8 = 1;
    pub(crate) const TRANSITION: u8 = 2;
    pub(crate) const HEAD: u8 = 3;
}

/// Returns what the CRC-32 is of: every byte but its own.
fn checked(bytes: &[u8]) -> Option<[&[u8]; 2]> {
    Some([bytes.get(..field::CRC.start)?, bytes.get(field::CRC.end..)?])
}

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Order of the weights.
    pub order: Order,
    /// Bytes of arena the network needs.
    pub arena_len: usize,
    /// Input picture.
    pub input: Shape,
    /// Geometry of the stem.
    pub stem: StemShape,
    /// Stages behind the stem.
    pub stages: usize,
}

/// The stem, or a stage behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The stem.
    Stem(StemShape),
    /// A stage that has a record.
    Stage(StageShape),
}

/// The arrays a stage can have, in the order they lie in the blob.
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
    BottleneckScale,
    Weights,
    Bias,
    Multiplier,
    Scale,
    Zero,
}

impl Section {
    /// Every section in order.
    pub const ALL: [Self; 12] = [
        Self::Padding,
        Self::Mask,
        Self::Threshold,
        Self::BottleneckWeights,
        Self::BottleneckBias,
        Self::BottleneckMultiplier,
        Self::BottleneckScale,
        Self::Weights,
        Self::Bias,
        Self::Multiplier,
        Self::Scale,
        Self::Zero,
    ];
}

impl Section {
    /// Its number in [`Section::ALL`].
    pub const fn place(self) -> usize {
        match self {
            Self::Padding => 0,
            Self::Mask => 1,
            Self::Threshold => 2,
            Self::BottleneckWeights => 3,
            Self::BottleneckBias => 4,
            Self::BottleneckMultiplier => 5,
            Self::BottleneckScale => 6,
            Self::Weights => 7,
            Self::Bias => 8,
            Self::Multiplier => 9,
            Self::Scale => 10,
            Self::Zero => 11,
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
        Kind::Stage(StageShape::Layer { bottleneck, .. }) => {
            let taps = input.tap_rows().checked_mul(3)?;
            taps.checked_mul(stride(bottleneck.unwrap_or(input.channels)))
        }
        Kind::Stage(_) => Some(stride(input.channels)),
    }
}

/// Bytes of one section of a stage that reads a map of shape `input`, without padding; 0 where the stage has
/// no such section, `None` where the number passes `usize`.
pub fn section_len(section: Section, order: Order, kind: Kind, input: Shape) -> Option<usize> {
    let (bottleneck, outputs) = match kind {
        Kind::Stem(stem) => (0, stem.filters),
        Kind::Stage(StageShape::Layer { bottleneck, growth }) => (bottleneck.unwrap_or(0), growth),
        Kind::Stage(StageShape::Transition { filters }) => (0, filters),
        Kind::Stage(StageShape::Head { classes }) => (0, classes),
    };
    let is_stem = matches!(kind, Kind::Stem(_));
    let is_head = matches!(kind, Kind::Stage(StageShape::Head { .. }));
    let is_plain = matches!(kind, Kind::Stage(StageShape::Layer { bottleneck: None, .. }));
    match section {
        Section::Padding => Some(if is_stem { input.channels } else { 0 }),
        Section::Mask | Section::Threshold => Some(if is_stem { 0 } else { stride(input.channels) }),
        Section::BottleneckBias | Section::BottleneckMultiplier => bottleneck.checked_mul(4),
        Section::BottleneckScale => Some(if bottleneck == 0 { 0 } else { 2 }),
        Section::BottleneckWeights => order.weights_len(bottleneck, stride(input.channels)),
        Section::Weights => order.weights_len(outputs, filter_len(kind, input)?),
        Section::Bias => outputs
            .checked_mul(4)?
            .checked_mul(if is_plain { BORDERS } else { 1 }),
        Section::Multiplier => outputs.checked_mul(4),
        Section::Scale => {
            if is_head {
                Some(2)
            } else {
                outputs.checked_mul(2)
            }
        }
        Section::Zero => {
            if is_head {
                Some(0)
            } else {
                outputs.checked_mul(2)
            }
        }
    }
}

/// One stage's parameters as bytes: what [`Blob::stages`] gives and [`write()`] takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageBytes<'b> {
    /// What the stage is.
    pub kind: Kind,
    /// Shape of the map it reads; its channels are those the block has so far.
    pub input: Shape,
    /// Its arrays by [`Section`], without padding; empty where it has none.
    pub sections: [&'b [u8]; 12],
}

impl<'b> StageBytes<'b> {
    /// The bytes of one section.
    pub fn section(&self, section: Section) -> &'b [u8] {
        self.sections.get(section.place()).copied().unwrap_or(&[])
    }
}

/// Shape of the map that the stage behind this one reads.
pub(crate) fn shape_behind(kind: Kind, input: Shape) -> Option<Shape> {
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
