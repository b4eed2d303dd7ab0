//! The contract of the inner loop: what an architecture may do its own way, and what it must compute.
//!
//! A network consists of two movements. The bytes of a few neighbouring pixels are packed into a *line buffer* (clamped,
//! added up or widened), and lines are multiplied with filters. The order of the values inside a row of the line
//! buffer belongs to the architecture: only its own code reads what it has packed.
//!
//! Row kernels call an architecture through [`checked`](super::arch::checked) alone, which checks every obligation.

use crate::arithmetic;
use crate::error::Refused;
use crate::layout::{GROUP, Order, TAPS, TILE};
use core::fmt;
use core::ops::Deref;

/// Above every length and stride of a network that the format can describe, and small enough that the product of a
/// pixel's number and a stride does not overflow.
const LENGTH_LIMIT: usize = 1 << 24;

/// Batch norm and ReLU before a convolution, as bytes per channel of the input's stride.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clamp<'b> {
    mask: &'b [u8],
    threshold: &'b [u8],
}

impl<'b> Clamp<'b> {
    /// No channels.
    pub const EMPTY: Self = Self {
        mask: &[],
        threshold: &[],
    };

    /// A clamp of masks, 0x00 or 0xff per channel, and thresholds, subtracted with saturation; `None` unless both have one length,
    /// a multiple of [`GROUP`], and start at words.
    pub fn new(mask: &'b [u8], threshold: &'b [u8]) -> Option<Self> {
        let is_whole = mask.len() == threshold.len()
            && mask.len().is_multiple_of(GROUP)
            && starts_at_word(mask)
            && starts_at_word(threshold);
        is_whole.then_some(Self { mask, threshold })
    }

    /// The masks.
    pub fn mask(&self) -> &'b [u8] {
        self.mask
    }

    /// The thresholds, as many.
    pub fn threshold(&self) -> &'b [u8] {
        self.threshold
    }

    /// Channels of the stride.
    pub fn len(&self) -> usize {
        self.mask.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.mask.is_empty()
    }
}

/// A quantised convolution without its weights, which arrive when it is [`Prepared`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv<'b> {
    /// One per output, or `[border][o]` in a layer without bottleneck.
    pub bias: &'b [i32],
    /// One per output, in [0, 2^31) for [0, 1/2).
    pub multiplier: &'b [i32],
    /// Order of the weights.
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
    fn is_whole(&self, weights: &[i8]) -> bool {
        let needed = self.order.weights_len(self.outputs, self.length);
        let row = self.taps().saturating_mul(self.depth);
        self.depth > 0
            && self.depth.is_multiple_of(GROUP)
            && (self.length == row || self.length == row.saturating_mul(TAPS))
            && needed.is_some_and(|needed| needed <= weights.len())
            && starts_at_word(weights)
            && self.outputs <= self.bias.len()
            && self.outputs <= self.multiplier.len()
            && self.depth < LENGTH_LIMIT
            && self.outputs < LENGTH_LIMIT
    }
}

/// Whether values start at a multiple of 4 bytes.
pub(crate) fn starts_at_word<V>(values: &[V]) -> bool {
    values.as_ptr().addr().is_multiple_of(4)
}

/// Neighbouring pixels to be packed side by side.
#[derive(Clone, Copy, Debug)]
pub struct Pixels<'a> {
    /// Column `c`'s values start at `c * pitch`.
    pub bytes: &'a [u8],
    /// Bytes from one column to the next, a multiple of [`GROUP`].
    pub pitch: usize,
    /// Columns that exist, at least 1. A row of the line buffer that has more columns repeats the last one.
    pub count: usize,
    /// Values of each, a multiple of [`GROUP`].
    pub depth: usize,
}

impl<'a> Pixels<'a> {
    /// The values of a column.
    pub fn column(&self, column: usize) -> &'a [u8] {
        &self.bytes[column.min(self.count - 1) * self.pitch..][..self.depth]
    }

    /// Whether every byte that is packed exists and starts at a word, and has a place in a line of `columns` columns with
    /// room for `values` values.
    pub(crate) fn fit(&self, columns: usize, values: usize) -> bool {
        let len = extent(self.count, self.pitch, self.depth, columns, values);
        len.is_some_and(|len| len <= self.bytes.len()) && starts_at_word(self.bytes)
    }
}

