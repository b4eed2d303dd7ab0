//! Bytes in, checked views out: one numbered rule, one error. The counterpart of `write.rs`.

use super::*;
use crate::error::FormatError;
use crate::limits;
use crate::shape::StemPool;

/// Bytes that obey the rules of the format but 6, 17 and 19: the model's, the plan's and those of who asks for metadata.
///
/// Nothing is kept but the bytes: fields are read when they are asked for, so a view is two words.
#[derive(Clone, Copy, Debug)]
pub struct Blob<'b> {
    bytes: &'b [u8],
}

impl<'b> Blob<'b> {
    /// Checks `bytes` against every rule of the format that speaks of bytes alone.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn read(bytes: &'b [u8]) -> Result<Self, FormatError> {
        let header = check_header(bytes)?;
        let mut walk = Walk::start(&header).ok_or(FormatError::TooLarge)?;
        check_stage(bytes, &header, &mut walk, Kind::Stem(header.stem))?;
        for index in 0..header.stages {
            let kind = check_record(bytes, index, &header, walk.shape)?;
            check_stage(bytes, &header, &mut walk, Kind::Stage(kind))?;
        }
        metadata::check(bytes, walk.at)?;
        Ok(Self { bytes })
    }

    /// What the header says.
    pub fn header(&self) -> Header {
        header(self.bytes)
    }

    /// Bytes of the whole blob.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never true: a blob has at least a header.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The shapes of the stages behind the stem, in order.
    pub fn shapes(&self) -> Shapes<'b> {
        let bytes = self.bytes.get(HEADER_LEN..).unwrap_or(&[]);
        Shapes {
            records: bytes,
            left: usize::from(u16_at(self.bytes, field::STAGES)),
        }
    }

    /// Number of logits.
    pub fn classes(&self) -> usize {
        let heads = self.shapes().filter_map(|stage| match stage {
            StageShape::Head { classes } => Some(classes),
            _ => None,
        });
        heads.last().unwrap_or(0)
    }

    /// The stem, then every stage in order.
    pub fn stages(&self) -> Stages<'b> {
        let header = self.header();
        let walk = Walk::start(&header);
        Stages {
            bytes: self.bytes,
            order: header.order,
            stem: Some(header.stem),
            shapes: self.shapes(),
            walk,
        }
    }

    /// The fields of the metadata, which follow the last stage.
    pub fn metadata(&self) -> Fields<'b> {
        let mut stages = self.stages();
        stages.by_ref().for_each(drop);
        let at = stages.walk.map_or(self.bytes.len(), |walk| walk.at);
        Fields::new(self.bytes.get(at..).unwrap_or(&[]))
    }
}

/// The shapes of the stages behind the stem.
#[derive(Clone, Debug)]
pub struct Shapes<'b> {
    records: &'b [u8],
    left: usize,
}

impl Iterator for Shapes<'_> {
    type Item = StageShape;

    fn next(&mut self) -> Option<StageShape> {
        self.left = self.left.checked_sub(1)?;
        let (record, rest) = self.records.split_at_checked(RECORD_LEN)?;
        self.records = rest;
        Some(shape(record))
    }
}

/// Where a walk over the parameters is: at which byte, and the map that the next stage reads.
#[derive(Clone, Copy, Debug)]
struct Walk {
    at: usize,
    shape: Shape,
}

impl Walk {
    fn start(header: &Header) -> Option<Self> {
        let at = header.stages.checked_mul(RECORD_LEN)?.checked_add(HEADER_LEN)?;
        Some(Self {
            at,
            shape: header.input,
        })
    }

    /// The stage of this kind; moves behind it.
    fn step<'b>(&mut self, bytes: &'b [u8], order: Order, kind: Kind) -> Result<StageBytes<'b>, FormatError> {
        let mut stage = StageBytes {
            kind,
            input: self.shape,
            sections: [&[]; 12],
        };
        for (section, slot) in Section::ALL.into_iter().zip(&mut stage.sections) {
            let needed = section_len(section, order, kind, self.shape).ok_or(FormatError::TooLarge)?;
            let padded = needed
                .checked_next_multiple_of(ALIGN)
                .ok_or(FormatError::TooLarge)?;
            let rest = bytes.get(self.at..).unwrap_or(&[]);
            let truncated = FormatError::Truncated {
                at: self.at,
                needed,
                had: rest.len(),
            };
            let array = rest.get(..padded).ok_or(truncated)?;
            *slot = array.get(..needed).ok_or(truncated)?;
            self.at = self.at.checked_add(padded).ok_or(FormatError::TooLarge)?;
        }
        self.shape = shape_behind(kind, self.shape).ok_or(FormatError::TooLarge)?;
        Ok(stage)
    }
}

