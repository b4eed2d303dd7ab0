//! Plain loops for cores without vectors: RISC-V, a host that has nothing better; packing for small Cortex-M too.
//!
//! Packing works on words of four channels, with no branch that a value could take. Multiplying keeps two outputs of four
//! pixels in registers: 3.5 instructions per MAC on RISC-V, where one output of one pixel at a time took 21; four outputs
//! take 5, for the compiler spills. A row of the line buffer is `[i / 4][i % 2][column][i / 2 % 2]`: the two words that
//! masking every other byte gives, side by side for all columns.

use super::opaque::opaque;
use super::{cast, reference};
use crate::arithmetic;
use crate::kernel::tile::{Clamp, Content, Conv, Lines, Pixels, Prepared, Sources, Taps, Tile};
use crate::layout::{GROUP, Order, TAPS, TILE, WINDOW};

/// The portable inner loop.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

/// Every other byte of a word.
const EVEN: u32 = 0x00ff_00ff;

impl Tile for Portable {
    const NAME: &'static str = "portable";
    const ORDER: Order = Order::Pairs;

    type Filters = ();

    fn filters(self, _: &Conv<'_>, _: &[i8], _: Content, _: &mut [i32]) {}

    unsafe fn gather(self, taps: &Taps<'_>, line: &mut [u32]) {
        let line = cast::as_i16s_mut(line);
        taps.for_each(|i, values| {
            let at = place(TILE, 0, i);
            if let Some(places) = line.get_mut(at..at + 2 * TILE - 1) {
                for (column, value) in values.into_iter().enumerate() {
                    places[2 * column] = i16::from(value);
                }
            }
        });
    }

    unsafe fn widen_window(self, window: &Sources<'_>, line: &mut [u32]) {
        let mut columns = line;
        for pixels in window.each() {
            let (row, rest) = columns.split_at_mut(WINDOW * pixels.depth / 2);
            pack(&pixels, WINDOW, row, |_, word| word, |_| 0);
            columns = rest;
        }
    }

    unsafe fn clamp(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [u32]) {
        let bounds = Bounds::of(clamp);
        pack(pixels, TILE, line, |g, word| bounds.clamp(g, word), |_| 0);
    }

    unsafe fn pool(self, sources: &Sources<'_>, clamp: Clamp<'_>, line: &mut [u32]) {
        let bounds = Bounds::of(clamp);
        line.fill(0);
        for pixels in sources.each() {
            pack(&pixels, TILE, line, |g, word| bounds.clamp(g, word), |sum| sum);
        }
    }

    unsafe fn clamp_bytes(self, source: &[u8], clamp: Clamp<'_>, out: &mut [u8]) {
        let bounds = Bounds::of(clamp);
        let words = cast::as_words_mut(out).iter_mut().zip(cast::as_words(source));
        for (g, (out, &word)) in words.enumerate() {
            *out = bounds.clamp(g, word);
        }
    }

    unsafe fn clamp_sum(self, source: &[u8], clamp: Clamp<'_>, sums: &mut [i32]) {
        let bounds = Bounds::of(clamp);
        let (groups, _) = sums.as_chunks_mut::<GROUP>();
        for (g, ([a, b, c, d], &word)) in groups.iter_mut().zip(cast::as_words(source)).enumerate() {
            let word = bounds.clamp(g, word);
            *a = a.wrapping_add((word & 0xff).cast_signed());
            *b = b.wrapping_add((word >> 8 & 0xff).cast_signed());
            *c = c.wrapping_add((word >> 16 & 0xff).cast_signed());
            *d = d.wrapping_add((word >> 24).cast_signed());
        }
    }

    unsafe fn multiply(
        self,
        lines: &Lines<'_>,
        conv: &Prepared<'_, Self>,
        out: &mut [u8],
        out_stride: usize,
    ) {
        let columns = conv.columns();
        if conv.order != Order::Pairs {
            reference::multiply_from(lines, conv, out, out_stride, |column, i| {
                place(columns, column, i)
            });
            return;
        }
        let values = &cast::as_i16s(lines.words)[..conv.rows() * columns * conv.depth];
        for o in (0..conv.outputs).step_by(2) {
            let filters = &conv.weights()[o * conv.length..][..2 * conv.length];
            let [near, far] = if columns == WINDOW {
                window_sums(filters, values)
            } else {
                pixel_sums(filters, values)
            };
            write(near, lines, (conv, o), out, out_stride);
            if o + 1 < conv.outputs {
                write(far, lines, (conv, o + 1), out, out_stride);
            }
        }
    }
}

/// Adds biases to the sums of output `o`, requantises them and writes those of pixels that are there.
#[inline(never)]
fn write(sums: Sums, lines: &Lines<'_>, (conv, o): (&Conv<'_>, usize), out: &mut [u8], out_stride: usize) {
    let multiplier = conv.multiplier[o];
    let biases = &conv.bias[o..];
    let out = &mut out[o..];
    let mut at = 0;
    let mut pixel = |p: usize, sum: i32| {
        let acc = sum.wrapping_add(biases[lines.border(p)]);
        out[at] = saturate(arithmetic::scale(acc, multiplier));
        at += out_stride;
    };
    pixel(0, sums.a);
    if lines.pixels > 1 {
        pixel(1, sums.b);
    }
    if lines.pixels > 2 {
        pixel(2, sums.c);
    }
    if lines.pixels > 3 {
        pixel(3, sums.d);
    }
}

