//! Input rows into the first slot: the stem's convolution, on raw input bytes.
//!
//! Input rows lie in a ring, padded left and right with the byte that stands for zero. The bytes under a filter are
//! gathered for each output pixel, a few pixels at once.

use super::tile::{Lines, ONE_BIAS, Ready, Tile};
use crate::layout::TILE;
use crate::shape::StemShape;

/// Bytes of line buffer that [`row`] needs: what lies under the filter, as `i16`, for [`TILE`] pixels.
pub const fn line_len(filter_len: usize) -> usize {
    2 * TILE * filter_len
}

/// Writes an input row of whole pixels into a ring row, with the padding pixels around it.
pub fn pad_row(stem: &StemShape, padding: &[u8], row: &[u8], ring_row: &mut [u8]) {
    let channels = padding.len();
    let (left, rest) = ring_row.split_at_mut(stem.pad_left * channels);
    let (middle, right) = rest.split_at_mut(row.len());
    middle.copy_from_slice(row);
    for pixel in left
        .chunks_exact_mut(channels)
        .chain(right.chunks_exact_mut(channels))
    {
        pixel.copy_from_slice(padding);
    }
}

/// Fills a ring row with padding: a row above or below the picture.
pub fn pad_whole_row(padding: &[u8], ring_row: &mut [u8]) {
    for pixel in ring_row.chunks_exact_mut(padding.len()) {
        pixel.copy_from_slice(padding);
    }
}

/// Computes one output row from the ring, whose row `y` (padding above counts) lies at `y mod kernel_height`; the
/// output's taps start at ring row `top`.
#[expect(clippy::too_many_arguments, reason = "one call, and each names itself")]
pub fn row<T: Tile>(
    tile: T,
    stem: &StemShape,
    channels: usize,
    ring: &[u8],
    top: usize,
    conv: &Ready<'_, T>,
    line: &mut [i16],
    out: &mut [u8],
    out_stride: usize,
) {
    let row_len = ring.len() / stem.kernel_height;
    let tap_len = stem.kernel_width * channels;
    let step = stem.stride_x * channels;
    let width = out.len().div_ceil(out_stride);
    for k in stem.kernel_height * tap_len..conv.length {
        tile.put(line, conv.depth, k, [0; TILE]);
    }
    for x in (0..width).step_by(TILE) {
        let pixels = TILE.min(width - x);
        let mut k = 0;
        let mut slot = top % stem.kernel_height;
        for _ in 0..stem.kernel_height {
            let taps = &ring[slot * row_len + x * step..];
            let column = |p: usize| &taps[p.min(pixels - 1) * step..][..tap_len];
            // One byte of each pixel at a time: a pixel's few bytes are too short for a copy.
            let columns = column(0)
                .iter()
                .zip(column(1))
                .zip(column(2).iter().zip(column(3)));
            for ((&a, &b), (&c, &d)) in columns {
                tile.put(line, conv.depth, k, [a, b, c, d]);
                k += 1;
            }
            slot = if slot + 1 < stem.kernel_height {
                slot + 1
            } else {
                0
            };
        }
        let lines = Lines {
            values: line,
            pixels,
            rows: 1,
            bias: &ONE_BIAS,
        };
        tile.multiply(&lines, conv, &mut out[x * out_stride..], out_stride);
    }
}
