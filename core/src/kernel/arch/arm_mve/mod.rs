//! Cortex-M55 and M85 with Helium (MVE): sixteen 8-bit multiplications at once (VMLADAVA), four outputs by two pixels.
//!
//! The inner loops are assembly: they need all eight even registers as sums, and stable Rust has no intrinsics for MVE.
//! Plain loops, which the compiler does vectorise for these cores, have room for two by two.
//!
//! A line of bytes keeps each value less 128, because VMLADAVA multiplies signed bytes with signed bytes; a filter's
//! bias makes up for it with 128 times the sum of the weights, which is worked out once for all tiles. A line is
//! `[column][row][i]`, so that all a pixel needs lies in one piece.

use super::cast;
use crate::arithmetic;
use crate::kernel::tile::{Clamp, Content, Conv, Lines, Pixels, Ready, Tile};
use crate::layout::{GROUP, Order, TAPS, TILE};
use core::arch::global_asm;

global_asm!(
    concat!(".cpu ", env!("DENSELET_CPU")),
    include_str!("multiply.s"),
    include_str!("pack.s"),
    options(raw)
);

/// The inner loop for Helium.
#[derive(Clone, Copy, Debug)]
pub struct Mve;

/// Outputs computed at once.
const QUAD: usize = 4;
/// Weights of a vector.
const VECTOR: usize = 16;
/// Outputs whose biases are kept; those of any more are worked out for every tile.
const KEPT: usize = 64;

/// One call of a multiplying function. The assembly knows this layout.
#[repr(C)]
struct Work {
    weights: *const i8,
    /// The first pixel's values, less what its first vector is filled up with.
    line: *const u8,
    /// Bytes from a pixel's values to the next pixel's.
    pitch: usize,
    /// Bytes from the end of a pixel's values to the start of the next but one pixel's.
    advance: usize,
    /// Vectors of a filter.
    vectors: usize,
    /// Lanes of the first vector that are values, a bit for each byte; where it is halved, of its second half above.
    lanes: u32,
    bias: *const i32,
    multiplier: *const i32,
    out: *mut u8,
    out_stride: usize,
    pairs: usize,
    quads: usize,
}

unsafe extern "C" {
    // Each multiplies pairs of pixels with quads of filters, at least one of both, and writes four bytes per pixel and
    // quad. Obligations:
    // * `weights` holds that many filters of that many vectors, at least one, in the order of quads;
    // * behind `line` and what its first vector is filled up with there are values for every pixel;
    // * `bias` and `multiplier`, aligned, have a value for every filter;
    // * four bytes per quad may be written at `out` for each pixel.
    fn denselet_multiply_bytes(work: &Work);
    fn denselet_multiply_sums(work: &Work);

    // Writes the sum of each filter's weights, times 128. Obligations: `weights` holds `quads` times four filters of
    // `vectors` vectors, `sums` has a place for each; neither is none.
    fn denselet_filter_sums(weights: *const i8, quads: usize, vectors: usize, lanes: u32, sums: *mut i32);

    // Each packs `columns` columns of `depth` bytes, neither none. Obligations: that many bytes may be read from each
    // column, `pitch` bytes apart, and in the clamp; the line has a place for them.
    fn denselet_mve_clamp(
        source: *const u8,
        mask: *const u8,
        threshold: *const u8,
        line: *mut u8,
        depth: usize,
        pitch: usize,
        columns: usize,
    );
    fn denselet_mve_clamp_first(
        source: *const u8,
        mask: *const u8,
        threshold: *const u8,
        line: *mut i16,
        depth: usize,
        pitch: usize,
        columns: usize,
    );
    fn denselet_mve_clamp_add(
        source: *const u8,
        mask: *const u8,
        threshold: *const u8,
        line: *mut i16,
        depth: usize,
        pitch: usize,
        columns: usize,
    );

    // Clamps `len` bytes, at least one. Obligations: there are as many behind each pointer.
    fn denselet_mve_clamp_bytes(
        source: *const u8,
        mask: *const u8,
        threshold: *const u8,
        out: *mut u8,
        len: usize,
    );

    // Packs `columns` columns of `depth` bytes of three rows, neither none. Obligations: `columns * depth` bytes may be
    // read from each row, and the line has a place for all of them.
    fn denselet_mve_window(
        top: *const u8,
        middle: *const u8,
        bottom: *const u8,
        line: *mut u8,
        depth: usize,
        columns: usize,
    );

    // Packs `len` bytes, at least one. Obligations: there are as many behind each pointer.
    fn denselet_mve_copy(source: *const u8, line: *mut u8, len: usize);
}