/// The stem, then every stage of a blob in order.
#[derive(Clone, Debug)]
pub struct Stages<'b> {
    bytes: &'b [u8],
    order: Order,
    stem: Option<StemShape>,
    shapes: Shapes<'b>,
    walk: Option<Walk>,
}

impl<'b> Iterator for Stages<'b> {
    type Item = StageBytes<'b>;

    fn next(&mut self) -> Option<StageBytes<'b>> {
        let kind = match self.stem.take() {
            Some(stem) => Kind::Stem(stem),
            None => Kind::Stage(self.shapes.next()?),
        };
        // The same walk succeeded when the blob was read.
        self.walk.as_mut()?.step(self.bytes, self.order, kind).ok()
    }
}

/// The stage that a record describes. An unknown kind was refused when the blob was read.
fn shape(record: &[u8]) -> StageShape {
    let bottleneck = usize::from(u16_at(record, record::BOTTLENECK));
    let outputs = usize::from(u16_at(record, record::OUTPUTS));
    match record.get(record::KIND).copied() {
        Some(record::LAYER) => StageShape::Layer {
            bottleneck: (bottleneck > 0).then_some(bottleneck),
            growth: outputs,
        },
        Some(record::TRANSITION) => StageShape::Transition { filters: outputs },
        _ => StageShape::Head { classes: outputs },
    }
}

/// Rules 8 and 11 to 13 for stage record `index`.
fn check_record(
    bytes: &[u8],
    index: usize,
    header: &Header,
    input: Shape,
) -> Result<StageShape, FormatError> {
    let start = index
        .checked_mul(RECORD_LEN)
        .and_then(|offset| offset.checked_add(HEADER_LEN));
    let start = start.ok_or(FormatError::TooLarge)?;
    let rest = bytes.get(start..).unwrap_or(&[]);
    let truncated = FormatError::Truncated {
        at: start,
        needed: RECORD_LEN,
        had: rest.len(),
    };
    let record = rest.get(..RECORD_LEN).ok_or(truncated)?;
    for reserved in record::RESERVED {
        if record.get(reserved) != Some(&0) {
            return Err(FormatError::NotZero {
                at: start.saturating_add(reserved),
            });
        }
    }
    let kind = record.get(record::KIND).copied().unwrap_or(0);
    let is_last = index.checked_add(1) == Some(header.stages);
    let is_layer = kind == record::LAYER;
    match (kind, is_last) {
        (record::LAYER | record::TRANSITION, false) | (record::HEAD, true) => {}
        _ => return Err(FormatError::Stage { index, kind }),
    }
    let outputs = usize::from(u16_at(record, record::OUTPUTS));
    let channels = input.channels.saturating_add(if is_layer { outputs } else { 0 });
    let has_bottleneck = u16_at(record, record::BOTTLENECK) > 0;
    if outputs == 0 || channels > limits::CHANNELS || (!is_layer && has_bottleneck) {
        return Err(FormatError::Width { index });
    }
    if kind == record::TRANSITION && input.width < 2 {
        return Err(FormatError::NothingToPool { index });
    }
    Ok(shape(record))
}

/// Rules 8, 14, 16, 18, 20 and 21 for the parameters of one stage.
fn check_stage(bytes: &[u8], header: &Header, walk: &mut Walk, kind: Kind) -> Result<(), FormatError> {
    let at = walk.at;
    let stage = walk.step(bytes, header.order, kind)?;
    if !is_in_reach(walk.shape) {
        return Err(FormatError::TooLarge);
    }
    parameters::check(bytes, at, header.order, &stage)
}

/// Whether a map of this shape is within [`limits::MAP`].
fn is_in_reach(map: Shape) -> bool {
    let pixels = map.height.checked_mul(map.width);
    let bytes = pixels.and_then(|pixels| pixels.checked_mul(stride(map.channels)));
    bytes.is_some_and(|bytes| bytes <= limits::MAP)
}

/// Rules 1 to 4: the bytes are a blob's, and all of them. The compiler can check these.
const fn check_start(bytes: &[u8]) -> Result<(), FormatError> {
    let had = bytes.len();
    if had < HEADER_LEN {
        let needed = HEADER_LEN;
        return Err(FormatError::TooShort { needed, had });
    }
    let found = word_at(bytes, field::MAGIC).to_le_bytes();
    if u32::from_le_bytes(found) != u32::from_le_bytes(MAGIC) {
        return Err(FormatError::Magic { found });
    }
    let [low, high, ..] = word_at(bytes, field::VERSION).to_le_bytes();
    let found = u16::from_le_bytes([low, high]);
    if found != VERSION {
        return Err(FormatError::Version { found });
    }
    let needed = len_at(bytes, field::LEN);
    if needed != had {
        return Err(FormatError::Length { needed, had });
    }
    Ok(())
}

