//! What a blob tells about its network beside the parameters: its name, the names of its classes, what its input bytes stand
//! for. An inference never reads it, so what a field holds is checked when it is asked for. Rank 2, after `mod.rs`: `read.rs` checks with
//! it, `write.rs` writes it.

use super::*;
use crate::error::FormatError;

/// The numbers of the fields that this library knows.
pub mod tag {
    /// The network's name, UTF-8.
    pub const NAME: u32 = 1;
    /// The names of the classes, UTF-8, each followed by a zero byte.
    pub const LABELS: u32 = 2;
    /// What the bytes 0 and 255 of each input channel stand for: two `f32` per channel.
    pub const ENCODING: u32 = 3;
}

/// One field of the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'b> {
    /// What it holds, by number: see [`tag`].
    pub tag: u32,
    /// Its bytes, without padding.
    pub bytes: &'b [u8],
}

/// Where a field's numbers lie.
pub(super) mod start {
    use super::Range;
    pub(crate) const TAG: Range<usize> = 0..4;
    pub(crate) const LEN: Range<usize> = 4..8;
}
/// Bytes before a field's own.
pub(super) const START_LEN: usize = 8;

/// The fields of the metadata in order.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'b> {
    rest: &'b [u8],
}

impl<'b> Fields<'b> {
    pub(super) fn new(metadata: &'b [u8]) -> Self {
        Self { rest: metadata }
    }

    /// The bytes of the field `tag`, if it is there.
    pub fn find(mut self, tag: u32) -> Option<&'b [u8]> {
        self.find_map(|field| (field.tag == tag).then_some(field.bytes))
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = Field<'b>;

    /// `None` at the end, and where no whole field follows.
    fn next(&mut self) -> Option<Field<'b>> {
        let (start, rest) = self.rest.split_at_checked(START_LEN)?;
        let len = read::usize_at(start, start::LEN);
        let bytes = rest.get(..len)?;
        self.rest = rest.get(len.checked_next_multiple_of(ALIGN)?..)?;
        Some(Field {
            tag: read::u32_at(start, start::TAG),
            bytes,
        })
    }
}

/// Rules 8 and 15 for what follows the parameters, from byte `at` of the blob.
pub(super) fn check(bytes: &[u8], mut at: usize) -> Result<(), FormatError> {
    let mut fields = Fields::new(bytes.get(at..).unwrap_or(&[]));
    let mut last = 0;
    while !fields.rest.is_empty() {
        let start = fields.rest;
        let Some(Field { tag, bytes }) = fields.next().filter(|field| field.tag > last) else {
            return Err(FormatError::Trailing { at });
        };
        last = tag;
        let taken = start.len().saturating_sub(fields.rest.len());
        let end = START_LEN.saturating_add(bytes.len());
        if let Some(nth) = read::first_not_zero(start.get(end..taken).unwrap_or(&[])) {
            return Err(FormatError::NotZero {
                at: at.saturating_add(end).saturating_add(nth),
            });
        }
        at = at.saturating_add(taken);
    }
    Ok(())
}

/// Rule 19: the name in a field.
pub(crate) fn name(bytes: &[u8]) -> Result<&str, FormatError> {
    core::str::from_utf8(bytes).map_err(|_| FormatError::Metadata { tag: tag::NAME })
}

/// Rule 19: the names of `classes` classes in a field, each followed by a zero byte.
pub(crate) fn labels(bytes: &[u8], classes: usize) -> Result<&str, FormatError> {
    let error = FormatError::Metadata { tag: tag::LABELS };
    let labels = core::str::from_utf8(bytes).map_err(|_| error)?;
    let ends = bytes.iter().filter(|&&byte| byte == 0).count();
    if ends == classes && bytes.last() == Some(&0) {
        Ok(labels)
    } else {
        Err(error)
    }
}

/// Rule 19: low and high of each of `channels` channels in a field.
pub(crate) fn encoding(bytes: &[u8], channels: usize) -> Result<Encoding<'_>, FormatError> {
    let (pairs, rest) = bytes.as_chunks();
    let encoding = Encoding { pairs };
    let mut ends = encoding.clone();
    let is_range = |(low, high): (f32, f32)| low.is_finite() && high.is_finite() && low < high;
    if pairs.len() == channels && rest.is_empty() && ends.all(is_range) {
        Ok(encoding)
    } else {
        Err(FormatError::Metadata { tag: tag::ENCODING })
    }
}

/// What the bytes 0 and 255 of each input channel stand for, channel after channel.
#[derive(Clone, Debug, Default)]
pub struct Encoding<'b> {
    pairs: &'b [[u8; 8]],
}

impl Iterator for Encoding<'_> {
    type Item = (f32, f32);

    fn next(&mut self) -> Option<(f32, f32)> {
        let (pair, rest) = self.pairs.split_first()?;
        self.pairs = rest;
        let number = |range| f32::from_bits(read::u32_at(pair, range));
        Some((number(0..4), number(4..8)))
    }
}
