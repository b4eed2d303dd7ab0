//! A dense block's memory: name, place and shape.

use crate::shape::Shape;
use core::ops::Range;

/// A dense block's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    /// Its name: the number of the block, from 0.
    pub name: usize,
    /// First byte in the arena.
    pub offset: usize,
    /// Rows, columns, and the channels of the finished block.
    pub shape: Shape,
    /// Bytes per pixel: the channels rounded up to a multiple of 4.
    pub stride: usize,
}

impl Map {
    /// Bytes of a row.
    pub fn row_len(&self) -> usize {
        self.shape.width * self.stride
    }

    /// First byte after it in the arena.
    #[inline(never)]
    pub fn end(&self) -> usize {
        self.offset + self.shape.height * self.row_len()
    }

    /// Its bytes in the arena.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.end()
    }
}
