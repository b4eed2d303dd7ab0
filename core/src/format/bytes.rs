//! Numbers at places of a blob.

use core::ops::Range;

#[inline(never)]
pub(super) fn first_not_zero(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| byte != 0)
}

pub(super) fn u32_at(bytes: &[u8], range: Range<usize>) -> u32 {
    bytes
        .get(range)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

/// The number of one, two or four bytes at a place. One that does not fit `usize` becomes the largest, which no length or plan is.
#[inline(never)]
pub(super) fn number_at(bytes: &[u8], range: Range<usize>) -> usize {
    match *bytes.get(range).unwrap_or(&[]) {
        [byte] => usize::from(byte),
        [low, high] => usize::from(u16::from_le_bytes([low, high])),
        [a, b, c, d] => usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX),
        _ => 0,
    }
}

/// [`u32_at`] for the compiler, which has no `get` of a range.
pub(super) const fn word_at(bytes: &[u8], range: Range<usize>) -> u32 {
    match bytes.split_at_checked(range.start) {
        Some((_, &[a, b, c, d, ..])) => u32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}

#[expect(
    clippy::as_conversions,
    reason = "`usize` has 32 bits at least; `try_from` is not const"
)]
pub(super) const fn len_at(bytes: &[u8], range: Range<usize>) -> usize {
    const { assert!(usize::BITS >= 32) }
    word_at(bytes, range) as usize
}