/// Bytes that columns take, if there are few enough of them and each has a place in a line with room for `values` values.
#[inline(always)]
fn extent(count: usize, pitch: usize, depth: usize, columns: usize, values: usize) -> Option<usize> {
    let last = count.wrapping_sub(1);
    let is_fit = last < columns
        && depth > 0
        && (depth | pitch).is_multiple_of(GROUP)
        && (depth | pitch) < LENGTH_LIMIT
        && columns * depth <= values;
    is_fit.then(|| last * pitch + depth)
}

/// Neighbouring pixels of several rows, alike in all but their bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// The pixels of each row: see [`Pixels::bytes`].
    pub rows: &'a [&'a [u8]],
    /// See [`Pixels::pitch`].
    pub pitch: usize,
    /// See [`Pixels::count`].
    pub count: usize,
    /// See [`Pixels::depth`].
    pub depth: usize,
}

impl<'a> Sources<'a> {
    /// The pixels of row `r`.
    pub fn row(&self, r: usize) -> Pixels<'a> {
        Pixels {
            bytes: self.rows[r],
            pitch: self.pitch,
            count: self.count,
            depth: self.depth,
        }
    }

    /// The pixels of every row.
    pub fn each(&self) -> impl Iterator<Item = Pixels<'a>> + use<'a> {
        let sources = *self;
        (0..self.rows.len()).map(move |r| sources.row(r))
    }

    /// Whether every row is [`Pixels::fit`].
    pub(crate) fn fit(&self, columns: usize, values: usize) -> bool {
        let len = extent(self.count, self.pitch, self.depth, columns, values);
        let has = |row: &&[u8]| len.is_some_and(|len| len <= row.len());
        let starts = self.rows.iter().fold(0, |bits, row| bits | row.as_ptr().addr());
        self.rows.iter().all(has) && starts.is_multiple_of(4)
    }
}

/// The range of the values of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// 0 to 255.
    Bytes,
    /// Up to four bytes added up: 0 to 1020.
    Sums,
}

/// A convolution with its weights, ready for one inner loop: what is computed and checked once for all of its tiles.
pub struct Prepared<'w, T: Tile> {
    conv: &'w Conv<'w>,
    weights: &'w [i8],
    content: Content,
    /// Rows of taps.
    rows: usize,
    /// Columns of a row of the line buffer.
    columns: usize,
    /// Words of line buffer that a tile reads.
    line_len: usize,
    /// What the inner loop computes from the weights.
    filters: T::Filters,
}

impl<'w, T: Tile> Prepared<'w, T> {
    /// Prepares `conv` with its weights for lines of `content`. The inner loop may keep a word per output in `scratch`; with
    /// less room it computes that word for every tile.
    ///
    /// # Errors
    /// [`Refused`] if weights, biases, multipliers and sizes do not belong together, or weights do not start at a word.
    #[inline(never)]
    pub fn new(
        tile: T,
        conv: &'w Conv<'w>,
        weights: &'w [i8],
        content: Content,
        scratch: &mut [i32],
    ) -> Result<Self, Refused> {
        Refused::unless(conv.is_whole(weights))?;
        let filters = tile.filters(conv, weights, content, scratch);
        Ok(Self::with(conv, weights, content, filters))
    }