/// Biases as the inner loop wants them, of the first outputs: of the first kind of border, with what makes up for 128.
#[derive(Debug)]
pub struct Filters([i32; KEPT]);

impl Tile for Mve {
    const NAME: &'static str = "arm-mve";
    const ORDER: Order = Order::Quads;
    const PIXELS: usize = 2 * TILE;

    type Filters<'b> = Filters;

    #[inline(never)]
    fn filters<'b>(self, conv: &'b Conv<'b>, content: Content) -> Filters {
        let mut biases = [0; KEPT];
        if conv.order == Order::Quads {
            biases_from(conv, content, 0, 0, &mut biases);
        }
        Filters(biases)
    }

    fn put(self, line: &mut [i16], depth: usize, i: usize, values: [u8; TILE]) {
        let line = cast::as_bytes_mut(line);
        for (column, value) in values.into_iter().enumerate() {
            if let Some(place) = line.get_mut(column * depth + i) {
                *place = value ^ 0x80;
            }
        }
    }

    fn widen_window(self, rows: &[Pixels<'_>], line: &mut [i16]) {
        let line = cast::as_bytes_mut(line);
        let columns = (Self::PIXELS + TAPS - 1) * rows.len();
        let Some(first) = rows.first() else {
            return;
        };
        let len = first.count * first.depth;
        let fit = |pixels: &Pixels<'_>| {
            pixels.pitch == pixels.depth
                && pixels.depth == first.depth
                && pixels.count == first.count
                && pixels.fit_values(columns, line.len())
        };
        if !rows.iter().all(fit) {
            return;
        }
        match rows {
            [top, middle, bottom] => {
                // SAFETY: all three fit, with the same number of columns and bytes, which lie side by side; the line
                // has a place for three times as many.
                unsafe {
                    denselet_mve_window(
                        top.bytes.as_ptr(),
                        middle.bytes.as_ptr(),
                        bottom.bytes.as_ptr(),
                        line.as_mut_ptr(),
                        first.depth,
                        first.count,
                    );
                }
            }
            // SAFETY: the row fits, its columns lie side by side, and so does the line have a place for them.
            _ => unsafe { denselet_mve_copy(first.bytes.as_ptr(), line.as_mut_ptr(), len) },
        }
    }

    fn clamp(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [i16]) {
        let line = cast::as_bytes_mut(line);
        if !pixels.fit_values(Self::PIXELS, line.len()) || !clamp_fits(pixels, clamp) {
            return;
        }
        // SAFETY: `fit_values` says that the columns and their places are there, `clamp_fits` that the clamp is.
        unsafe {
            denselet_mve_clamp(
                pixels.bytes.as_ptr(),
                clamp.mask.as_ptr(),
                clamp.threshold.as_ptr(),
                line.as_mut_ptr(),
                pixels.depth,
                pixels.pitch,
                pixels.count,
            );
        }
    }

    fn clamp_first(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [i16]) {
        if !pixels.fit(TILE, line) || !clamp_fits(pixels, clamp) {
            return;
        }
        // SAFETY: `fit` says that the columns and their places are there, `clamp_fits` that the clamp is.
        unsafe {
            denselet_mve_clamp_first(
                pixels.bytes.as_ptr(),
                clamp.mask.as_ptr(),
                clamp.threshold.as_ptr(),
                line.as_mut_ptr(),
                pixels.depth,
                pixels.pitch,
                pixels.count,
            );
        }
    }

    fn clamp_add(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [i16]) {
        if !pixels.fit(TILE, line) || !clamp_fits(pixels, clamp) {
            return;
        }
        // SAFETY: as in `clamp_first`.
        unsafe {
            denselet_mve_clamp_add(
                pixels.bytes.as_ptr(),
                clamp.mask.as_ptr(),
                clamp.threshold.as_ptr(),
                line.as_mut_ptr(),
                pixels.depth,
                pixels.pitch,
                pixels.count,
            );
        }
    }

    fn clamp_bytes(self, source: &[u8], clamp: Clamp<'_>, out: &mut [u8]) {
        let len = source
            .len()
            .min(clamp.mask.len())
            .min(clamp.threshold.len())
            .min(out.len());
        if len == 0 {
            return;
        }
        // SAFETY: `len` is the shortest of all.
        unsafe {
            denselet_mve_clamp_bytes(
                source.as_ptr(),
                clamp.mask.as_ptr(),
                clamp.threshold.as_ptr(),
                out.as_mut_ptr(),
                len,
            );
        }
    }

    fn multiply(self, lines: &Lines<'_>, conv: &Ready<'_, Self>, out: &mut [u8], out_stride: usize) {
        if !lines.fit(conv, out, out_stride) {
            return;
        }
        if conv.order != Order::Quads {
            multiply_slowly(lines, conv, out, out_stride);
            return;
        }
        let mut first = 0;
        while first < lines.pixels {
            // Neighbours with the same biases.
            let bias = lines.bias[first];
            let rest = &lines.bias[first..lines.pixels];
            let count = rest.iter().take_while(|&&start| start == bias).count();
            if count == 0 {
                return;
            }
            let run = Run { first, count };
            for o in (0..conv.outputs).step_by(KEPT) {
                let outputs = KEPT.min(conv.outputs - o);
                if bias == 0 && o == 0 {
                    multiply_run(lines, conv, run, (0, outputs), &conv.filters().0, out, out_stride);
                } else {
                    let mut biases = [0; KEPT];
                    biases_from(conv, conv.content(), bias, o, &mut biases);
                    multiply_run(lines, conv, run, (o, outputs), &biases, out, out_stride);
                }
            }
            first += count;
        }
    }
}

