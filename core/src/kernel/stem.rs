//! Input rows into the first slot: the stem's convolution, on raw input bytes.
//!
//! Input rows are padded left and right with the byte that stands for zero. The bytes under a filter are gathered for each
//! output pixel, a few pixels at once.

use super::arch::checked;
use super::tile::{Line, Lines, Prepared, Taps, Tile};
use crate::error::Refused;
use crate::layout::GROUP;
use crate::shape::StemShape;

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

/// Fills a ring row with padding: a row above or below the image.
pub fn pad_whole_row(padding: &[u8], ring_row: &mut [u8]) {
    for pixel in ring_row.chunks_exact_mut(padding.len()) {
        pixel.copy_from_slice(padding);
    }
}

/// An output row of the stem: what its kernel reads and writes.
#[derive(Debug)]
pub struct Row<'r> {
    /// Bytes of one tap row: the filter's width times the input's channels.
    pub tap_len: usize,
    /// Bytes from one output pixel's taps to the next's.
    pub step: usize,
    /// The output pixels, [`out_stride`](Self::out_stride) bytes apart.
    pub out: &'r mut [u8],
    /// Bytes from one output pixel to the next.
    pub out_stride: usize,
}

/// Computes one output row from the padded input rows under the filter, top first: as many as the filter has.
///
/// # Errors
/// [`Refused`] if slices and sizes do not belong together.
pub fn row<'r, T: Tile>(
    tile: T,
    rows: impl Iterator<Item = &'r [u8]> + Clone,
    row: Row<'_>,
    conv: &Prepared<'_, T>,
    line: Line<'_>,
) -> Result<(), Refused> {
    let Row {
        tap_len,
        step,
        out,
        out_stride,
    } = row;
    let width = out.len().div_ceil(out_stride);
    let taps_len = rows.clone().count() * tap_len;
    let filling = Taps {
        bytes: &[0; GROUP],
        step: 0,
        count: T::PIXELS,
        len: conv.length.saturating_sub(taps_len),
        at: taps_len,
        depth: conv.depth,
    };
    checked::gather(tile, &filling, line.words)?;
    for x in (0..width).step_by(T::PIXELS) {
        let pixels = T::PIXELS.min(width - x);
        for (ky, row) in rows.clone().enumerate() {
            let taps = Taps {
                bytes: row.get(x * step..).unwrap_or(&[]),
                step,
                count: pixels,
                len: tap_len,
                at: ky * tap_len,
                depth: conv.depth,
            };
            checked::gather(tile, &taps, line.words)?;
        }
        let lines = Lines {
            words: line.words,
            scratch: line.scratch,
            pixels,
            borders: None,
        };
        checked::multiply(tile, &lines, conv, &mut out[x * out_stride..], out_stride)?;
    }
    Ok(())
}
