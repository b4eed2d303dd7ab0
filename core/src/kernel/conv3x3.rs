//! Ring rows into a slot: a dense layer's 3x3 convolution (1x3 in a map of one row).
//!
//! A window of ring pixels is widened into the line buffer once and serves every output: the taps of neighbouring pixels
//! overlap there, so nothing is gathered per pixel.

use super::arch::checked;
use super::tile::{Line, Lines, Prepared, Sources, Tile};
use crate::error::Refused;
use crate::layout::{BORDERS, TAPS, TILE, border};
use crate::shape::Shape;

/// An output row of a layer: what its kernel writes.
#[derive(Debug)]
pub struct Row<'r> {
    /// The block's map.
    pub map: Shape,
    /// Number of the row.
    pub y: usize,
    /// Its pixels, from the slot's first channel on.
    pub out: &'r mut [u8],
    /// Bytes from one pixel to the next.
    pub out_stride: usize,
}

/// Computes one output row from the ring rows above, at and below it ([`Shape::tap_rows`] of them, top first), each of the
/// map's width + 2 pixels of `conv.depth` bytes.
///
/// # Errors
/// [`Refused`] if slices and sizes do not belong together.
pub fn row<'r, T: Tile>(
    tile: T,
    rows: impl Iterator<Item = &'r [u8]>,
    row: Row<'_>,
    conv: &Prepared<'_, T>,
    line: Line<'_>,
) -> Result<(), Refused> {
    let Row {
        map,
        y,
        out,
        out_stride,
    } = row;
    let mut taps = [&[][..]; TAPS];
    for (tap, row) in taps.iter_mut().zip(rows) {
        *tap = row;
    }
    let has_borders = conv.bias.len() >= BORDERS * conv.outputs;
    for x in (0..map.width).step_by(T::PIXELS) {
        let pixels = T::PIXELS.min(map.width - x);
        let window = taps.map(|row| row.get(x * conv.depth..).unwrap_or(&[]));
        let window = Sources {
            rows: &window[..map.tap_rows()],
            pitch: conv.depth,
            count: pixels + TAPS - 1,
            depth: conv.depth,
        };
        checked::widen_window(tile, &window, line.words)?;
        let mut borders = [0; 2 * TILE];
        if has_borders {
            for (p, start) in borders.iter_mut().enumerate().take(pixels) {
                *start = border(map.height, map.width, y, x + p) * conv.outputs;
            }
        }
        let lines = Lines {
            words: line.words,
            scratch: line.scratch,
            pixels,
            borders: has_borders.then_some(&borders),
        };
        checked::multiply(tile, &lines, conv, &mut out[x * out_stride..], out_stride)?;
    }
    Ok(())
}