/// Pixels of a tile with the same biases.
#[derive(Clone, Copy)]
struct Run {
    first: usize,
    count: usize,
}

fn clamp_fits(pixels: &Pixels<'_>, clamp: Clamp<'_>) -> bool {
    pixels.depth <= clamp.mask.len() && pixels.depth <= clamp.threshold.len()
}

/// Zeros that fill a filter up, in front.
fn filling(conv: &Conv<'_>) -> usize {
    conv.length.next_multiple_of(VECTOR) - conv.length
}

/// The predicate of a filter's first vector of values of `value_len` bytes.
fn lanes(conv: &Conv<'_>, value_len: usize) -> u32 {
    let bits = VECTOR * value_len;
    (u32::MAX >> (32 - bits)) & (u32::MAX << (filling(conv) * value_len))
}

/// Biases of outputs from `o` on, `KEPT` of them at most, out of those that start at `start`.
fn biases_from(conv: &Conv<'_>, content: Content, start: usize, o: usize, biases: &mut [i32; KEPT]) {
    let count = KEPT.min(conv.outputs - o);
    let vectors = conv.length.div_ceil(VECTOR);
    let quads = count.div_ceil(QUAD);
    let weights = conv.weights.get(o * vectors * VECTOR..).unwrap_or(&[]);
    let bias = conv.bias.get(start + o..).unwrap_or(&[]);
    if content == Content::Bytes {
        if quads == 0 || vectors == 0 || weights.len() < quads * QUAD * vectors * VECTOR {
            return;
        }
        // SAFETY: there are that many filters, as was just checked, and `KEPT`, a multiple of four, places.
        unsafe {
            denselet_filter_sums(
                weights.as_ptr(),
                quads,
                vectors,
                lanes(conv, 1),
                biases.as_mut_ptr(),
            );
        }
    }
    for (sum, bias) in biases.iter_mut().zip(bias).take(count) {
        *sum = sum.wrapping_add(*bias);
    }
}

/// Multiplies a run of pixels with filters `o..o + outputs`, `o` a multiple of four, whose biases are `biases`.
fn multiply_run(
    lines: &Lines<'_>,
    conv: &Ready<'_, Mve>,
    run: Run,
    (o, outputs): (usize, usize),
    biases: &[i32; KEPT],
    out: &mut [u8],
    out_stride: usize,
) {
    let whole = outputs / QUAD * QUAD;
    let at = run.first * out_stride + o;
    let part = Part {
        lines,
        conv,
        first: run.first,
        count: run.count,
    };
    if whole > 0 {
        part.multiply(
            o,
            biases,
            &conv.multiplier[o..][..whole],
            &mut out[at..],
            out_stride,
        );
    }
    let rest = outputs - whole;
    if rest > 0 {
        // The last outputs have filters to be a quad with, but neither multipliers nor room.
        let mut quad_biases = [0; QUAD];
        quad_biases[..rest].copy_from_slice(&biases[whole..][..rest]);
        let mut multipliers = [0; QUAD];
        multipliers[..rest].copy_from_slice(&conv.multiplier[o + whole..][..rest]);
        let mut quads = [0; 2 * TILE * QUAD];
        part.multiply(o + whole, &quad_biases, &multipliers, &mut quads, QUAD);
        for (p, quad) in quads.chunks_exact(QUAD).enumerate().take(run.count) {
            out[at + whole + p * out_stride..][..rest].copy_from_slice(&quad[..rest]);
        }
    }
}

