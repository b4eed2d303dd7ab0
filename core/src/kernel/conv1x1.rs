//! A row of a block's map into a row of a ring: the bottleneck's 1x1 convolution or, in a layer without one, the clamp alone.
//!
//! A ring row is `[x][channel]` with one pixel of padding, all zero, at either end.

use super::arch::checked;
use super::tile::{Clamp, Line, Lines, Pixels, Prepared, Tile};
use crate::error::Refused;
use crate::layout::stride;

/// A row of pixels to be clamped.
#[derive(Clone, Copy, Debug)]
pub struct Source<'r> {
    /// The pixels.
    pub bytes: &'r [u8],
    /// Bytes of each.
    pub stride: usize,
    /// Applied to each.
    pub clamp: Clamp<'r>,
}

/// Clamps a row of pixels, multiplies it and writes a ring row.
///
/// # Errors
/// [`Refused`] if slices and sizes do not belong together.
pub fn row<T: Tile>(
    tile: T,
    source: Source<'_>,
    conv: &Prepared<'_, T>,
    line: Line<'_>,
    ring_row: &mut [u8],
) -> Result<(), Refused> {
    let out_stride = stride(conv.outputs);
    clear_ends(ring_row, out_stride);
    let width = source.bytes.len() / source.stride;
    for x in (0..width).step_by(T::PIXELS) {
        let pixels = Pixels {
            bytes: &source.bytes[x * source.stride..],
            pitch: source.stride,
            count: T::PIXELS.min(width - x),
            depth: conv.depth,
        };
        checked::clamp(tile, &pixels, source.clamp, line.words)?;
        let lines = Lines {
            words: line.words,
            scratch: line.scratch,
            pixels: pixels.count,
            borders: None,
        };
        checked::multiply(
            tile,
            &lines,
            conv,
            &mut ring_row[(x + 1) * out_stride..],
            out_stride,
        )?;
    }
    Ok(())
}

/// Clamps a row of pixels into a ring row, for the 3x3 convolution of a layer without bottleneck.
///
/// # Errors
/// [`Refused`] if slices and sizes do not belong together.
pub fn clamp_row<T: Tile>(tile: T, source: Source<'_>, ring_row: &mut [u8]) -> Result<(), Refused> {
    let out_stride = source.clamp.len();
    clear_ends(ring_row, out_stride);
    for (x, pixel) in source.bytes.chunks_exact(source.stride).enumerate() {
        let out = &mut ring_row[(x + 1) * out_stride..][..out_stride];
        checked::clamp_bytes(tile, &pixel[..out_stride], source.clamp, out)?;
    }
    Ok(())
}

fn clear_ends(ring_row: &mut [u8], stride: usize) {
    let last = ring_row.len() - stride;
    ring_row[..stride].fill(0);
    ring_row[last..].fill(0);
}
