//! A row of block buffer into a row of ring: the bottleneck's 1x1 convolution, or, in a plain layer, just the clamp.
//!
//! A ring row is `[x][channel]` with one pixel of padding, all zero, at either end.

use super::tile::{Clamp, Lines, Pixels, Ready, Tile};
use crate::layout::{TILE, stride};

/// Bytes of line buffer that [`row`] needs: [`TILE`] packed pixels of `i16`.
pub const fn line_len(inputs: usize) -> usize {
    2 * TILE * stride(inputs)
}

/// Clamps a row of pixels, `source_stride` bytes each, multiplies it and writes a ring row of `out_stride` bytes a pixel.
pub fn row<T: Tile>(
    tile: T,
    source: &[u8],
    source_stride: usize,
    clamp: Clamp<'_>,
    conv: &Ready<'_, T>,
    line: &mut [i16],
    ring_row: &mut [u8],
) {
    let out_stride = stride(conv.outputs);
    clear_ends(ring_row, out_stride);
    let width = source.len() / source_stride;
    for x in (0..width).step_by(T::PIXELS) {
        let pixels = Pixels {
            bytes: &source[x * source_stride..],
            pitch: source_stride,
            count: T::PIXELS.min(width - x),
            depth: conv.depth,
        };
        tile.clamp(&pixels, clamp, line);
        let lines = Lines {
            values: line,
            pixels: pixels.count,
            borders: None,
        };
        tile.multiply(&lines, conv, &mut ring_row[(x + 1) * out_stride..], out_stride);
    }
}

/// Clamps a row of pixels into a ring row: what a layer without bottleneck has in front of its 3x3.
pub fn clamp_row<T: Tile>(
    tile: T,
    source: &[u8],
    source_stride: usize,
    clamp: Clamp<'_>,
    ring_row: &mut [u8],
) {
    let out_stride = clamp.mask.len();
    clear_ends(ring_row, out_stride);
    for (x, pixel) in source.chunks_exact(source_stride).enumerate() {
        let out = &mut ring_row[(x + 1) * out_stride..][..out_stride];
        tile.clamp_bytes(&pixel[..out_stride], clamp, out);
    }
}

fn clear_ends(ring_row: &mut [u8], stride: usize) {
    let last = ring_row.len() - stride;
    ring_row[..stride].fill(0);
    ring_row[last..].fill(0);
}
