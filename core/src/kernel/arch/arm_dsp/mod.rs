//! Cortex-M4, M7 and M33: two 16-bit multiplications at once (SMLAD), four bytes clamped at once (UQSUB8).
//!
//! The inner loops are assembly, because they need all fourteen registers and a compiler spills: a hand-scheduled
//! loop takes 0.81 instructions and 0.98 modelled cycles per MAC in a 3x3, 0.88 and 1.06 in a 1x1, where
//! intrinsics-style Rust took 1.6 and 2.4 or more.
//!
//! A row of the line buffer is `[i / 4][i % 2][column][i / 2 % 2]`: a word holds two inputs of a column as UXTB16 gives
//! them, and neighbouring columns' words are neighbours, so that one address serves a tile.

use super::portable;
use crate::kernel::tile::{Clamp, Conv, Lines, Pixels, Tile};
use crate::layout::{GROUP, Order, TILE, WINDOW};
use core::arch::{asm, global_asm};

global_asm!(include_str!("multiply.s"), options(raw));
global_asm!(include_str!("pack.s"), options(raw));

/// The inner loop for the DSP extension.
#[derive(Clone, Copy, Debug)]
pub struct Dsp;

/// One call of a multiplying function. The assembly knows this layout.
#[repr(C)]
#[derive(Clone, Copy)]
struct Work {
    weights: *const i8,
    line: *const i16,
    /// Units of the loop that is called.
    units: usize,
    multiplier: *const i32,
    /// One for each pixel; with one tap, only the first counts.
    bias: [*const i32; TILE],
    out: *mut u8,
    out_stride: usize,
    /// From the first pixel's output to the last one's.
    last: usize,
    /// Behind the first pixel's last output.
    out_end: *mut u8,
}

