//! The contract of the inner loop: what an architecture may do its own way, and what it must give.
//!
//! Everything a network computes is one of two movements: a few neighbouring pixels' bytes are packed into a *line
//! buffer* as `i16` (clamped, added up or just widened), and lines are multiplied with filters. How values lie inside a
//! row of the line buffer is the architecture's own business; it alone reads what it has written.

use super::arch::cast;
use crate::arithmetic;
use crate::layout::{GROUP, Order, TAPS, TILE, stride};
use core::fmt;
use core::ops::Deref;

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

impl Conv<'_> {
    /// Columns of a filter: [`TAPS`] or 1.
    pub fn taps(&self) -> usize {
        if self.depth < self.length { TAPS } else { 1 }
    }

    /// Whether every output has its weights, biases and multiplier, and a filter is one row of taps or [`TAPS`].
    fn is_whole(&self) -> bool {
        let weights = self.order.weights_len(self.outputs, self.length);
        let row = self.taps().saturating_mul(self.depth);
        self.depth > 0
            && self.depth.is_multiple_of(GROUP)
            && (self.length == row || self.length == row.saturating_mul(TAPS))
            && weights.is_some_and(|weights| weights <= self.weights.len())
            && self.outputs <= self.bias.len()
            && self.outputs <= self.multiplier.len()
            // Below this, sums of a few products cannot pass `usize`.
            && self.depth < MUCH
            && self.outputs < MUCH
    }
}

/// Neighbouring pixels to be packed side by side.
#[derive(Clone, Copy, Debug)]
pub struct Pixels<'a> {
    /// Column `c`'s values start at `c * pitch`.
    pub bytes: &'a [u8],
    /// Bytes from one column to the next, a multiple of [`GROUP`].
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
        self.fit_values(columns, line.len())
    }

    /// The same where the line has room for `values` values.
    pub fn fit_values(&self, columns: usize, values: usize) -> bool {
        let last = self.count.wrapping_sub(1);
        last < columns
            && self.depth > 0
            && self.depth.is_multiple_of(GROUP)
            && self.pitch.is_multiple_of(GROUP)
            // Below this, none of the sums can pass `usize`.
            && self.depth < MUCH
            && self.pitch < MUCH
            && last * self.pitch + self.depth <= self.bytes.len()
            && columns * self.depth <= values
    }
}

/// How far the values of a line reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// 0 to 255.
    Bytes,
    /// Up to four bytes added up: 0 to 1020.
    Sums,
}

/// A convolution made ready for one inner loop: what is worth working out, and checking, once for all of its tiles.
pub struct Ready<'b, T: Tile> {
    conv: &'b Conv<'b>,
    content: Content,
    /// Rows of taps.
    rows: usize,
    /// Columns of a row of the line buffer.
    columns: usize,
    /// `i16`s of line buffer that a tile reads; out of reach where the convolution's parts do not belong together, so that no
    /// lines fit.
    line_len: usize,
    /// What the inner loop made of it.
    filters: T::Filters<'b>,
}

impl<'b, T: Tile> Ready<'b, T> {
    /// Makes `conv` ready for lines of `content`. The inner loop may keep something in `notes`: best if there is one for
    /// every output.
    #[inline(never)]
    pub fn new(tile: T, conv: &'b Conv<'b>, content: Content, notes: &'b mut [i32]) -> Self {
        let is_whole = conv.is_whole();
        Self {
            conv,
            content,
            rows: conv.length.checked_div(conv.taps() * conv.depth).unwrap_or(0),
            columns: pixels::<T>(content) + conv.taps() - 1,
            line_len: if is_whole {
                line_len::<T>(conv, content)
            } else {
                usize::MAX
            },
            filters: tile.filters(conv, content, if is_whole { notes } else { &mut [] }),
        }
    }

    /// What the inner loop made of it.
    pub fn filters(&self) -> &T::Filters<'b> {
        &self.filters
    }

    /// What its lines hold.
    pub fn content(&self) -> Content {
        self.content
    }

    /// Rows of taps: 1 or [`TAPS`].
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of a row of the line buffer: the pixels of a tile, and what is to the right of them where there are taps.
    pub fn columns(&self) -> usize {
        self.columns
    }
}

