//! Cortex-M4, M7 and M33: two 16-bit multiplications at once (SMLAD), four bytes clamped at once (UQSUB8).
//!
//! The inner loops are assembly, because they need all fourteen registers and a compiler spills: a hand-scheduled
//! loop takes 0.81 instructions and 0.98 modelled cycles per MAC in a 3x3, 0.88 and 1.06 in a 1x1, where
//! intrinsics-style Rust took 1.6 and 2.4 or more.
//!
//! A row of the line buffer is `[i / 4][i % 2][column][i / 2 % 2]`: a word holds two inputs of a column as UXTB16 gives
//! them, and neighbouring columns' words are neighbours, so that one address serves a tile.

use super::reference;
use crate::kernel::tile::{Clamp, Conv, Lines, Pixels, Tile};
use crate::layout::{GROUP, Order, TILE, WINDOW};
use core::arch::{asm, global_asm};

global_asm!(
    concat!(".cpu ", env!("DENSELET_DSP_CPU")),
    include_str!("multiply.s"),
    include_str!("pack.s"),
    options(raw)
);

/// The inner loop for the DSP extension.
#[derive(Clone, Copy, Debug)]
pub struct Dsp;

/// What a multiplying function works on. The assembly knows this layout.
#[repr(C)]
struct Work {
    /// One for each pixel; with one tap, only the first counts.
    bias: [*const i32; TILE],
    multiplier: *const i32,
    out: *mut u8,
    /// Bytes from a pixel's output to the next one's.
    out_stride: usize,
    /// Bytes from the first pixel's output to the last one's.
    last: usize,
    /// Behind the first pixel's last output.
    out_end: *mut u8,
    line: *const i16,
    weights: *const i8,
    /// Twos of inputs in a tap, of all rows together.
    units: usize,
}

unsafe extern "C" {
    // Each multiplies one tile with pairs of filters and writes two bytes per pixel and pair. Obligations:
    // * there is at least one pair of filters, and one for every two bytes from `out` to `out_end`;
    // * a filter has 2 * `units` weights, three times as many in a window, and at least two units;
    // * `line`, aligned to 4, holds as many values of every column;
    // * `multiplier` and each bias that counts have a value for every filter;
    // * as many bytes as from `out` to `out_end` may be written at `out`, `last` behind it and, by four, one and two
    //   strides behind it.
    fn denselet_pixels_by_two(work: &Work);
    fn denselet_pixels_by_four(work: &Work);
    fn denselet_window_by_two(work: &Work);
    fn denselet_window_by_four(work: &Work);

    // Each packs `groups` groups, at least one. Obligations:
    // * as many bytes may be read at `source`, at each offset from it, at `mask` and at `threshold`;
    // * `line`, aligned to 4, has a place for every column of every group.
    fn denselet_clamp(
        source: *const u8,
        mask: *const u8,
        threshold: *const u8,
        line: *mut i16,
        column_1: usize,
        column_2: usize,
        column_3: usize,
        groups: usize,
    );
    fn denselet_clamp_add(
        source: *const u8,
        mask: *const u8,
        threshold: *const u8,
        line: *mut i16,
        column_1: usize,
        column_2: usize,
        column_3: usize,
        groups: usize,
    );
    // Column 1 is one pitch from `source`, column 2 two.
    fn denselet_widen_window(
        source: *const u8,
        pitch: usize,
        column_3: usize,
        column_4: usize,
        column_5: usize,
        line: *mut i16,
        groups: usize,
    );
}

impl Tile for Dsp {
    const NAME: &'static str = "arm-dsp";
    const ORDER: Order = Order::Pairs;

    fn put(self, line: &mut [i16], _depth: usize, i: usize, values: [u8; TILE]) {
        let at = place(TILE, 0, i);
        if let Some(places) = line.get_mut(at..at + 2 * TILE - 1) {
            for (column, value) in values.into_iter().enumerate() {
                places[2 * column] = i16::from(value);
            }
        }
    }

    fn widen_window(self, pixels: &Pixels<'_>, line: &mut [i16]) {
        if !pixels.fit(WINDOW, line) || pixels.count < 3 || !starts_at_word(line) {
            return;
        }
        let offset = offsets(pixels);
        // SAFETY: `fit` says that a multiple of four bytes may be read at every column's offset, of which there are at
        // least three, and that the line has a place for six columns of them. Its alignment was checked.
        unsafe {
            denselet_widen_window(
                pixels.bytes.as_ptr(),
                pixels.pitch,
                offset(3),
                offset(4),
                offset(5),
                line.as_mut_ptr(),
                pixels.depth / GROUP,
            );
        }
    }

    fn clamp(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [i16]) {
        if !may_clamp(pixels, clamp, line) {
            return;
        }
        let offset = offsets(pixels);
        // SAFETY: `may_clamp` says that a multiple of four bytes may be read at every column's offset and in the
        // clamp, that the line has a place for four columns of them, and that it is aligned.
        unsafe {
            denselet_clamp(
                pixels.bytes.as_ptr(),
                clamp.mask.as_ptr(),
                clamp.threshold.as_ptr(),
                line.as_mut_ptr(),
                offset(1),
                offset(2),
                offset(3),
                pixels.depth / GROUP,
            );
        }
    }