    /// Prepares `conv` again with the filters that [`into_filters`](Self::into_filters) has returned, or without scratch.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn resume(
        tile: T,
        conv: &'w Conv<'w>,
        weights: &'w [i8],
        content: Content,
        filters: Option<T::Filters>,
    ) -> Result<Self, Refused> {
        match filters {
            Some(filters) => Ok(Self::with(conv, weights, content, filters)),
            None => Self::new(tile, conv, weights, content, &mut []),
        }
    }

    fn with(conv: &'w Conv<'w>, weights: &'w [i8], content: Content, filters: T::Filters) -> Self {
        Self {
            conv,
            weights,
            content,
            rows: conv.length / (conv.taps() * conv.depth),
            columns: pixels::<T>(content) + conv.taps() - 1,
            line_len: line_len::<T>(conv, content),
            filters,
        }
    }

    /// Returns what the inner loop has computed from the weights.
    pub fn into_filters(self) -> T::Filters {
        self.filters
    }

    /// The weights, as many as [`Order::weights_len`] says.
    pub fn weights(&self) -> &'w [i8] {
        self.weights
    }

    /// What the inner loop has computed from the weights.
    pub fn filters(&self) -> &T::Filters {
        &self.filters
    }

    /// The range of its lines' values.
    pub fn content(&self) -> Content {
        self.content
    }

    /// Rows of taps: 1 or [`TAPS`].
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of a row of the line buffer: the pixels of a tile and, with taps, their right neighbours.
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

/// Words of line buffer that a tile of `conv` takes.
pub fn line_len<T: Tile>(conv: &Conv<'_>, content: Content) -> usize {
    let rows = conv.length / (conv.taps() * conv.depth).max(1);
    let values = rows * (pixels::<T>(content) + conv.taps() - 1) * conv.depth;
    // A value takes two bytes; one, if a tile has twice the pixels.
    match content {
        Content::Bytes => (values * TILE / 2).div_ceil(T::PIXELS),
        Content::Sums => values / 2,
    }
}

impl<'w, T: Tile> Deref for Prepared<'w, T> {
    type Target = Conv<'w>;

    fn deref(&self) -> &Conv<'w> {
        self.conv
    }
}

impl<T: Tile> fmt::Debug for Prepared<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(T::NAME)
            .field("conv", self.conv)
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}

/// The line buffer of a row kernel, and the scratch of its convolution.
#[derive(Debug)]
pub struct Line<'l> {
    /// The line buffer.
    pub words: &'l mut [u32],
    /// What [`Prepared::new`] has left in the scratch that it was given.
    pub scratch: &'l [i32],
}

/// Up to [`Tile::PIXELS`] pixels' inputs to a convolution, in the line buffer, as rows of packed columns.
///
/// With one tap, pixel `p` is column `p` of the only row; with [`TAPS`], columns `p`, `p + 1` and `p + 2` of each row.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a> {
    /// The line buffer, row after row.
    pub words: &'a [u32],
    /// What [`Prepared::new`] has left in the scratch that it was given.
    pub scratch: &'a [i32],
    /// Pixels, 1 to [`Tile::PIXELS`].
    pub pixels: usize,
    /// In a layer without bottleneck, the first index of each pixel's biases in [`Conv::bias`]; 0 for pixels that do not
    /// exist.
    pub borders: Option<&'a [usize; 2 * TILE]>,
}

impl Lines<'_> {
    /// The first index of the biases of pixel `p`.
    pub fn border(&self, p: usize) -> usize {
        self.borders.map_or(0, |borders| borders[p])
    }

    /// Whether every value, bias and output that [`Tile::multiply`] touches exists.
    pub(crate) fn fit<T: Tile>(&self, conv: &Prepared<'_, T>, out: &[u8], out_stride: usize) -> bool {
        let last = self.pixels.wrapping_sub(1);
        last <= conv.columns - conv.taps()
            && conv.line_len <= self.words.len()
            && out_stride < LENGTH_LIMIT
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
    /// Their first position along the filter.
    pub at: usize,
    /// Values of a column.
    pub depth: usize,
}

