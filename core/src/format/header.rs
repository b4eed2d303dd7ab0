//! The header: its numbers, checked and read.

use super::bytes::{len_at, number_at, u32_at, word_at};
use super::*;
use crate::error::FormatError;
use crate::limits;
use crate::shape::StemPool;

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

/// Rules 1 to 5, 7 to 11 and 20 for the header.
pub(super) fn check_header(bytes: &[u8]) -> Result<HeaderNumbers, FormatError> {
    check_start(bytes)?;
    let expected = u32_at(bytes, field::CRC);
    let found = crc32::crc32(checked(bytes).unwrap_or_default());
    if expected != found {
        return Err(FormatError::Crc { expected, found });
    }
    let numbers = numbers(bytes);
    if order_of(numbers.order).is_none() {
        return Err(FormatError::Order { found: numbers.order });
    }
    if numbers.reserved > 0 {
        return Err(FormatError::NotZero {
            at: HeaderNumbers::RESERVED,
        });
    }
    let sides = 1..=limits::SIDE;
    if !numbers.input.iter().all(|side| sides.contains(side)) || !is_in_reach(input(&numbers)) {
        return Err(FormatError::Input { found: numbers.input });
    }
    if !stem_is_in_range(&stem(&numbers), numbers.pool, input(&numbers)) {
        return Err(FormatError::Stem);
    }
    // A network ends in a head, so there is at least one stage.
    if numbers.stages == 0 {
        return Err(FormatError::Stage { index: 0, kind: 0 });
    }
    if numbers.stages > limits::STAGES {
        return Err(FormatError::TooLarge);
    }
    // The bits of a positive half are ordered as its values are.
    if !(1..=0x7bff).contains(&numbers.scale) {
        return Err(FormatError::Scale);
    }
    Ok(numbers)
}

/// The header's numbers, checked or not.
#[inline(never)]
pub(super) fn numbers(bytes: &[u8]) -> HeaderNumbers {
    let mut numbers = HeaderNumbers::default();
    numbers.each(|range, number| *number = number_at(bytes, range));
    numbers
}

pub(super) fn input(numbers: &HeaderNumbers) -> Shape {
    let [height, width, channels] = numbers.input;
    Shape {
        height,
        width,
        channels,
    }
}

pub(super) fn stem(numbers: &HeaderNumbers) -> StemShape {
    let [
        kernel_height,
        kernel_width,
        stride_y,
        stride_x,
        pad_top,
        pad_left,
        pad_bottom,
        pad_right,
    ] = numbers.stem;
    StemShape {
        kernel_height,
        kernel_width,
        stride_y,
        stride_x,
        pad_top,
        pad_left,
        pad_bottom,
        pad_right,
        pool: match numbers.pool {
            0 => StemPool::None,
            2 => StemPool::Same,
            _ => StemPool::Centred,
        },
        filters: numbers.filters,
    }
}

pub(super) fn header(numbers: &HeaderNumbers) -> Header {
    Header {
        order: order_of(numbers.order).unwrap_or(Order::Plain),
        arena_len: numbers.arena_len,
        input: input(numbers),
        stem: stem(numbers),
        stages: numbers.stages,
        scale: f16::from_bits(u16::try_from(numbers.scale).unwrap_or(0)),
    }
}

fn order_of(number: usize) -> Option<Order> {
    match number {
        0 => Some(Order::Plain),
        1 => Some(Order::Pairs),
        2 => Some(Order::Quads),
        _ => None,
    }
}

/// Rule 10.
fn stem_is_in_range(stem: &StemShape, pool: usize, input: Shape) -> bool {
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

/// Whether a map of this shape is within [`limits::MAP`].
pub(super) fn is_in_reach(map: Shape) -> bool {
    let pixels = map.height.checked_mul(map.width);
    let bytes = pixels.and_then(|pixels| pixels.checked_mul(stride(map.channels)));
    bytes.is_some_and(|bytes| bytes <= limits::MAP)
}
