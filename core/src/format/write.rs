//! Stages in, bytes out: the counterpart of `read.rs`.

use super::*;
use crate::error::FormatError;
use crate::shape::StemPool;
use core::fmt;

/// What keeps stages from being written.
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
            Self::Stages { needed, had } => write!(f, "{had} stages behind the stem, header says {needed}"),
            Self::TooLarge => f.write_str("a number does not fit its field"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for WriteError {}

/// Bytes of the blob of these stages with this metadata.
///
/// # Errors
/// [`WriteError::TooLarge`] where the number passes `usize`.
pub fn len<'s>(
    stages: impl Iterator<Item = StageBytes<'s>>,
    metadata: &[Field<'_>],
) -> Result<usize, WriteError> {
    let mut len = HEADER_LEN;
    for (index, stage) in stages.enumerate() {
        if index > 0 {
            len = len.checked_add(RECORD_LEN).ok_or(WriteError::TooLarge)?;
        }
        for section in stage.sections {
            let padded = section
                .len()
                .checked_next_multiple_of(ALIGN)
                .ok_or(WriteError::TooLarge)?;
            len = len.checked_add(padded).ok_or(WriteError::TooLarge)?;
        }
    }
    for field in metadata {
        let padded = field.bytes.len().checked_next_multiple_of(ALIGN);
        let needed = padded.and_then(|padded| padded.checked_add(metadata::START_LEN));
        len = needed
            .and_then(|needed| len.checked_add(needed))
            .ok_or(WriteError::TooLarge)?;
    }
    Ok(len)
}

/// Writes a blob of exactly [`len`] bytes to the start of `out` and returns the number.
///
/// # Errors
/// If an array is not as long as [`section_len`] says, the output is too small, the number of stages is not the header's, or
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
    write_header(header, needed, out)?;
    let records = count.checked_mul(RECORD_LEN).ok_or(WriteError::TooLarge)?;
    let (head, mut rest) = out
        .split_at_mut_checked(HEADER_LEN.saturating_add(records))
        .ok_or(WriteError::OutputTooSmall { needed, had })?;
    let mut record_slots = head
        .get_mut(HEADER_LEN..)
        .unwrap_or(&mut [])
        .chunks_exact_mut(RECORD_LEN);
    for (index, stage) in stages.enumerate() {
        if let Kind::Stage(shape) = stage.kind {
            write_record(shape, record_slots.next().unwrap_or(&mut []))?;
        }
        for (section, bytes) in Section::ALL.iter().zip(stage.sections) {
            let needed =
                section_len(*section, header.order, stage.kind, stage.input).ok_or(WriteError::TooLarge)?;
            if bytes.len() != needed {
                let had = bytes.len();
                return Err(WriteError::Section {
                    stage: index,
                    section: *section,
                    needed,
                    had,
                });
            }
            put(rest, 0..needed, bytes)?;
            rest = rest.get_mut(needed.next_multiple_of(ALIGN)..).unwrap_or(&mut []);
        }
    }
    for field in metadata {
        let end = metadata::START_LEN.saturating_add(field.bytes.len());
        put(rest, metadata::start::TAG, &field.tag.to_le_bytes())?;
        put(
            rest,
            metadata::start::LEN,
            &narrow::<u32>(field.bytes.len())?.to_le_bytes(),
        )?;
        put(rest, metadata::START_LEN..end, field.bytes)?;
        rest = rest.get_mut(end.next_multiple_of(ALIGN)..).unwrap_or(&mut []);
    }
    seal(out)?;
    check(header, out).map_err(WriteError::Refused)?;
    Ok(needed)
}