    fn clamp_add(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [i16]) {
        if !may_clamp(pixels, clamp, line) {
            return;
        }
        let offset = offsets(pixels);
        // SAFETY: as in `clamp`.
        unsafe {
            denselet_clamp_add(
                pixels.bytes.as_ptr(),
                clamp.mask.as_ptr(),
                clamp.threshold.as_ptr(),
                line.as_mut_ptr(),
                offset(1),
                offset(2),
                offset(3),
                pixels.depth / GROUP,
            );
        }
    }

    fn clamp_bytes(self, source: &[u8], clamp: Clamp<'_>, out: &mut [u8]) {
        let (sources, _) = source.as_chunks::<GROUP>();
        let (outs, _) = out.as_chunks_mut::<GROUP>();
        let bounds = clamp
            .mask
            .as_chunks::<GROUP>()
            .0
            .iter()
            .zip(clamp.threshold.as_chunks::<GROUP>().0);
        for ((out, source), (mask, threshold)) in outs.iter_mut().zip(sources).zip(bounds) {
            let mirrored = u32::from_le_bytes(*source) ^ u32::from_le_bytes(*mask);
            let clamped: u32;
            // SAFETY: works on registers alone.
            unsafe {
                asm!(
                    "uqsub8 {}, {}, {}",
                    out(reg) clamped,
                    in(reg) mirrored,
                    in(reg) u32::from_le_bytes(*threshold),
                    options(pure, nomem, nostack, preserves_flags)
                );
            }
            *out = clamped.to_le_bytes();
        }
    }

    fn multiply(self, lines: &Lines<'_>, conv: &Conv<'_>, out: &mut [u8], out_stride: usize) {
        if conv.order != Order::Pairs || !starts_at_word(lines.values) {
            let columns = lines.columns(conv);
            reference::multiply_from(lines, conv, out, out_stride, |column, i| {
                place(columns, column, i)
            });
            return;
        }
        if !lines.fit(conv, out, out_stride) {
            return;
        }
        let even = conv.outputs & !1;
        let bias = |p: usize, o: usize| conv.bias.as_ptr().wrapping_add(lines.bias[p] + o);
        let mut work = Work {
            bias: [bias(0, 0), bias(1, 0), bias(2, 0), bias(3, 0)],
            multiplier: conv.multiplier.as_ptr(),
            out: out.as_mut_ptr(),
            out_stride,
            last: (lines.pixels - 1) * out_stride,
            out_end: out.as_mut_ptr().wrapping_add(even),
            line: lines.values.as_ptr(),
            weights: conv.weights.as_ptr(),
            units: lines.rows * conv.depth / 2,
        };
        let run = match (lines.pixels > 2, conv.depth < conv.length) {
            (false, false) => denselet_pixels_by_two,
            (true, false) => denselet_pixels_by_four,
            (false, true) => denselet_window_by_two,
            (true, true) => denselet_window_by_four,
        };
        if even > 0 {
            // SAFETY: `fit` says that every filter has its weights, biases and multiplier, every column its values, and
            // every pixel its outputs; of four pixels, a third is there. A depth is at least 4. The line's alignment
            // was checked.
            unsafe { run(&work) };
        }
        if even < conv.outputs {
            // The last output has a filter of zeros beside it, but neither bias nor multiplier nor room.
            let two = |bias: *const i32| {
                // SAFETY: the last output has a bias for each pixel, as `fit` says.
                [unsafe { bias.wrapping_add(even).read() }; 2]
            };
            let biases = work.bias.map(two);
            let multiplier = [conv.multiplier[even]; 2];
            let mut outs = [0; 2 * TILE];
            work.bias = [&biases[0], &biases[1], &biases[2], &biases[3]].map(|two| two.as_ptr());
            work.multiplier = multiplier.as_ptr();
            work.out = outs.as_mut_ptr();
            work.out_stride = 2;
            work.last = 2 * (lines.pixels - 1);
            work.out_end = outs.as_mut_ptr().wrapping_add(2);
            work.weights = conv.weights[even * conv.length..].as_ptr();
            // SAFETY: the filters are there in pairs, as `fit` says; of everything else there are two.
            unsafe { run(&work) };
            for (p, two) in outs.chunks_exact(2).enumerate().take(lines.pixels) {
                out[p * out_stride + even] = two[0];
            }
        }
    }
}

/// Where value `i` of a column lies in a row of the line buffer.
fn place(columns: usize, column: usize, i: usize) -> usize {
    (i / GROUP * 2 + i % 2) * 2 * columns + 2 * column + i / 2 % 2
}

/// Offsets of columns from the first.
fn offsets(pixels: &Pixels<'_>) -> impl Fn(usize) -> usize {
    let (last, pitch) = (pixels.count - 1, pixels.pitch);
    move |column| column.min(last) * pitch
}

fn starts_at_word(line: &[i16]) -> bool {
    line.as_ptr().addr().is_multiple_of(4)
}

/// Whether everything that the clamping functions touch is there.
fn may_clamp(pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &[i16]) -> bool {
    pixels.fit(TILE, line)
        && pixels.depth <= clamp.mask.len()
        && pixels.depth <= clamp.threshold.len()
        && starts_at_word(line)
}