/// The nearest byte, without a branch that a value could take.
#[inline(always)]
fn saturate(u: i32) -> u8 {
    let positive = u & !opaque(u >> 31);
    let over = opaque((255 - positive) >> 31);
    (positive | over) as u8
}

/// Sums of two outputs, each of four pixels.
#[derive(Clone, Copy, Default)]
struct Sums {
    a: i32,
    b: i32,
    c: i32,
    d: i32,
}

/// One input of four pixels, times an output's weight. Loops over arrays would stay loops over memory if the compiler
/// is asked for small code.
macro_rules! add {
    ($sums:ident, $weight:expr, $a:ident, $b:ident, $c:ident, $d:ident) => {
        let weight = i32::from($weight);
        $sums.a = $sums.a.wrapping_add(weight * i32::from($a));
        $sums.b = $sums.b.wrapping_add(weight * i32::from($b));
        $sums.c = $sums.c.wrapping_add(weight * i32::from($c));
        $sums.d = $sums.d.wrapping_add(weight * i32::from($d));
    };
}

/// Two filters times the columns of a row.
#[inline(never)]
fn pixel_sums(filters: &[i8], values: &[i16]) -> [Sums; 2] {
    let (mut near, mut far) = (Sums::default(), Sums::default());
    let (words, _) = filters.as_chunks::<4>();
    let (columns, _) = values.as_chunks::<{ 2 * TILE }>();
    for (&[w0, v0, w1, v1], &[a0, a1, b0, b1, c0, c1, d0, d1]) in words.iter().zip(columns) {
        add!(near, w0, a0, b0, c0, d0);
        add!(far, v0, a0, b0, c0, d0);
        add!(near, w1, a1, b1, c1, d1);
        add!(far, v1, a1, b1, c1, d1);
    }
    [near, far]
}

/// Two filters times the windows of rows.
#[inline(never)]
fn window_sums(filters: &[i8], values: &[i16]) -> [Sums; 2] {
    let (mut near, mut far) = (Sums::default(), Sums::default());
    let (words, _) = filters.as_chunks::<{ 4 * TAPS }>();
    let (windows, _) = values.as_chunks::<{ 2 * WINDOW }>();
    for (words, window) in words.iter().zip(windows) {
        // Written out, the taps would need more registers than there are.
        for (&[w0, v0, w1, v1], columns) in words
            .as_chunks::<4>()
            .0
            .iter()
            .zip(window.as_chunks::<2>().0.windows(TILE))
        {
            if let &[[a0, a1], [b0, b1], [c0, c1], [d0, d1]] = columns {
                add!(near, w0, a0, b0, c0, d0);
                add!(far, v0, a0, b0, c0, d0);
                add!(near, w1, a1, b1, c1, d1);
                add!(far, v1, a1, b1, c1, d1);
            }
        }
    }
    [near, far]
}

/// Where value `i` of a column lies in a row of the line buffer.
pub(super) const fn place(columns: usize, column: usize, i: usize) -> usize {
    (i / GROUP * 2 + i % 2) * 2 * columns + 2 * column + i / 2 % 2
}

/// Packs every column: group `g` of its bytes, a word, becomes `bytes(g, word)`, widened and added to `before` of what is
/// there.
#[inline(always)]
fn pack(
    pixels: &Pixels<'_>,
    columns: usize,
    line: &mut [u32],
    bytes: impl Fn(usize, u32) -> u32,
    before: impl Fn(u32) -> u32,
) {
    let words = cast::as_words(pixels.bytes);
    let groups = pixels.depth / GROUP;
    for column in 0..columns {
        let start = column.min(pixels.count - 1) * (pixels.pitch / GROUP);
        let mut at = column;
        for (g, &word) in words[start..start + groups].iter().enumerate() {
            let word = bytes(g, word);
            // No carry: four bytes' sum has ten bits.
            line[at] = before(line[at]).wrapping_add(word & EVEN);
            at += columns;
            line[at] = before(line[at]).wrapping_add(word >> 8 & EVEN);
            at += columns;
        }
    }
}

/// A clamp, a word for every group of channels.
#[derive(Clone, Copy)]
struct Bounds<'b> {
    masks: &'b [u32],
    thresholds: &'b [u32],
}

impl<'b> Bounds<'b> {
    fn of(clamp: Clamp<'b>) -> Self {
        Self {
            masks: cast::as_words(clamp.mask()),
            thresholds: cast::as_words(clamp.threshold()),
        }
    }

    /// [`arithmetic::clamp`] of the four channels of group `g` at once.
    #[inline(always)]
    fn clamp(&self, g: usize, word: u32) -> u32 {
        arithmetic::saturating_sub_bytes(word ^ self.masks[g], self.thresholds[g])
    }
}