impl Taps<'_> {
    /// Whether every byte exists and has a place in a line of `columns` columns with room for `values` values.
    pub(crate) fn fit(&self, columns: usize, values: usize) -> bool {
        let last = self.count.wrapping_sub(1);
        last < columns
            && (self.depth | self.step) < LENGTH_LIMIT
            && self.len <= self.depth
            && self.at <= self.depth - self.len
            && last * self.step + self.len <= self.bytes.len()
            && columns * self.depth <= values
    }

    /// Calls `put(i, values)` for each position `i` along the filter, with the values of [`TILE`] pixels there; the last pixel
    /// also stands for those that do not exist.
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
/// A packing method writes a row of the line buffer: [`PIXELS`](Self::PIXELS) columns or, in a window, [`TAPS`] - 1 more;
/// columns without a pixel hold anything. Call them through [`checked`](super::arch::checked).
#[allow(unsafe_code, reason = "an architecture relies on what `checked` has checked")]
pub trait Tile: Copy {
    /// Name for people.
    const NAME: &'static str;
    /// The order of weights that this inner loop is made for.
    const ORDER: Order;
    /// Pixels of a tile: [`TILE`], or twice as many if a value of [`Content::Bytes`] takes one byte of the line.
    const PIXELS: usize = TILE;

    /// What [`Prepared`] keeps of a convolution's weights.
    type Filters: Send + Sync + 'static;

    /// Computes it for a convolution that is whole. What is left in `scratch`, of any length, comes back with every
    /// [`Lines`].
    fn filters(self, conv: &Conv<'_>, weights: &[i8], content: Content, scratch: &mut [i32])
    -> Self::Filters;

    /// `line = taps`, in their positions along the filter.
    ///
    /// # Safety
    /// * Every byte of `taps` exists, and has a place in `line`, which has [`PIXELS`](Self::PIXELS) columns.
    unsafe fn gather(self, taps: &Taps<'_>, line: &mut [u32]);

    /// `line = window`: one row of the line buffer for each row.
    ///
    /// # Safety
    /// * There are one or [`TAPS`] rows, with at least [`TAPS`] pixels.
    /// * Every byte of each exists, and starts at a word.
    /// * `line` has a place for [`PIXELS`](Self::PIXELS) + [`TAPS`] - 1 columns of each row.
    unsafe fn widen_window(self, window: &Sources<'_>, line: &mut [u32]);

    /// `line = clamp(pixels)`.
    ///
    /// # Safety
    /// * Every byte of `pixels` exists, and starts at a word.
    /// * `clamp` has the pixels' depth.
    /// * `line` has a place for [`PIXELS`](Self::PIXELS) columns.
    unsafe fn clamp(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [u32]);

    /// `line = the sum of clamp(pixels)` over `sources`: [`TILE`] columns of [`Content::Sums`].
    ///
    /// # Safety
    /// * There are 2 or 4 sources.
    /// * Every byte of each exists, and starts at a word.
    /// * `clamp` has the sources' depth.
    /// * `line` has a place for [`TILE`] columns of `i16`.
    unsafe fn pool(self, sources: &Sources<'_>, clamp: Clamp<'_>, line: &mut [u32]);

    /// `out = clamp(source)`, as bytes.
    ///
    /// # Safety
    /// * `source` and `out` have one length, a multiple of [`GROUP`] and not 0, and start at words.
    /// * `clamp` has at least as many channels.
    unsafe fn clamp_bytes(self, source: &[u8], clamp: Clamp<'_>, out: &mut [u8]) {
        for ((out, &u), (&m, &t)) in out
            .iter_mut()
            .zip(source)
            .zip(clamp.mask.iter().zip(clamp.threshold))
        {
            *out = arithmetic::clamp(u, m, t);
        }
    }

    /// `sums += clamp(source)`.
    ///
    /// # Safety
    /// * `source` and `sums` have one length, a multiple of [`GROUP`] and not 0; bytes start at words.
    /// * `clamp` has at least as many channels.
    unsafe fn clamp_sum(self, source: &[u8], clamp: Clamp<'_>, sums: &mut [i32]) {
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
    /// # Safety
    /// * `lines` have 1 to as many pixels as a tile of this content, and every value of them.
    /// * Every pixel's first bias leaves a bias for each output after it.
    /// * `out` has a byte for every pixel and output.
    unsafe fn multiply(self, lines: &Lines<'_>, conv: &Prepared<'_, Self>, out: &mut [u8], out_stride: usize);
}

/// Something to run with the architecture that is chosen: generic over it, compiled once for each.
pub trait Job {
    /// What comes out.
    type Output;
    /// Runs with `tile`.
    fn run<T: Tile>(self, tile: T) -> Self::Output;
}