/// Neighbouring pixels of lines that fit.
struct Part<'l, 'b> {
    lines: &'l Lines<'l>,
    conv: &'l Ready<'b, Mve>,
    first: usize,
    count: usize,
}

impl Part<'_, '_> {
    /// Multiplies with the quads of filters from `o` on that `multipliers` are for.
    fn multiply(&self, o: usize, biases: &[i32], multipliers: &[i32], out: &mut [u8], out_stride: usize) {
        let conv = self.conv;
        let (run, value_len): (unsafe extern "C" fn(&Work), usize) = match conv.content() {
            Content::Bytes => (denselet_multiply_bytes, 1),
            Content::Sums => (denselet_multiply_sums, 2),
        };
        let length = conv.length * value_len;
        let pitch = self.lines.rows * conv.depth * value_len;
        let filling = filling(conv) * value_len;
        let line = cast::as_bytes(self.lines.values).as_ptr();
        let start = |pixel: usize| line.wrapping_add(pixel * pitch).wrapping_sub(filling);
        let vectors = conv.length.div_ceil(VECTOR);
        let mut work = Work {
            weights: conv.weights[o * vectors * VECTOR..].as_ptr(),
            line: start(self.first),
            pitch,
            advance: (2 * pitch).wrapping_sub(length + filling),
            vectors,
            lanes: lanes(conv, value_len),
            bias: biases.as_ptr(),
            multiplier: multipliers.as_ptr(),
            out: out.as_mut_ptr(),
            out_stride,
            pairs: self.count / 2,
            quads: multipliers.len() / QUAD,
        };
        if work.pairs > 0 {
            // SAFETY: lines fit, so every pixel's values are there, from its column on, and `conv` has the filters;
            // biases and multipliers are quads, and every pixel of `out` has room for as many bytes.
            unsafe { run(&work) };
        }
        if self.count % 2 == 1 {
            // The last pixel twice, into the same place.
            let last = self.count - 1;
            work.line = start(self.first + last);
            work.pitch = 0;
            work.out = out[last * out_stride..].as_mut_ptr();
            work.out_stride = 0;
            work.pairs = 1;
            // SAFETY: as above.
            unsafe { run(&work) };
        }
    }
}

/// [`Tile::multiply`] for filters in another order, of lines that fit.
#[inline(never)]
fn multiply_slowly(lines: &Lines<'_>, conv: &Ready<'_, Mve>, out: &mut [u8], out_stride: usize) {
    let taps = if conv.depth < conv.length { TAPS } else { 1 };
    let steps = conv.order.steps(conv.length, conv.depth);
    let bytes = cast::as_bytes(lines.values);
    for o in 0..conv.outputs {
        for p in 0..lines.pixels {
            let mut acc = conv.bias[lines.bias[p] + o];
            for ky in 0..lines.rows {
                for kx in 0..taps {
                    let tap = ((p + kx) * lines.rows + ky) * conv.depth;
                    let k = (ky * taps + kx) * conv.depth;
                    let mut at = conv.order.weight_offset(conv.length, conv.depth, o, k);
                    for i in (tap..tap + conv.depth).step_by(GROUP) {
                        for (j, step) in steps.iter().enumerate() {
                            let value = match conv.content() {
                                Content::Bytes => i32::from(bytes[i + j] ^ 0x80),
                                Content::Sums => i32::from(lines.values[i + j]),
                            };
                            acc = acc.wrapping_add(value * i32::from(conv.weights[at + step]));
                        }
                        at = conv.order.next_group(conv.length, conv.depth, at);
                    }
                }
            }
            out[p * out_stride + o] = arithmetic::requantise(acc, conv.multiplier[o]);
        }
    }
}
