//! What a blob tells about its network beside the parameters: its name, the names of its classes, what its input bytes stand
//! for. An inference never reads it. Rank 2, after `mod.rs`: `read.rs` checks with it, `write.rs` writes it.

use super::*;
use crate::error::FormatError;

/// The numbers of the fields that this library knows.
pub mod tag {
    /// The network's name, UTF-8.
    pub const NAME: u16 = 1;
    /// The names of the classes, UTF-8, each followed by a zero byte.
    pub const LABELS: u16 = 2;
    /// What the bytes 0 and 255 of each input channel stand for: two `f32` per channel.
    pub const ENCODING: u16 = 3;
}

/// One field of the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'b> {
    /// What it holds, by number: see [`tag`].
    pub tag: u16,
    /// Its bytes, without padding.
    pub bytes: &'b [u8],
}

/// Where a field's numbers lie.
pub(super) mod start {
    use super::Range;
    pub(crate) const TAG: Range<usize> = 0..2;
    pub(crate) const RESERVED: Range<usize> = 2..4;
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
    pub fn find(mut self, tag: u16) -> Option<&'b [u8]> {
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
            tag: read::u16_at(start, start::TAG),
            bytes,
        })
    }
}

/// Rules 8, 15 and 19 for what follows the parameters, from byte `at` of the blob, of a network with this many input
/// channels and classes.
pub(super) fn check(bytes: &[u8], mut at: usize, channels: usize, classes: usize) -> Result<(), FormatError> {
    let mut fields = Fields::new(bytes.get(at..).unwrap_or(&[]));
    let mut last = 0;
    while !fields.rest.is_empty() {
        let start = fields.rest;
        let field = fields.next().filter(|field| field.tag > last);
        let Some(Field { tag, bytes }) = field else {
            return Err(FormatError::Trailing { at });
        };
        last = tag;
        let taken = start.len().saturating_sub(fields.rest.len());
        let end = START_LEN.saturating_add(bytes.len());
        for filling in [start::RESERVED, end..taken] {
            if let Some(nth) = read::first_not_zero(start.get(filling.clone()).unwrap_or(&[])) {
                return Err(FormatError::NotZero {
                    at: at.saturating_add(filling.start).saturating_add(nth),
                });
            }
        }
        if !is_well_formed(tag, bytes, channels, classes) {
            return Err(FormatError::Metadata { at });
        }
        at = at.saturating_add(taken);
    }
    Ok(())
}

/// Rule 19: whether a field holds what its tag says. Fields of unknown tags hold anything.
fn is_well_formed(tag: u16, bytes: &[u8], channels: usize, classes: usize) -> bool {
    match tag {
        tag::NAME => is_text(bytes),
        tag::LABELS => {
            let ends = bytes.iter().filter(|&&byte| byte == 0).count();
            ends == classes && bytes.last() == Some(&0) && is_text(bytes)
        }
        tag::ENCODING => {
            let well_formed = |(low, high): (f32, f32)| low.is_finite() && high.is_finite() && low < high;
            Some(bytes.len()) == channels.checked_mul(8) && encoding(bytes).all(well_formed)
        }
        _ => true,
    }
}

fn is_text(bytes: &[u8]) -> bool {
    text(bytes).len() == bytes.len()
}

/// The UTF-8 at the start of `bytes`: all of them, once they are checked.
pub(crate) fn text(bytes: &[u8]) -> &str {
    // Smaller than `str::from_utf8`, which hurries over long texts.
    bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

/// Low and high of each channel.
pub(crate) fn encoding(bytes: &[u8]) -> impl Iterator<Item = (f32, f32)> + Clone + use<'_> {
    let number = |pair, range| f32::from_bits(read::u32_at(pair, range));
    bytes
        .chunks_exact(8)
        .map(move |pair| (number(pair, 0..4), number(pair, 4..8)))
}
