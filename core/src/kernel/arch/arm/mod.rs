//! Cortex-M: inner loops in assembly, because they need every register there is, and a compiler keeps one for itself and
//! spills others.
//!
//! A row of the line buffer is the portable loops': a word holds two inputs of a column, as masking every other byte gives
//! them, and neighbouring columns' words are neighbours, so that one address serves a tile.

/// What the assembly takes from this file, for the file that includes it: symbols do not pass from one compiled unit to the next.
/// The assembly loads the work's words in their order.
macro_rules! equates {
    () => {
        core::arch::global_asm!(
            ".equ WORD, 4",
            ".equ TILE, {}",
            ".equ TAPS, {}",
            ".equ WINDOW, {}",
            ".equ WORK_BIAS, {}",
            ".equ WORK_MULTIPLIER, {}",
            ".equ WORK_OUT, {}",
            ".equ WORK_STRIDE, {}",
            ".equ WORK_LAST, {}",
            ".equ WORK_OUT_END, {}",
            ".equ WORK_LINE, {}",
            ".equ WORK_WEIGHTS, {}",
            ".equ WORK_UNITS, {}",
            const crate::layout::TILE,
            const crate::layout::TAPS,
            const crate::layout::WINDOW,
            const core::mem::offset_of!(Work, bias),
            const core::mem::offset_of!(Work, multiplier),
            const core::mem::offset_of!(Work, out),
            const core::mem::offset_of!(Work, out_stride),
            const core::mem::offset_of!(Work, last),
            const core::mem::offset_of!(Work, out_end),
            const core::mem::offset_of!(Work, line),
            const core::mem::offset_of!(Work, weights),
            const core::mem::offset_of!(Work, units),
        );
    };
}

#[cfg(denselet_arm = "dsp")]
mod dsp;
#[cfg(not(denselet_arm = "dsp"))]
mod scalar;

#[cfg(denselet_arm = "dsp")]
pub use dsp::Dsp as Arm;
#[cfg(not(denselet_arm = "dsp"))]
pub use scalar::Scalar as Arm;

use super::portable::place;
use super::reference;
use crate::kernel::tile::{Lines, Prepared};
use crate::layout::{Order, TILE};

/// What a multiplying function works on. The assembly knows this layout.
#[repr(C)]
struct Work {
    /// One for each pixel; with one tap, they are the same.
    bias: [*const i32; TILE],
    multiplier: *const i32,
    out: *mut u8,
    /// Bytes from a pixel's output to the next one's.
    out_stride: usize,
    /// Bytes from the first pixel's output to the last one's.
    last: usize,
    /// The end of the first pixel's outputs.
    out_end: *mut u8,
    line: *const u32,
    weights: *const i8,
    /// Twos of inputs in a tap, of all rows together.
    units: usize,
}

unsafe extern "C" {
    // Each multiplies one tile with pairs of filters and writes two bytes per pixel and pair. Obligations:
    // * there is at least one pair of filters, and one for every two bytes from `out` to `out_end`;
    // * a filter has 2 * `units` weights, three times as many in a window, and at least two units;
    // * `line` holds as many values of every column; it and `weights` are aligned to 4;
    // * `multiplier` and each bias have a value for every filter;
    // * as many bytes as from `out` to `out_end` may be written at `out`, `last` bytes after it and, by four, one and two
    //   strides after it.
    fn denselet_pixels_by_two(work: &mut Work);
    fn denselet_pixels_by_four(work: &mut Work);
    fn denselet_window_by_two(work: &mut Work);
    fn denselet_window_by_four(work: &mut Work);
}

/// [`Tile::multiply`](crate::kernel::Tile::multiply), with its obligations.
unsafe fn multiply(lines: &Lines<'_>, conv: &Prepared<'_, Arm>, out: &mut [u8], out_stride: usize) {
    if conv.order != Order::Pairs {
        let columns = conv.columns();
        reference::multiply_from(lines, conv, out, out_stride, |column, i| {
            place(columns, column, i)
        });
        return;
    }
    let even = conv.outputs & !1;
    let bias = |p: usize, o: usize| conv.bias.as_ptr().wrapping_add(lines.border(p) + o);
    let mut work = Work {
        bias: [bias(0, 0), bias(1, 0), bias(2, 0), bias(3, 0)],
        multiplier: conv.multiplier.as_ptr(),
        out: out.as_mut_ptr(),
        out_stride,
        last: (lines.pixels - 1) * out_stride,
        out_end: out.as_mut_ptr().wrapping_add(even),
        line: lines.words.as_ptr(),
        weights: conv.weights().as_ptr(),
        units: conv.rows() * conv.depth / 2,
    };
    let run = match (lines.pixels > 2, conv.depth < conv.length) {
        (false, false) => denselet_pixels_by_two,
        (true, false) => denselet_pixels_by_four,
        (false, true) => denselet_window_by_two,
        (true, true) => denselet_window_by_four,
    };
    if even > 0 {
        // SAFETY: a prepared convolution has weights from a word on, biases and multipliers for every filter; lines start at
        // a word and have values for every column, `out` has room for every pixel. Four pixels include a third. A depth
        // is at least 4.
        unsafe { run(&mut work) };
    }
    if even < conv.outputs {
        // The last output has a filter of zeros beside it, but neither bias nor multiplier nor room.
        let two = |bias: *const i32| {
            // SAFETY: the last output has a bias for each pixel.
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
        work.weights = conv.weights()[even * conv.length..].as_ptr();
        // SAFETY: filters are stored in pairs; everything else has two.
        unsafe { run(&mut work) };
        for (p, two) in outs.chunks_exact(2).enumerate().take(lines.pixels) {
            out[p * out_stride + even] = two[0];
        }
    }
}
