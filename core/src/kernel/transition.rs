//! A pair of rows of one block into a row of the next: clamp, add the pixels, 1x1 convolution.
//!
//! Pooling comes first: averaging and a 1x1 convolution commute, and this way the convolution runs at a quarter
//! of the pixels. The two block buffers overlap, so a tile is packed completely before it is written.

use super::tile::{Clamp, Conv, Lines, Tile};
use crate::layout::{TILE, stride};

/// Bytes of line buffer that a transition needs: [`TILE`] packed pixels of `i16`.
pub const fn line_len(width: usize, inputs: usize) -> usize {
    let pixels = if width < TILE { width } else { TILE };
    2 * pixels * stride(inputs)
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
    let length = clamp.mask.len();
    for p in 0..pixels {
        let sums = &mut line[p * length..][..length];
        let mut is_first = true;
        for row in rows {
            for column in [2 * (x + p), 2 * (x + p) + 1] {
                let pixel = &row[column * source_stride..][..length];
                if is_first {
                    tile.clamp(pixel, clamp, sums);
                } else {
                    tile.clamp_add(pixel, clamp, sums);
                }
                is_first = false;
            }
        }
    }
}

/// Multiplies the packed pixels and writes them, `out_stride` bytes apart.
pub fn multiply<T: Tile>(
    tile: T,
    line: &[i16],
    pixels: usize,
    conv: &Conv<'_>,
    out: &mut [u8],
    out_stride: usize,
) {
    let lines = Lines {
        values: line,
        pixels,
        pixel_pitch: conv.length,
        runs: 1,
        run_len: conv.length,
        run_pitch: 0,
        bias: [0; TILE],
    };
    tile.multiply(&lines, conv, out, out_stride);
}
