//! Input rows into the first slot: the stem's convolution, on raw input bytes.
//!
//! Input rows lie in a ring, padded left and right with the byte that stands for zero. A patch is gathered per
//! output pixel (its rows are contiguous there) and widened into the line buffer.

use super::tile::{Conv, Lines, Pixels, Tile};
use crate::layout::TILE;
use crate::shape::StemShape;

/// Bytes of line buffer that [`row`] needs: [`TILE`] patches of `i16` and [`TILE`] of bytes.
pub const fn line_len(filter_len: usize) -> usize {
    3 * TILE * filter_len
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
    conv: &Conv<'_>,
    scratch: (&mut [i16], &mut [u8]),
    out: &mut [u8],
    out_stride: usize,
) {
    let (line, patches) = scratch;
    let row_len = ring.len() / stem.kernel_height;
    let tap_len = stem.kernel_width * channels;
    let width = out.len().div_ceil(out_stride);
    patches.fill(0);
    for x in (0..width).step_by(TILE) {
        let count = TILE.min(width - x);
        for (p, patch) in patches.chunks_exact_mut(conv.length).enumerate().take(count) {
            let left = (x + p) * stem.stride_x * channels;
            for ky in 0..stem.kernel_height {
                let slot = (top + ky) % stem.kernel_height;
                let taps = &ring[slot * row_len + left..][..tap_len];
                patch[ky * tap_len..][..tap_len].copy_from_slice(taps);
            }
        }
        let pixels = Pixels {
            bytes: patches,
            pitch: conv.length,
            count,
            depth: conv.length,
        };
        tile.widen(&pixels, line);
        let lines = Lines {
            values: line,
            pixels: count,
            rows: 1,
            bias: [0; TILE],
        };
        tile.multiply(&lines, conv, &mut out[x * out_stride..], out_stride);
    }
}
