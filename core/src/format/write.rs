//! Stages in, bytes out: the counterpart of `read.rs`.

use super::bytes::first_not_zero;
use super::*;
use crate::error::FormatError;
use crate::shape::StemPool;
use core::fmt;

/// Why stages are not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteError {
    /// The output is smaller than the blob.
    OutputTooSmall {
        /// Bytes the blob needs.
        needed: usize,
        /// Bytes there were.
        had: usize,
    },
    /// An array has the wrong length.
    Section {
        /// Number of the stage, 0 for the stem.
        stage: usize,
        /// Which array.
        section: Section,
        /// Bytes it needs.
        needed: usize,
        /// Bytes it had.
        had: usize,
    },
    /// The stages are not the stem and as many more as the header says.
    Stages {
        /// Stages according to the header, without the stem.
        needed: usize,
        /// Stages there were, without the stem.
        had: usize,
    },
    /// A number does not fit its field.
    TooLarge,
    /// The reader refuses the blob that these parts make.
    Refused(FormatError),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OutputTooSmall { needed, had } => {
                write!(f, "output has {had} bytes, the blob needs {needed}")
            }
            Self::Section {
                stage,
                section,
                needed,
                had,
            } => {
                write!(f, "stage {stage}: {section:?} has {had} bytes, expected {needed}")
            }
            Self::Stages { needed, had } => write!(f, "{had} stages after the stem, the header has {needed}"),
            Self::TooLarge => f.write_str("a number does not fit its field"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for WriteError {}

/// Bytes of the blob of these stages with this metadata.
///
/// # Errors
/// [`WriteError::TooLarge`] if the number passes `usize`.
pub fn len<'s>(
    stages: impl Iterator<Item = StageBytes<'s>> + Clone,
    metadata: &[Field<'_>],
) -> Result<usize, WriteError> {
    let records = stages.clone().count().saturating_sub(1).checked_mul(RECORD_LEN);
    let arrays = stages.clone().flat_map(stored).map(|(_, bytes)| bytes.len());
    let fields = metadata
        .iter()
        .map(|field| field.bytes.len().saturating_add(metadata::START_LEN));
    let sizes = [Some(HEADER_LEN), records, Some(zeros(stages))].into_iter();
    let sizes = sizes.chain(
        arrays
            .chain(fields)
            .map(|len| len.checked_next_multiple_of(ALIGN)),
    );
    sizes
        .reduce(|sum, len| sum?.checked_add(len?))
        .flatten()
        .ok_or(WriteError::TooLarge)
}

/// The arrays of a stage that a blob stores: masks that are all zero are not.
fn stored<'s>(stage: StageBytes<'s>) -> impl Iterator<Item = (Section, &'s [u8])> {
    let has_masks = has_masks(&stage);
    let arrays = Section::ALL.into_iter().zip(stage.sections);
    arrays.filter(move |(section, _)| *section != Section::Mask || has_masks)
}

fn has_masks(stage: &StageBytes<'_>) -> bool {
    first_not_zero(stage.section(Section::Mask)).is_some()
}

/// Bytes of the run of zeros that stands for the masks of every stage that stores none.
fn zeros<'s>(stages: impl Iterator<Item = StageBytes<'s>>) -> usize {
    let without = stages.filter(|stage| !has_masks(stage));
    without
        .map(|stage| stage.section(Section::Mask).len())
        .max()
        .unwrap_or(0)
}

/// Writes a blob of exactly [`len`] bytes to the start of `out` and returns the number.
///
/// # Errors
/// Returns an error if an array is not as long as [`section_len`] and its codec say, the output is too small, the number of stages is not the header's, or
/// the blob would break a rule of the format, which the reader checks at the end.
pub fn write<'s>(
    header: &Header,
    stages: impl Iterator<Item = StageBytes<'s>> + Clone,
    metadata: &[Field<'_>],
    out: &mut [u8],
) -> Result<usize, WriteError> {
    let needed = len(stages.clone(), metadata)?;
    let had = out.len();
    let out = out
        .get_mut(..needed)
        .ok_or(WriteError::OutputTooSmall { needed, had })?;
    let count = stages.clone().count().saturating_sub(1);
    if count != header.stages {
        return Err(WriteError::Stages {
            needed: header.stages,
            had: count,
        });
    }
    out.fill(0);
    let zeros = zeros(stages.clone());
    let mut at = HEADER_LEN
        .saturating_add(count.saturating_mul(RECORD_LEN))
        .saturating_add(zeros);
    for (index, stage) in stages.clone().enumerate() {
        check_lengths(header, index, &stage)?;
        match index.checked_sub(1) {
            None => write_header(header, &stage, zeros, out)?,
            Some(nth) => {
                let start = nth.saturating_mul(RECORD_LEN).saturating_add(HEADER_LEN);
                write_record(&stage, out.get_mut(start..).unwrap_or(&mut []))?;
            }
        }
        for (_, bytes) in stored(stage) {
            at = append(out, at, bytes)?;
        }
    }
    for field in metadata {
        let start = at.saturating_add(metadata::START_LEN);
        put(out, at, 4, field.tag.into())?;
        put(out, at.saturating_add(4), 4, wide(field.bytes.len())?)?;
        at = append(out, start, field.bytes)?;
    }
    seal(out)?;
    check(out).map_err(WriteError::Refused)?;
    Ok(needed)
}

fn check_lengths(header: &Header, index: usize, stage: &StageBytes<'_>) -> Result<(), WriteError> {
    for (section, bytes) in Section::ALL.into_iter().zip(stage.sections) {
        let len = section_len(section, header.order, stage.kind, stage.input).ok_or(WriteError::TooLarge)?;
        if let Err(needed) = stage.codec(section).check_len(len, bytes.len()) {
            return Err(WriteError::Section {
                stage: index,
                section,
                needed,
                had: bytes.len(),
            });
        }
    }
    Ok(())
}

