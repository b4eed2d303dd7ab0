//! A pair of rows of one block into a row of the next: clamp, add the pixels, 1x1 convolution.
//!
//! Pooling comes first: averaging and a 1x1 convolution commute, and this way the convolution runs at a quarter
//! of the pixels. The two block buffers overlap, so a tile is packed completely before it is written.

use super::tile::{Clamp, Lines, Pixels, Ready, Tile};
use crate::layout::{TILE, stride};

/// Bytes of line buffer that a transition needs: [`TILE`] packed pixels of `i16`.
pub const fn line_len(inputs: usize) -> usize {
    2 * TILE * stride(inputs)
}

/// Packs output pixels `x..x + pixels`: adds up the clamped bytes of two columns of every row in `rows`.
pub fn pack<T: Tile>(
    tile: T,
    rows: &[&[u8]],
    source_stride: usize,
    clamp: Clamp<'_>,
    x: usize,
    pixels: usize,
    line: &mut [i16],
) {
    let mut sources = [Pixels {
        bytes: &[],
        pitch: 2 * source_stride,
        count: pixels,
        depth: clamp.mask.len(),
    }; 4];
    let sources = &mut sources[..2 * rows.len()];
    for (both, row) in sources.chunks_exact_mut(2).zip(rows) {
        both[0].bytes = &row[2 * x * source_stride..];
        both[1].bytes = &row[(2 * x + 1) * source_stride..];
    }
    tile.pool(sources, clamp, line);
}

/// Multiplies the packed pixels and writes them, `out_stride` bytes apart.
pub fn multiply<T: Tile>(
    tile: T,
    line: &[i16],
    pixels: usize,
    conv: &Ready<'_, T>,
    out: &mut [u8],
    out_stride: usize,
) {
    let lines = Lines {
        values: line,
        pixels,
        borders: None,
    };
    tile.multiply(&lines, conv, out, out_stride);
}
