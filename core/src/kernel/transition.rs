//! A pair of rows of one block into a row of the next: clamp, add the pixels, 1x1 convolution.
//!
//! Pooling comes first: averaging and a 1x1 convolution commute, and in this order the convolution runs at a quarter of the
//! pixels. The two blocks' maps overlap, so a tile is packed completely before it is written.

use super::arch::checked;
use super::tile::{Clamp, Sources, Tile};
use crate::error::Refused;

/// Neighbouring output pixels of a transition, [`TILE`](crate::layout::TILE) at most.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// The first one.
    pub x: usize,
    /// How many.
    pub count: usize,
}

/// The rows that one output row averages.
#[derive(Clone, Copy, Debug)]
pub struct Source<'r> {
    /// One row, or two.
    pub rows: &'r [&'r [u8]],
    /// Bytes from one pixel to the next.
    pub stride: usize,
    /// Applied to each pixel.
    pub clamp: Clamp<'r>,
}

/// Packs output pixels: adds up the clamped bytes of two columns of every row.
///
/// # Errors
/// [`Refused`] if slices and sizes do not belong together.
pub fn pack<T: Tile>(tile: T, source: Source<'_>, columns: Columns, line: &mut [u32]) -> Result<(), Refused> {
    let Source { rows, stride, clamp } = source;
    let mut bytes = [&[][..]; 4];
    for (both, row) in bytes.chunks_exact_mut(2).zip(rows) {
        both[0] = &row[2 * columns.x * stride..];
        both[1] = &row[(2 * columns.x + 1) * stride..];
    }
    let sources = Sources {
        rows: &bytes[..2 * rows.len()],
        pitch: 2 * stride,
        count: columns.count,
        depth: clamp.len(),
    };
    checked::pool(tile, &sources, clamp, line)
}
