//! What a packing method reads: clamps, pixels, the taps of the stem.

use crate::layout::{GROUP, TILE};

/// Above every length and stride of a network that the format can describe, and small enough that the product of a
/// pixel's number and a stride does not overflow.
pub(super) const LENGTH_LIMIT: usize = 1 << 24;

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

/// The bytes under a row of the stem's filter, for each pixel of a tile.
#[derive(Clone, Copy, Debug)]
pub struct Taps<'a> {
    /// Pixel `p`'s bytes start at `p * step`.
    pub bytes: &'a [u8],
    /// Bytes from one pixel's to the next.
    pub step: usize,
    /// Pixels, 1 to `Tile::PIXELS`.
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
