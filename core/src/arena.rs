//! The caller's memory, and the only code that cuts it into slices and rows. The plan decides the places.

use crate::error::Refused;
use crate::kernel::arch::cast::as_words_mut;
use crate::plan::Map;
use core::ops::Range;

/// Bytes that the start of an [`Arena`] is a multiple of.
pub const ALIGN: usize = 16;

/// `N` bytes for one network, owned by the caller: a `static`, or a local if the stack is large enough.
///
/// [`arena_len`](crate::arena_len) of the embedded blob gives `N` at compile time, so a network that does not fit the
/// chip does not link.
#[repr(C, align(16))]
#[derive(Clone, Debug)]
pub struct Arena<const N: usize>([u8; N]);

const _: () = assert!(align_of::<Arena<1>>() == ALIGN);

impl<const N: usize> Arena<N> {
    /// Returns an arena of zeros. Its content has no effect.
    pub const fn new() -> Self {
        Self([0; N])
    }

    /// Returns all of its bytes, to be painted and inspected.
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Returns all of its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> Default for Arena<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// The bytes of an arena from a place on, of which pieces are taken in ascending order.
pub(crate) struct Above<'m> {
    bytes: &'m mut [u8],
    /// Their first byte's place in the arena.
    start: usize,
}

/// Cuts the arena into the bytes below `place` and those from there on.
pub(crate) fn cut(arena: &mut [u8], place: usize) -> Result<(&mut [u8], Above<'_>), Refused> {
    let (below, bytes) = arena.split_at_mut_checked(place).ok_or(Refused)?;
    Ok((below, Above { bytes, start: place }))
}

impl<'m> Above<'m> {
    /// Takes a piece of whole words.
    #[inline(never)]
    pub(crate) fn take_words(&mut self, range: &Range<usize>) -> Result<&'m mut [u32], Refused> {
        self.take(range).map(as_words_mut)
    }

    /// Takes a piece.
    #[inline(never)]
    pub(crate) fn take(&mut self, range: &Range<usize>) -> Result<&'m mut [u8], Refused> {
        let bytes = core::mem::take(&mut self.bytes);
        let end = range.end.wrapping_sub(self.start);
        let (piece, rest) = bytes.split_at_mut_checked(end).ok_or(Refused)?;
        let skipped = range.start.wrapping_sub(self.start);
        (self.bytes, self.start) = (rest, range.end);
        piece.get_mut(skipped..).ok_or(Refused)
    }
}

/// The rows of a map or a ring of `count` rows: row `y` lies at `y` mod `count`. A map has all of its rows.
///
/// The only code that finds a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    /// First byte.
    start: usize,
    /// Bytes of a row.
    len: usize,
    count: usize,
}

impl Rows {
    /// The rows of a map, in the arena.
    pub(crate) fn of(map: &Map) -> Self {
        Self {
            start: map.offset,
            len: map.row_len(),
            count: map.shape.height,
        }
    }

    /// A ring of `count` rows of `len` bytes, in bytes of its own.
    pub(crate) fn ring(count: usize, len: usize) -> Self {
        Self { start: 0, len, count }
    }

    /// The place of row `y`.
    pub(crate) fn range(&self, y: usize) -> Range<usize> {
        let slot = if y < self.count { y } else { y % self.count.max(1) };
        let start = self.start + slot * self.len;
        start..start + self.len
    }

    /// Row `y`.
    pub(crate) fn row<'m>(&self, bytes: &'m [u8], y: usize) -> Result<&'m [u8], Refused> {
        bytes.get(self.range(y)).ok_or(Refused)
    }

    /// Row `y`, to be written.
    pub(crate) fn row_mut<'m>(&self, bytes: &'m mut [u8], y: usize) -> Result<&'m mut [u8], Refused> {
        bytes.get_mut(self.range(y)).ok_or(Refused)
    }

    /// As many rows of a ring as it has, from row `y` on.
    pub(crate) fn all<'m>(&self, ring: &'m [u8], y: usize) -> Newest<'m> {
        Newest {
            ring,
            len: self.len,
            at: self.range(y).start,
            left: self.count,
        }
    }
}

/// Rows of a ring, the first one after the last one.
#[derive(Clone, Debug)]
pub(crate) struct Newest<'m> {
    ring: &'m [u8],
    len: usize,
    at: usize,
    left: usize,
}

impl<'m> Iterator for Newest<'m> {
    type Item = &'m [u8];

    #[inline(always)]
    fn next(&mut self) -> Option<&'m [u8]> {
        self.left = self.left.checked_sub(1)?;
        let row = self.ring.get(self.at..self.at + self.len)?;
        self.at += self.len;
        if self.at >= self.ring.len() {
            self.at = 0;
        }
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::vec::Vec;

    #[test]
    fn a_ring_hands_out_its_newest_rows_in_order() {
        let mut bytes = [0; 6];
        let ring = Rows::ring(3, 2);
        for y in 0..8 {
            ring.row_mut(&mut bytes, y).unwrap().fill(y as u8);
        }
        let rows: Vec<u8> = ring.all(&bytes, 5).map(|row| row[0]).collect();
        assert_eq!(rows, [5, 6, 7]);
        assert_eq!(ring.row(&bytes, 6), Ok(&[6, 6][..]));
    }

    #[test]
    fn pieces_come_out_in_order_and_apart() {
        let mut bytes = *b"0123456789";
        let (below, mut above) = cut(&mut bytes, 2).unwrap();
        assert_eq!(below, b"01");
        assert_eq!(above.take(&(3..5)).unwrap(), b"34");
        assert_eq!(above.take(&(5..6)).unwrap(), b"5");
        assert_eq!(above.take(&(4..8)), Err(Refused));
    }
}