unsafe extern "C" {
    // Each multiplies one tile with at least one pair of filters and writes two bytes per pixel and pair. Obligations:
    // * a filter has at least one unit, and `weights` holds an even number of filters, `out_end - out` of them;
    // * `line`, aligned to 4, holds all rows;
    // * each `bias` and `multiplier` has a value for every filter;
    // * `out_end - out` bytes may be written at `out`, at `last` and, by four, at `out_stride` and twice `out_stride`
    //   behind it.
    fn denselet_pixels_by_two(work: Work);
    fn denselet_pixels_by_four(work: Work);
    fn denselet_window_by_two(work: Work);
    fn denselet_window_by_four(work: Work);

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

    fn widen(self, pixels: &Pixels<'_>, line: &mut [i16]) {
        if !pixels.fit(TILE, line) {
            return;
        }
        for column in 0..TILE {
            for (i, &u) in pixels.column(column).iter().enumerate() {
                line[place(TILE, column, i)] = i16::from(u);
            }
        }
    }

    fn widen_window(self, pixels: &Pixels<'_>, line: &mut [i16]) {
        if !pixels.fit(WINDOW, line) || pixels.count < 3 || !starts_at_word(line) {
            return;
        }
        let [.., column_3, column_4, column_5] = offsets::<WINDOW>(pixels);
        // SAFETY: `fit` says that a multiple of four bytes may be read at every column's offset, of which there are at
        // least three, and that the line has a place for six columns of them. Its alignment was checked.
        unsafe {
            denselet_widen_window(
                pixels.bytes.as_ptr(),
                pixels.pitch,
                column_3,
                column_4,
                column_5,
                line.as_mut_ptr(),
                pixels.depth / GROUP,
            );
        }
    }

    fn clamp(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [i16]) {
        if !may_clamp(pixels, clamp, line) {
            return;
        }
        let [_, column_1, column_2, column_3] = offsets::<TILE>(pixels);
        // SAFETY: `may_clamp` says that a multiple of four bytes may be read at every column's offset and in the
        // clamp, that the line has a place for four columns of them, and that it is aligned.
        unsafe {
            denselet_clamp(
                pixels.bytes.as_ptr(),
                clamp.mask.as_ptr(),
                clamp.threshold.as_ptr(),
                line.as_mut_ptr(),
                column_1,
                column_2,
                column_3,
                pixels.depth / GROUP,
            );
        }
    }

    fn clamp_add(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [i16]) {
        if !may_clamp(pixels, clamp, line) {
            return;
        }
        let [_, column_1, column_2, column_3] = offsets::<TILE>(pixels);
        // SAFETY: as in `clamp`.
        unsafe {
            denselet_clamp_add(
                pixels.bytes.as_ptr(),
                clamp.mask.as_ptr(),
                clamp.threshold.as_ptr(),
                line.as_mut_ptr(),
                column_1,
                column_2,
                column_3,
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
        let columns = lines.columns(conv);
        if conv.order != Order::Pairs || !starts_at_word(lines.values) {
            portable::multiply_from(lines, conv, out, out_stride, |column, i| {
                place(columns, column, i)
            });
            return;
        }
        if !lines.fit(conv, out, out_stride) {
            return;
        }
        let even = conv.outputs & !1;
        let bias = |o| core::array::from_fn(|p| &conv.bias[lines.bias[p.min(lines.pixels - 1)] + o..]);
        // SAFETY: `fit` says that every filter has its weights, biases and multiplier, and every pixel its outputs.
        unsafe {
            pairs(
                lines,
                conv,
                0,
                bias(0),
                conv.multiplier,
                &mut out[..],
                out_stride,
                even,
            )
        };
        if even == conv.outputs {
            return;
        }
        // The last output has a filter of zeros beside it, but neither bias nor multiplier nor room.
        let biases = bias(even).map(|bias| [bias[0]; 2]);
        let mut two = [0; 2 * TILE];
        // SAFETY: the filters are there in pairs, as `fit` says; of everything else there are two.
        unsafe {
            pairs(
                lines,
                conv,
                even,
                biases.each_ref().map(<[i32; 2]>::as_slice),
                &[conv.multiplier[even]; 2],
                &mut two,
                2,
                2,
            );
        }
        for (p, two) in two.chunks_exact(2).enumerate().take(lines.pixels) {
            out[p * out_stride + even] = two[0];
        }
    }
}

/// Multiplies the lines with `count` filters, an even number, from filter `o`, also even.
///
/// # Safety
///
/// * `lines` fit `conv`, are aligned to a word, and `conv` has that many filters in pairs.
/// * `multiplier` and each `bias` have `count` values.
/// * `out` has room for `count` bytes at each pixel.
#[expect(clippy::too_many_arguments, reason = "two calls, and each names itself")]
unsafe fn pairs(
    lines: &Lines<'_>,
    conv: &Conv<'_>,
    o: usize,
    bias: [&[i32]; TILE],
    multiplier: &[i32],
    out: &mut [u8],
    out_stride: usize,
    count: usize,
) {
    if count == 0 {
        return;
    }
    let work = Work {
        weights: conv.weights[o * conv.length..].as_ptr(),
        line: lines.values.as_ptr(),
        units: lines.rows * conv.depth / 2,
        multiplier: multiplier.as_ptr(),
        bias: bias.map(<[i32]>::as_ptr),
        out: out.as_mut_ptr(),
        out_stride,
        last: (lines.pixels - 1) * out_stride,
        out_end: out[count..].as_mut_ptr(),
    };
    let run = match (lines.pixels > 2, conv.depth < conv.length) {
        (false, false) => denselet_pixels_by_two,
        (true, false) => denselet_pixels_by_four,
        (false, true) => denselet_window_by_two,
        (true, true) => denselet_window_by_four,
    };
    // SAFETY: what the function asks for is what the caller promises; a depth is at least 4, so there is a unit.
    unsafe { run(work) };
}

/// Where value `i` of a column lies in a row of the line buffer.
fn place(columns: usize, column: usize, i: usize) -> usize {
    (i / GROUP * 2 + i % 2) * 2 * columns + 2 * column + i / 2 % 2
}

/// Offsets of columns, from the first.
fn offsets<const COLUMNS: usize>(pixels: &Pixels<'_>) -> [usize; COLUMNS] {
    core::array::from_fn(|column| column.min(pixels.count - 1) * pixels.pitch)
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
