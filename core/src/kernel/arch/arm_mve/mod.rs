//! Cortex-M55 and M85 with Helium (MVE): sixteen 8-bit multiplications at once (VMLADAVA), four outputs by two pixels.
//!
//! The inner loops are assembly: they need all eight even registers as sums, and stable Rust has no intrinsics for MVE.
//! Plain loops, which the compiler does vectorise for these cores, have room for two by two.
//!
//! A line of bytes keeps each value less 128, because VMLADAVA multiplies signed bytes with signed bytes; a filter's
//! bias makes up for it with 128 times the sum of the weights, which is worked out once for all tiles. A line is
//! `[column][row][i]`, so that all a pixel needs lies in one piece.

mod multiply;
mod pack;

use super::cast;
use crate::kernel::tile::{Clamp, Content, Conv, Lines, Pixels, Prepared, Sources, Taps, Tile};
use crate::layout::{Order, TILE};
use core::arch::global_asm;
use core::mem::offset_of;
use multiply::Work;
use pack::Pool;

// What the assembly takes from these files. It loads neighbouring words of the work and the pool in pairs.
global_asm!(
    ".equ WORD, 4",
    ".equ WORK_WEIGHTS, {}",
    ".equ WORK_PITCH, {}",
    ".equ WORK_VECTORS, {}",
    ".equ WORK_BIAS, {}",
    ".equ WORK_OUT, {}",
    ".equ WORK_PAIRS, {}",
    ".equ POOL_SOURCES, {}",
    ".equ POOL_MASK, {}",
    ".equ POOL_LINE, {}",
    ".equ POOL_PITCH, {}",
    ".equ POOL_COLUMNS, {}",
    const offset_of!(Work, weights),
    const offset_of!(Work, pitch),
    const offset_of!(Work, vectors),
    const offset_of!(Work, bias),
    const offset_of!(Work, out),
    const offset_of!(Work, pairs),
    const offset_of!(Pool, sources),
    const offset_of!(Pool, mask),
    const offset_of!(Pool, line),
    const offset_of!(Pool, pitch),
    const offset_of!(Pool, columns),
);

global_asm!(
    concat!(".cpu ", env!("DENSELET_CPU")),
    include_str!("multiply.s"),
    include_str!("pack.s"),
    options(raw)
);

/// The inner loop for Helium.
#[derive(Clone, Copy, Debug)]
pub struct Mve;

impl Tile for Mve {
    const NAME: &'static str = "arm-mve";
    const ORDER: Order = Order::Quads;
    const PIXELS: usize = 2 * TILE;

    type Filters = multiply::Filters;

    fn filters(
        self,
        conv: &Conv<'_>,
        weights: &[i8],
        content: Content,
        scratch: &mut [i32],
    ) -> Self::Filters {
        multiply::Filters::new(conv, weights, content, scratch)
    }

    unsafe fn gather(self, taps: &Taps<'_>, line: &mut [u32]) {
        // SAFETY: the same obligations.
        unsafe { pack::gather(taps, cast::as_bytes_mut(line)) }
    }

    unsafe fn widen_window(self, window: &Sources<'_>, line: &mut [u32]) {
        // SAFETY: the same obligations.
        unsafe { pack::window(window, cast::as_bytes_mut(line)) }
    }

    unsafe fn clamp(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [u32]) {
        // SAFETY: the same obligations.
        unsafe { pack::clamp(pixels, clamp, cast::as_bytes_mut(line)) }
    }

    unsafe fn pool(self, sources: &Sources<'_>, clamp: Clamp<'_>, line: &mut [u32]) {
        // SAFETY: the same obligations.
        unsafe { pack::pool(sources, clamp, line) }
    }

    unsafe fn clamp_bytes(self, source: &[u8], clamp: Clamp<'_>, out: &mut [u8]) {
        // SAFETY: the same obligations.
        unsafe { pack::clamp_bytes(source, clamp, out) }
    }

    unsafe fn clamp_sum(self, source: &[u8], clamp: Clamp<'_>, sums: &mut [i32]) {
        // SAFETY: the same obligations.
        unsafe { pack::clamp_sum(source, clamp, sums) }
    }

    unsafe fn multiply(
        self,
        lines: &Lines<'_>,
        conv: &Prepared<'_, Self>,
        out: &mut [u8],
        out_stride: usize,
    ) {
        // SAFETY: the same obligations.
        unsafe { multiply::multiply(lines, conv, out, out_stride) }
    }
}