/// Pixels of a tile.
fn pixels<T: Tile>(content: Content) -> usize {
    match content {
        Content::Bytes => T::PIXELS,
        Content::Sums => TILE,
    }
}

/// `i16`s of line buffer that a tile of `conv` takes.
pub fn line_len<T: Tile>(conv: &Conv<'_>, content: Content) -> usize {
    let rows = conv.length / (conv.taps() * conv.depth).max(1);
    let values = rows * (pixels::<T>(content) + conv.taps() - 1) * conv.depth;
    // Where a tile has twice the pixels, a value is half an `i16`.
    match content {
        Content::Bytes => (values * TILE).div_ceil(T::PIXELS),
        Content::Sums => values,
    }
}

/// The line buffer of a layer's two convolutions, and what each may keep its notes in: what is left of the buffer where an
/// inner loop's values are bytes.
pub fn with_notes<'l, T: Tile>(
    line: &'l mut [i16],
    first: Option<&Conv<'_>>,
    second: &Conv<'_>,
) -> (&'l mut [i16], [&'l mut [i32]; 2]) {
    if T::PIXELS == TILE {
        return (line, [&mut [], &mut []]);
    }
    let lens = [first, Some(second)].map(|conv| conv.map_or(0, |conv| line_len::<T>(conv, Content::Bytes)));
    let len = lens[0].max(lens[1]).next_multiple_of(2).min(line.len());
    let (line, notes) = line.split_at_mut(len);
    let notes = cast::as_i32s_of(notes);
    let len = first.map_or(0, |conv| stride(conv.outputs)).min(notes.len());
    (line, notes.split_at_mut(len).into())
}

impl<'b, T: Tile> Deref for Ready<'b, T> {
    type Target = Conv<'b>;

    fn deref(&self) -> &Conv<'b> {
        self.conv
    }
}

impl<T: Tile> fmt::Debug for Ready<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(T::NAME)
            .field("conv", self.conv)
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}

/// Up to [`Tile::PIXELS`] pixels' inputs to a convolution, in the line buffer, as rows of packed columns.
///
/// With one tap, pixel `p` is column `p` of the only row; with [`TAPS`], columns `p`, `p + 1` and `p + 2` of each row.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a> {
    /// The line buffer, row after row.
    pub values: &'a [i16],
    /// Pixels, 1 to [`Tile::PIXELS`].
    pub pixels: usize,
    /// In a plain layer, where each pixel's biases start in [`Conv::bias`]; 0 for pixels that are not there.
    pub borders: Option<&'a [usize; 2 * TILE]>,
}

impl Lines<'_> {
    /// Where the biases of pixel `p` start.
    pub fn border(&self, p: usize) -> usize {
        self.borders.map_or(0, |borders| borders[p])
    }

    /// Whether every value and bias that [`Tile::multiply`] touches is there: the one check at the entry, which
    /// architectures rely on.
    pub fn fit<T: Tile>(&self, conv: &Ready<'_, T>, out: &[u8], out_stride: usize) -> bool {
        let last = self.pixels.wrapping_sub(1);
        last <= conv.columns - conv.taps()
            // So it is whole.
            && conv.line_len <= self.values.len()
            && out_stride < MUCH
            && last * out_stride + conv.outputs <= out.len()
            && self.borders.is_none_or(|borders| {
                let last = conv.bias.len() - conv.outputs;
                borders.iter().take(T::PIXELS).all(|&border| border <= last)
            })
    }
}

/// The bytes under a row of the stem's filter, for each pixel of a tile.
#[derive(Clone, Copy, Debug)]
pub struct Taps<'a> {
    /// Pixel `p`'s bytes start at `p * step`.
    pub bytes: &'a [u8],
    /// Bytes from one pixel's to the next.
    pub step: usize,
    /// Pixels, 1 to [`Tile::PIXELS`].
    pub count: usize,
    /// Bytes of each.
    pub len: usize,
    /// Where they lie along the filter.
    pub at: usize,
    /// Values of a column.
    pub depth: usize,
}

