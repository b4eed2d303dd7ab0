//! The contract of the inner loop: what an architecture may do its own way, and what it must give.
//!
//! Everything a network computes is one of two movements: a few neighbouring pixels' bytes are packed into a *line
//! buffer* as `i16` (clamped, added up or just widened), and lines are multiplied with filters. How values lie inside a
//! row of the line buffer is the architecture's own business; it alone reads what it has written.

use crate::arithmetic;
use crate::layout::{GROUP, Order, TAPS, TILE, WINDOW};

/// More than any number of values that a network of the format can have, and little enough to be multiplied by a few.
const MUCH: usize = 1 << 24;

/// Batch norm and ReLU in front of a convolution, as bytes per channel of the input's stride.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clamp<'b> {
    /// 0x00 or 0xff per channel.
    pub mask: &'b [u8],
    /// Subtracted with saturation per channel.
    pub threshold: &'b [u8],
}

/// A quantised convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv<'b> {
    /// Filters in `order`, `length` values each.
    pub weights: &'b [i8],
    /// One per output, or `[border][o]` in a plain layer.
    pub bias: &'b [i32],
    /// One per output, in [0, 2^31) for [0, 1/2).
    pub multiplier: &'b [i32],
    /// How the filters lie.
    pub order: Order,
    /// Number of outputs.
    pub outputs: usize,
    /// Values of one filter: rows * taps * `depth`.
    pub length: usize,
    /// Values of one tap, a multiple of [`GROUP`].
    pub depth: usize,
}

/// Neighbouring pixels to be packed side by side.
#[derive(Clone, Copy, Debug)]
pub struct Pixels<'a> {
    /// Column `c`'s values start at `c * pitch`.
    pub bytes: &'a [u8],
    /// Bytes from one column to the next.
    pub pitch: usize,
    /// Columns there are, at least 1. Those that a row of the line buffer has beyond them repeat the last one.
    pub count: usize,
    /// Values of each, a multiple of [`GROUP`].
    pub depth: usize,
}

impl<'a> Pixels<'a> {
    /// The values of a column.
    pub fn column(&self, column: usize) -> &'a [u8] {
        &self.bytes[column.min(self.count - 1) * self.pitch..][..self.depth]
    }

    /// Whether every byte that is packed is there, and its place in `line`: the one check at the entry, which
    /// architectures rely on.
    pub fn fit(&self, columns: usize, line: &[i16]) -> bool {
        let last = self.count.wrapping_sub(1);
        last < columns
            && self.depth > 0
            && self.depth.is_multiple_of(GROUP)
            // Below this, none of the sums can pass `usize`.
            && self.depth < MUCH
            && self.pitch < MUCH
            && last * self.pitch + self.depth <= self.bytes.len()
            && columns * self.depth <= line.len()
    }
}

/// Up to [`TILE`] pixels' inputs to a convolution, in the line buffer, as rows of packed columns.
///
/// With one tap, pixel `p` is column `p` of the only row, of [`TILE`]; with [`TAPS`](crate::layout::TAPS), columns `p`,
/// `p + 1` and `p + 2` of each row, of [`WINDOW`].
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a> {
    /// The line buffer, row after row.
    pub values: &'a [i16],
    /// Pixels, 1 to [`TILE`].
    pub pixels: usize,
    /// Rows of taps.
    pub rows: usize,
    /// Where each pixel's biases start in [`Conv::bias`]; 0 for pixels that are not there, and all 0 but in a plain
    /// layer.
    pub bias: [usize; TILE],
}

impl Lines<'_> {
    /// Columns of a row: [`TILE`] or [`WINDOW`].
    pub fn columns(&self, conv: &Conv<'_>) -> usize {
        if conv.depth < conv.length { WINDOW } else { TILE }
    }

    /// Whether every value and bias that [`Tile::multiply`] touches is there: the one check at the entry, which
    /// architectures rely on.
    pub fn fit(&self, conv: &Conv<'_>, out: &[u8], out_stride: usize) -> bool {
        let last = self.pixels.wrapping_sub(1);
        let columns = self.columns(conv);
        let [a, b, c, d] = self.bias;
        let weights = conv.order.filters(conv.outputs).checked_mul(conv.length);
        last < TILE
            && (1..=TAPS).contains(&self.rows)
            && conv.depth > 0
            && conv.depth.is_multiple_of(GROUP)
            // Below this, none of the sums can pass `usize`.
            && conv.depth < MUCH
            && conv.outputs < MUCH
            && out_stride < MUCH
            && self.rows * (columns - TILE + 1) * conv.depth == conv.length
            && self.rows * columns * conv.depth <= self.values.len()
            && weights.is_some_and(|weights| weights <= conv.weights.len())
            && conv.outputs <= conv.multiplier.len()
            && conv.outputs <= conv.bias.len()
            && a.max(b).max(c).max(d) <= conv.bias.len() - conv.outputs
            && last * out_stride + conv.outputs <= out.len()
    }
}

/// One architecture's inner loops.
///
/// A packing method writes every column of its row, [`TILE`] of them or [`WINDOW`], and does nothing where
/// [`Pixels::fit`] is false. A clamp has the pixels' depth.
pub trait Tile: Copy {
    /// Name for people.
    const NAME: &'static str;
    /// The order of weights this inner loop was made for.
    const ORDER: Order;

    /// Value `i` of `depth`, of every one of [`TILE`] columns. Does nothing where there is no room for it.
    fn put(self, line: &mut [i16], depth: usize, i: usize, values: [u8; TILE]);

    /// `line = pixels`, [`WINDOW`] columns.
    fn widen_window(self, pixels: &Pixels<'_>, line: &mut [i16]);

    /// `line = clamp(pixels)`, [`TILE`] columns.
    fn clamp(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [i16]);

    /// `line += clamp(pixels)`, [`TILE`] columns.
    fn clamp_add(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [i16]);

    /// `out = clamp(source)`, as bytes; all have one length, a multiple of [`GROUP`].
    fn clamp_bytes(self, source: &[u8], clamp: Clamp<'_>, out: &mut [u8]) {
        for ((out, &u), (&m, &t)) in out
            .iter_mut()
            .zip(source)
            .zip(clamp.mask.iter().zip(clamp.threshold))
        {
            *out = arithmetic::clamp(u, m, t);
        }
    }

    /// `out[p * out_stride + o] = requantise(bias + filter o . pixel p)` for every pixel and output.
    ///
    /// Does nothing where [`Lines::fit`] is false.
    fn multiply(self, lines: &Lines<'_>, conv: &Conv<'_>, out: &mut [u8], out_stride: usize);
}

/// Something to run with whichever architecture is chosen: generic over it, compiled once for each.
pub trait Job {
    /// What comes out.
    type Output;
    /// Runs with `tile`.
    fn run<T: Tile>(self, tile: T) -> Self::Output;
}
