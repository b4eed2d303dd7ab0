//! A pair of rows of one block into a row of the next: clamp, add the pixels, 1x1 convolution.
//!
//! Pooling comes first: averaging and a 1x1 convolution commute, and this way the convolution runs at a quarter
//! of the pixels. The two block buffers overlap, so a tile is packed completely before it is written.

use super::tile::{Clamp, Lines, ONE_BIAS, Pixels, Ready, Tile};
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
    for (y, row) in rows.iter().enumerate() {
        for column in [2 * x, 2 * x + 1] {
            let pixels = Pixels {
                bytes: &row[column * source_stride..],
                pitch: 2 * source_stride,
                count: pixels,
                depth: clamp.mask.len(),
            };
            if y == 0 && column == 2 * x {
                tile.clamp_first(&pixels, clamp, line);
            } else {
                tile.clamp_add(&pixels, clamp, line);
            }
        }
    }
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
        rows: 1,
        bias: &ONE_BIAS,
    };
    tile.multiply(&lines, conv, out, out_stride);
}
