//! The contract of the inner loop: what an architecture may do its own way, and what it must compute.
//!
//! A network consists of two movements. The bytes of a few neighbouring pixels are packed into a *line buffer* (clamped,
//! added up or widened), and lines are multiplied with filters. The order of the values inside a row of the line
//! buffer belongs to the architecture: only its own code reads what it has packed.
//!
//! Row kernels call an architecture through [`checked`](super::arch::checked) alone, which checks every obligation.

pub use super::conv::{Content, Conv};
use super::source::LENGTH_LIMIT;
pub use super::source::{Clamp, Pixels, Sources, Taps};
use crate::arithmetic;
use crate::error::Refused;
use crate::layout::{Order, TILE};
use core::fmt;
use core::ops::Deref;

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

    /// Rows of taps: 1 or `TAPS`.
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
/// With one tap, pixel `p` is column `p` of the only row; with `TAPS`, columns `p`, `p + 1` and `p + 2` of each row.
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

/// One architecture's inner loops.
///
/// A packing method writes a row of the line buffer: [`PIXELS`](Self::PIXELS) columns or, in a window, `TAPS` - 1 more;
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
    /// * There are one or `TAPS` rows, with at least `TAPS` pixels.
    /// * Every byte of each exists, and starts at a word.
    /// * `line` has a place for [`PIXELS`](Self::PIXELS) + `TAPS` - 1 columns of each row.
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
    /// * `source` and `out` have one length, a multiple of `GROUP` and not 0, and start at words.
    /// * `clamp` has at least as many channels.
    unsafe fn clamp_bytes(self, source: &[u8], clamp: Clamp<'_>, out: &mut [u8]) {
        for ((out, &u), (&m, &t)) in out
            .iter_mut()
            .zip(source)
            .zip(clamp.mask().iter().zip(clamp.threshold()))
        {
            *out = arithmetic::clamp(u, m, t);
        }
    }

    /// `sums += clamp(source)`.
    ///
    /// # Safety
    /// * `source` and `sums` have one length, a multiple of `GROUP` and not 0; bytes start at words.
    /// * `clamp` has at least as many channels.
    unsafe fn clamp_sum(self, source: &[u8], clamp: Clamp<'_>, sums: &mut [i32]) {
        for ((sum, &u), (&m, &t)) in sums
            .iter_mut()
            .zip(source)
            .zip(clamp.mask().iter().zip(clamp.threshold()))
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
