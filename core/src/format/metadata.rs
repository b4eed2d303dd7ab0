//! What a blob holds about its network beside the parameters. An inference never reads it, and `export --strip` leaves it out. What
//! a field holds is checked when it is read, and by the writer.

use super::bytes::{first_not_zero, number_at, u32_at};
use super::*;
use crate::error::FormatError;

/// The numbers of the fields that this library knows.
pub mod tag {
    /// The network's name.
    pub const NAME: u32 = 1;
    /// The names of the classes, each followed by a zero byte.
    pub const LABELS: u32 = 2;
    /// What the bytes 0 and 255 of each input channel stand for: two `f32` per channel.
    pub const ENCODING: u32 = 3;
    /// What stored activations stand for: scales and zero points of every stage.
    pub const SCALES: u32 = 4;
    /// What the input's bytes are: RGB, grey, log-mel, a sensor.
    pub const INPUT: u32 = 5;
    /// How the blob was made.
    pub const PROVENANCE: u32 = 6;
    /// The accuracy that was measured when it was made.
    pub const ACCURACY: u32 = 7;
}

/// One field of the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'b> {
    /// What it holds, by number: see [`tag`].
    pub tag: u32,
    /// Its bytes, without padding.
    pub bytes: &'b [u8],
}

/// Bytes before a field's own: its tag and its length, `u32` each.
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

    /// Bytes of the fields that are left.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether no field is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The bytes of the field `tag`, if it exists.
    pub fn find(mut self, tag: u32) -> Option<&'b [u8]> {
        self.find_map(|field| (field.tag == tag).then_some(field.bytes))
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = Field<'b>;

    /// `None` at the end, or if no whole field follows.
    fn next(&mut self) -> Option<Field<'b>> {
        let (start, rest) = self.rest.split_at_checked(START_LEN)?;
        let len = number_at(start, 4..8);
        let bytes = rest.get(..len)?;
        self.rest = rest.get(len.checked_next_multiple_of(ALIGN)?..)?;
        Some(Field {
            tag: u32_at(start, 0..4),
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
        if let Some(nth) = first_not_zero(start.get(end..taken).unwrap_or(&[])) {
            return Err(FormatError::NotZero {
                at: at.saturating_add(end).saturating_add(nth),
            });
        }
        at = at.saturating_add(taken);
    }
    Ok(())
}

/// Rule 19 for a field.
pub(super) fn check_field(field: &Field<'_>, blob: &Blob<'_>) -> Result<(), FormatError> {
    let &Field { tag, bytes } = field;
    match tag {
        tag::NAME | tag::INPUT | tag::PROVENANCE | tag::ACCURACY => text(tag, bytes).map(drop),
        tag::LABELS => labels(bytes, blob.classes()).map(drop),
        tag::ENCODING => encoding(bytes, blob.header().input.channels).map(drop),
        tag::SCALES => scales(bytes, blob).map(drop),
        _ => Ok(()),
    }
}

/// Rule 19: the text in a field, UTF-8 without control characters.
pub(crate) fn text(tag: u32, bytes: &[u8]) -> Result<&str, FormatError> {
    let text = core::str::from_utf8(bytes).ok();
    let text = text.filter(|text| !text.is_empty() && !text.contains(char::is_control));
    text.ok_or(FormatError::Metadata { tag })
}

/// Rule 19: the names of `classes` classes in a field, each a text followed by a zero byte.
pub(crate) fn labels(bytes: &[u8], classes: usize) -> Result<&str, FormatError> {
    let tag = tag::LABELS;
    let error = FormatError::Metadata { tag };
    let labels = core::str::from_utf8(bytes).map_err(|_| error)?;
    let mut count = 0usize;
    for label in labels.strip_suffix('\0').ok_or(error)?.split('\0') {
        text(tag, label.as_bytes())?;
        count = count.saturating_add(1);
    }
    (count == classes).then_some(labels).ok_or(error)
}

/// Rule 19: what the stored activations of every stage stand for.
pub(crate) fn scales<'b>(bytes: &'b [u8], blob: &Blob<'_>) -> Result<&'b [[u8; 4]], FormatError> {
    let error = FormatError::Metadata { tag: tag::SCALES };
    let (pairs, rest) = bytes.as_chunks();
    let count = blob
        .stages()
        .fold(0usize, |count, stage| count.saturating_add(outputs(stage.kind)));
    // The bits of a positive half are ordered as its values are.
    let is_scale = |pair: &[u8; 4]| (1..=0x7bff).contains(&number_at(pair, 0..2));
    if rest.is_empty() && pairs.len() == count && pairs.iter().all(is_scale) {
        Ok(pairs)
    } else {
        Err(error)
    }
}

/// Channels that a stage stores, those of its bottleneck counted as one: they have one scale.
fn outputs(kind: Kind) -> usize {
    match kind {
        Kind::Stem(stem) => stem.filters,
        Kind::Stage(StageShape::Layer { bottleneck, growth }) => {
            growth.saturating_add(usize::from(bottleneck.is_some()))
        }
        Kind::Stage(StageShape::Transition { filters }) => filters,
        Kind::Stage(StageShape::Head { .. }) => 0,
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

/// What the bytes 0 and 255 of each input channel stand for, in the order of the channels.
#[derive(Clone, Debug, Default)]
pub struct Encoding<'b> {
    pairs: &'b [[u8; 8]],
}

impl Iterator for Encoding<'_> {
    type Item = (f32, f32);

    fn next(&mut self) -> Option<(f32, f32)> {
        let (pair, rest) = self.pairs.split_first()?;
        self.pairs = rest;
        let number = |range| f32::from_bits(u32_at(pair, range));
        Some((number(0..4), number(4..8)))
    }
}