/// The arena length in the header of bytes that obey rules 1 to 4.
///
/// # Errors
/// The first of these rules that is broken.
pub const fn arena_len(bytes: &[u8]) -> Result<usize, FormatError> {
    match check_start(bytes) {
        Ok(()) => Ok(len_at(bytes, field::ARENA_LEN)),
        Err(error) => Err(error),
    }
}

/// Rules 1 to 5 and 7 to 11 for the header.
fn check_header(bytes: &[u8]) -> Result<Header, FormatError> {
    check_start(bytes)?;
    let expected = u32_at(bytes, field::CRC);
    let found = crc32::crc32(checked(bytes).unwrap_or_default());
    if expected != found {
        return Err(FormatError::Crc { expected, found });
    }
    let order = byte_at(bytes, field::ORDER);
    if order_of(order).is_none() {
        return Err(FormatError::Order { found: order });
    }
    for at in field::RESERVED {
        if bytes.get(at) != Some(&0) {
            return Err(FormatError::NotZero { at });
        }
    }
    let found = field::INPUT.map(|range| u16_at(bytes, range));
    let header = header(bytes);
    let sides = 1..=limits::SIDE;
    if !found.iter().all(|&n| sides.contains(&usize::from(n))) || !is_in_reach(header.input) {
        return Err(FormatError::Input { found });
    }
    if !stem_is_in_range(&header.stem, byte_at(bytes, field::POOL), header.input) {
        return Err(FormatError::Stem);
    }
    // A network ends in a head, so there is at least one stage.
    if header.stages == 0 {
        return Err(FormatError::Stage { index: 0, kind: 0 });
    }
    if header.stages > limits::STAGES {
        return Err(FormatError::TooLarge);
    }
    Ok(header)
}

/// The header's fields, checked or not.
fn header(bytes: &[u8]) -> Header {
    let [height, width, channels] = field::INPUT.map(|range| usize::from(u16_at(bytes, range)));
    let stem = |nth: usize| usize::from(byte_at(bytes, field::STEM.start.saturating_add(nth)));
    Header {
        order: order_of(byte_at(bytes, field::ORDER)).unwrap_or(Order::Plain),
        arena_len: usize_at(bytes, field::ARENA_LEN),
        input: Shape {
            height,
            width,
            channels,
        },
        stem: StemShape {
            kernel_height: stem(0),
            kernel_width: stem(1),
            stride_y: stem(2),
            stride_x: stem(3),
            pad_top: stem(4),
            pad_left: stem(5),
            pad_bottom: stem(6),
            pad_right: stem(7),
            pool: match byte_at(bytes, field::POOL) {
                0 => StemPool::None,
                2 => StemPool::Same,
                _ => StemPool::Centred,
            },
            filters: usize::from(u16_at(bytes, field::FILTERS)),
        },
        stages: usize::from(u16_at(bytes, field::STAGES)),
    }
}

fn order_of(byte: u8) -> Option<Order> {
    match byte {
        0 => Some(Order::Plain),
        1 => Some(Order::Pairs),
        2 => Some(Order::Quads),
        _ => None,
    }
}

/// Rule 10.
fn stem_is_in_range(stem: &StemShape, pool: u8, input: Shape) -> bool {
    let kernel = 1..=limits::STEM_KERNEL;
    let stride = 1..=limits::STEM_STRIDE;
    kernel.contains(&stem.kernel_height)
        && kernel.contains(&stem.kernel_width)
        && stride.contains(&stem.stride_y)
        && stride.contains(&stem.stride_x)
        && stem.pad_top.max(stem.pad_bottom) < stem.kernel_height
        && stem.pad_left.max(stem.pad_right) < stem.kernel_width
        && pool < 3
        && stem.filters > 0
        && stem.output(input).is_some()
}

#[inline(never)]
pub(super) fn first_not_zero(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| byte != 0)
}

pub(super) fn u16_at(bytes: &[u8], range: Range<usize>) -> u16 {
    bytes
        .get(range)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u16::from_le_bytes)
}

pub(super) fn u32_at(bytes: &[u8], range: Range<usize>) -> u32 {
    bytes
        .get(range)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

/// Passes no `usize` that a slice on this machine can have: such a length or plan is refused as not equal.
pub(super) fn usize_at(bytes: &[u8], range: Range<usize>) -> usize {
    usize::try_from(u32_at(bytes, range)).unwrap_or(usize::MAX)
}

/// [`u32_at`] for the compiler, which has no `get` of a range.
const fn word_at(bytes: &[u8], range: Range<usize>) -> u32 {
    match bytes.split_at_checked(range.start) {
        Some((_, &[a, b, c, d, ..])) => u32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}

#[expect(
    clippy::as_conversions,
    reason = "`usize` has 32 bits at least; `try_from` is not const"
)]
const fn len_at(bytes: &[u8], range: Range<usize>) -> usize {
    const { assert!(usize::BITS >= 32) }
    word_at(bytes, range) as usize
}

fn byte_at(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}