/// Every rule about bytes alone.
fn check(blob: &[u8]) -> Result<(), FormatError> {
    let blob = Blob::read(blob)?;
    for field in blob.metadata() {
        metadata::check_field(&field, &blob)?;
    }
    let labels = blob.metadata().find(metadata::tag::LABELS);
    let labels = labels
        .map(|bytes| metadata::labels(bytes, blob.classes()))
        .transpose()?;
    let mut names = labels.unwrap_or_default().split_terminator('\0');
    while let Some(name) = names.next() {
        if names.clone().any(|other| other == name) {
            let tag = metadata::tag::LABELS;
            return Err(FormatError::Metadata { tag });
        }
    }
    Ok(())
}

/// Sets the arena length in a blob's header, and its CRC: the plan is made from the finished blob.
///
/// # Errors
/// [`WriteError::TooLarge`] if `arena_len` passes 32 bits or `blob` is shorter than a header.
pub fn set_arena_len(blob: &mut [u8], arena_len: usize) -> Result<(), WriteError> {
    put(
        blob,
        field::ARENA_LEN.start,
        field::ARENA_LEN.len(),
        wide(arena_len)?,
    )?;
    seal(blob)
}

fn seal(blob: &mut [u8]) -> Result<(), WriteError> {
    let crc = crc32::crc32(checked(blob).ok_or(WriteError::TooLarge)?);
    put(blob, field::CRC.start, field::CRC.len(), crc.into())
}

fn write_header(
    header: &Header,
    stem: &StageBytes<'_>,
    zeros: usize,
    out: &mut [u8],
) -> Result<(), WriteError> {
    let shape = &header.stem;
    let mut numbers = HeaderNumbers {
        order: match header.order {
            Order::Plain => 0,
            Order::Pairs => 1,
            Order::Quads => 2,
        },
        reserved: 0,
        len: out.len(),
        arena_len: header.arena_len,
        input: [header.input.height, header.input.width, header.input.channels],
        stages: header.stages,
        stem: [
            shape.kernel_height,
            shape.kernel_width,
            shape.stride_y,
            shape.stride_x,
            shape.pad_top,
            shape.pad_left,
            shape.pad_bottom,
            shape.pad_right,
        ],
        pool: match shape.pool {
            StemPool::None => 0,
            StemPool::Centred => 1,
            StemPool::Same => 2,
        },
        filters: shape.filters,
        codec: stem.codec(Section::Weights).number().into(),
        weights_len: stem.section(Section::Weights).len(),
        zeros: zeros / ALIGN,
        scale: header.scale.to_bits().into(),
    };
    put_bytes(out, field::MAGIC, &MAGIC)?;
    put_bytes(out, field::VERSION, &VERSION.to_le_bytes())?;
    put_each(out, |number| numbers.each(number))
}

fn write_record(stage: &StageBytes<'_>, out: &mut [u8]) -> Result<(), WriteError> {
    let (kind, bottleneck, outputs) = match stage.kind {
        Kind::Stage(StageShape::Layer { bottleneck, growth }) => {
            (RecordNumbers::LAYER, bottleneck.unwrap_or(0), growth)
        }
        Kind::Stage(StageShape::Transition { filters }) => (RecordNumbers::TRANSITION, 0, filters),
        Kind::Stage(StageShape::Head { classes }) => (RecordNumbers::HEAD, 0, classes),
        // A second stem is an unknown kind, which the reader refuses.
        Kind::Stem(_) => (0, 0, 0),
    };
    let mut numbers = RecordNumbers {
        kind,
        masks: has_masks(stage).into(),
        bottleneck,
        outputs,
        codec: stage.codecs.map(|codec| codec.number().into()),
        weights_len: [Section::BottleneckWeights, Section::Weights]
            .map(|section| stage.section(section).len()),
    };
    put_each(out, |number| numbers.each(number))
}

/// Puts the numbers that `each` shows into their places.
fn put_each(
    out: &mut [u8],
    each: impl FnOnce(&mut dyn FnMut(Range<usize>, &mut usize)),
) -> Result<(), WriteError> {
    let mut result = Ok(());
    each(&mut |range, number| {
        let put = wide(*number).and_then(|number| put(out, range.start, range.len(), number));
        result = result.and(put);
    });
    result
}

/// Puts a number of `len` bytes at a place.
fn put(out: &mut [u8], at: usize, len: usize, number: u64) -> Result<(), WriteError> {
    let bytes = number.to_le_bytes();
    let (low, high) = bytes.split_at_checked(len).ok_or(WriteError::TooLarge)?;
    if high.iter().any(|&byte| byte > 0) {
        return Err(WriteError::TooLarge);
    }
    put_bytes(out, at..at.saturating_add(len), low)
}

fn put_bytes(out: &mut [u8], range: Range<usize>, bytes: &[u8]) -> Result<(), WriteError> {
    let slot = out.get_mut(range).filter(|slot| slot.len() == bytes.len());
    slot.ok_or(WriteError::TooLarge)?.copy_from_slice(bytes);
    Ok(())
}

/// Puts an array at a place and returns the place after it and its padding.
fn append(out: &mut [u8], at: usize, bytes: &[u8]) -> Result<usize, WriteError> {
    let end = at.checked_add(bytes.len()).ok_or(WriteError::TooLarge)?;
    put_bytes(out, at..end, bytes)?;
    end.checked_next_multiple_of(ALIGN).ok_or(WriteError::TooLarge)
}

fn wide(number: usize) -> Result<u64, WriteError> {
    u64::try_from(number).map_err(|_| WriteError::TooLarge)
}