impl Taps<'_> {
    /// Whether every byte is there, and its place where a line has room for `values` values of `columns` columns.
    pub fn fit(&self, columns: usize, values: usize) -> bool {
        let last = self.count.wrapping_sub(1);
        last < columns
            && self.depth < MUCH
            && self.step < MUCH
            && self.len <= self.depth
            && self.at <= self.depth - self.len
            && last * self.step + self.len <= self.bytes.len()
            && columns * self.depth <= values
    }

    /// Calls `put(i, values)` for each place `i` along the filter, with the values of up to [`TILE`] pixels there; where there
    /// are fewer, the last one takes the others' places.
    #[inline(always)]
    pub fn for_each(&self, mut put: impl FnMut(usize, [u8; TILE])) {
        let last = self.count.wrapping_sub(1).min(TILE - 1);
        let column = |p: usize| self.bytes.get(p.min(last) * self.step..).unwrap_or(&[]);
        let left = column(0).iter().zip(column(1));
        let right = column(2).iter().zip(column(3));
        // One byte of each pixel at a time: a pixel's few bytes are too short for a copy.
        for (i, ((&a, &b), (&c, &d))) in left.zip(right).take(self.len).enumerate() {
            put(self.at + i, [a, b, c, d]);
        }
    }
}

/// One architecture's inner loops.
///
/// A packing method writes the columns of a row of the line buffer, [`PIXELS`](Self::PIXELS) of them or, in a window,
/// [`TAPS`] - 1 more (those without a pixel anyhow), and does nothing where [`Pixels::fit`] is false. The rows of a
/// window, one or [`TAPS`], differ in their bytes only. A clamp has the pixels' depth. Bytes, clamps and lines start at
/// whole words; where they do not, an architecture may do nothing.
pub trait Tile: Copy {
    /// Name for people.
    const NAME: &'static str;
    /// The order of weights this inner loop was made for.
    const ORDER: Order;
    /// Pixels of a tile: [`TILE`], or twice as many where a value of [`Content::Bytes`] takes one byte of the line.
    const PIXELS: usize = TILE;

    /// What [`Ready`] keeps of a convolution.
    type Filters<'b>;

    /// Makes it. There may be fewer `notes` than outputs.
    fn filters<'b>(self, conv: &'b Conv<'b>, content: Content, notes: &'b mut [i32]) -> Self::Filters<'b>;

    /// `line = taps`, in their places along the filter. Does nothing where there is no room for them.
    fn gather(self, taps: &Taps<'_>, line: &mut [i16]);

    /// `line = rows`, a window: one row of the line buffer for each.
    fn widen_window(self, rows: &[Pixels<'_>], line: &mut [i16]);

    /// `line = clamp(pixels)`.
    fn clamp(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [i16]);

    /// `line = the sum of clamp(pixels)` over `sources`, 2 or 4, that differ in their bytes only: [`TILE`] columns of
    /// [`Content::Sums`].
    fn pool(self, sources: &[Pixels<'_>], clamp: Clamp<'_>, line: &mut [i16]);

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

    /// `sums += clamp(source)`; all have one length, a multiple of [`GROUP`].
    fn clamp_sum(self, source: &[u8], clamp: Clamp<'_>, sums: &mut [i32]) {
        for ((sum, &u), (&m, &t)) in sums
            .iter_mut()
            .zip(source)
            .zip(clamp.mask.iter().zip(clamp.threshold))
        {
            *sum = sum.wrapping_add(i32::from(arithmetic::clamp(u, m, t)));
        }
    }

    /// `out[p * out_stride + o] = requantise(bias + filter o . pixel p)` for every pixel and output.
    ///
    /// Does nothing where [`Lines::fit`] is false.
    fn multiply(self, lines: &Lines<'_>, conv: &Ready<'_, Self>, out: &mut [u8], out_stride: usize);
}

/// Something to run with whichever architecture is chosen: generic over it, compiled once for each.
pub trait Job {
    /// What comes out.
    type Output;
    /// Runs with `tile`.
    fn run<T: Tile>(self, tile: T) -> Self::Output;
}
