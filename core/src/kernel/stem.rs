//! Input rows into the first slot: the stem's convolution, on raw input bytes.
//!
//! Input rows lie in a ring, padded left and right with the byte that stands for zero. The bytes under a filter are
//! gathered for each output pixel, a few pixels at once.

use super::tile::{Lines, Ready, Taps, Tile};
use crate::layout::{GROUP, TILE};
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
    let taps_len = stem.kernel_height * tap_len;
    let filling = Taps {
        bytes: &[0; GROUP],
        step: 0,
        count: T::PIXELS,
        len: conv.length - taps_len,
        at: taps_len,
        depth: conv.depth,
    };
    tile.gather(&filling, line);
    for x in (0..width).step_by(T::PIXELS) {
        let pixels = T::PIXELS.min(width - x);
        let mut slot = top % stem.kernel_height;
        for ky in 0..stem.kernel_height {
            let taps = Taps {
                bytes: &ring[slot * row_len..][x * step..row_len],
                step,
                count: pixels,
                len: tap_len,
                at: ky * tap_len,
                depth: conv.depth,
            };
            tile.gather(&taps, line);
            slot = if slot + 1 < stem.kernel_height {
                slot + 1
            } else {
                0
            };
        }
        let lines = Lines {
            values: line,
            pixels,
            borders: None,
        };
        tile.multiply(&lines, conv, &mut out[x * out_stride..], out_stride);
    }
}
