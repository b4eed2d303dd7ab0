//! Ring rows into a slot: a dense layer's 3x3 convolution (1x3 where the map has one row).
//!
//! A window of [`WINDOW`] ring pixels is widened into the line buffer once and serves every output: the taps
//! of neighbouring pixels overlap there, so nothing is gathered per pixel.

use super::tile::{Lines, Pixels, Ready, Tile};
use crate::layout::{BORDERS, TAPS, TILE, WINDOW, border};

/// Bytes of line buffer that [`row`] needs: a window of `i16`, `[ky][x][channel]`.
pub const fn line_len(tap_rows: usize, ring_stride: usize) -> usize {
    2 * tap_rows * WINDOW * ring_stride
}

/// The rows a layer's convolution reads and where it is in its map.
#[derive(Clone, Copy, Debug)]
pub struct Ring<'a> {
    /// `tap_rows` rows of `width + 2` pixels of `stride` bytes; row `y` lies at `y mod tap_rows`.
    pub bytes: &'a [u8],
    /// Rows the convolution spans: 3, or 1.
    pub tap_rows: usize,
    /// Bytes per pixel.
    pub stride: usize,
    /// Rows of the map.
    pub height: usize,
    /// Columns of the map.
    pub width: usize,
}

/// Computes output row `y` into `out`, whose pixels are `out_stride` bytes apart and which starts at the slot's first
/// channel.
pub fn row<T: Tile>(
    tile: T,
    ring: &Ring<'_>,
    y: usize,
    conv: &Ready<'_, T>,
    line: &mut [i16],
    out: &mut [u8],
    out_stride: usize,
) {
    let stride = ring.stride;
    let row_len = (ring.width + TAPS - 1) * stride;
    let has_borders = conv.bias.len() >= BORDERS * conv.outputs;
    // Row y - 1, kept non-negative; with one row of taps, row y itself.
    let top = (y + ring.tap_rows - ring.tap_rows / 2) % ring.tap_rows;
    for x in (0..ring.width).step_by(T::PIXELS) {
        let pixels = T::PIXELS.min(ring.width - x);
        let mut slot = top;
        let mut rows = [Pixels {
            bytes: &[],
            pitch: stride,
            count: pixels + TAPS - 1,
            depth: stride,
        }; TAPS];
        let rows = &mut rows[..ring.tap_rows];
        for row in &mut *rows {
            row.bytes = &ring.bytes[slot * row_len + x * stride..];
            slot = if slot + 1 < ring.tap_rows { slot + 1 } else { 0 };
        }
        tile.widen_window(rows, line);
        let mut borders = [0; 2 * TILE];
        if has_borders {
            for (p, start) in borders.iter_mut().enumerate().take(pixels) {
                *start = border(ring.height, ring.width, y, x + p) * conv.outputs;
            }
        }
        let lines = Lines {
            values: line,
            pixels,
            borders: has_borders.then_some(&borders),
        };
        tile.multiply(&lines, conv, &mut out[x * out_stride..], out_stride);
    }
}