/// Every rule that speaks of bytes alone.
fn check(header: &Header, blob: &[u8]) -> Result<(), FormatError> {
    let blob = Blob::read(blob)?;
    for Field { tag, bytes } in blob.metadata() {
        match tag {
            metadata::tag::NAME => metadata::name(bytes).map(drop)?,
            metadata::tag::LABELS => metadata::labels(bytes, blob.classes()).map(drop)?,
            metadata::tag::ENCODING => metadata::encoding(bytes, header.input.channels).map(drop)?,
            _ => {}
        }
    }
    Ok(())
}

/// Puts the arena length into a blob's header and its CRC right: the plan is made from the finished blob.
///
/// # Errors
/// [`WriteError::TooLarge`] where `arena_len` passes 32 bits or `blob` is shorter than a header.
pub fn set_arena_len(blob: &mut [u8], arena_len: usize) -> Result<(), WriteError> {
    put(blob, field::ARENA_LEN, &narrow::<u32>(arena_len)?.to_le_bytes())?;
    seal(blob)
}

fn seal(blob: &mut [u8]) -> Result<(), WriteError> {
    let crc = crc32::crc32(checked(blob).ok_or(WriteError::TooLarge)?);
    put(blob, field::CRC, &crc.to_le_bytes())
}

fn write_header(header: &Header, len: usize, out: &mut [u8]) -> Result<(), WriteError> {
    let order = match header.order {
        Order::Plain => 0,
        Order::Pairs => 1,
        Order::Quads => 2,
    };
    let stem = &header.stem;
    let geometry = [
        narrow(stem.kernel_height)?,
        narrow(stem.kernel_width)?,
        narrow(stem.stride_y)?,
        narrow(stem.stride_x)?,
        narrow(stem.pad_top)?,
        narrow(stem.pad_left)?,
        narrow(stem.pad_bottom)?,
        narrow(stem.pad_right)?,
        match stem.pool {
            StemPool::None => 0,
            StemPool::Centred => 1,
            StemPool::Same => 2,
        },
    ];
    put(out, field::MAGIC, &MAGIC)?;
    put(out, field::VERSION, &VERSION.to_le_bytes())?;
    put(out, field::ORDER..field::ORDER.saturating_add(1), &[order])?;
    put(out, field::LEN, &narrow::<u32>(len)?.to_le_bytes())?;
    put(
        out,
        field::ARENA_LEN,
        &narrow::<u32>(header.arena_len)?.to_le_bytes(),
    )?;
    let input = [header.input.height, header.input.width, header.input.channels];
    for (range, n) in field::INPUT.into_iter().zip(input) {
        put(out, range, &narrow::<u16>(n)?.to_le_bytes())?;
    }
    put(out, field::STAGES, &narrow::<u16>(header.stages)?.to_le_bytes())?;
    put(out, field::STEM, &geometry)?;
    put(out, field::FILTERS, &narrow::<u16>(stem.filters)?.to_le_bytes())
}

fn write_record(shape: StageShape, out: &mut [u8]) -> Result<(), WriteError> {
    let (kind, bottleneck, outputs) = match shape {
        StageShape::Layer { bottleneck, growth } => (record::LAYER, bottleneck.unwrap_or(0), growth),
        StageShape::Transition { filters } => (record::TRANSITION, 0, filters),
        StageShape::Head { classes } => (record::HEAD, 0, classes),
    };
    put(out, record::KIND..record::KIND.saturating_add(1), &[kind])?;
    put(out, record::BOTTLENECK, &narrow::<u16>(bottleneck)?.to_le_bytes())?;
    put(out, record::OUTPUTS, &narrow::<u16>(outputs)?.to_le_bytes())
}

fn put(out: &mut [u8], range: Range<usize>, bytes: &[u8]) -> Result<(), WriteError> {
    let slot = out.get_mut(range).filter(|slot| slot.len() == bytes.len());
    slot.ok_or(WriteError::TooLarge)?.copy_from_slice(bytes);
    Ok(())
}

fn narrow<T: TryFrom<usize>>(n: usize) -> Result<T, WriteError> {
    T::try_from(n).map_err(|_| WriteError::TooLarge)
}
