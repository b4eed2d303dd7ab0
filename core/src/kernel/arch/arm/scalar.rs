//! Cortex-M0, M3 and their like: one multiplication at a time. Packing is the portable loops'.
//!
//! The M3 sums two outputs of four pixels in 1.8 instructions per MAC (1.6 in a 3x3), the M0 two of two pixels in 3.8;
//! from the portable loops a compiler makes 3.4 and 7.

use super::super::portable::Portable;
use super::Work;
use crate::kernel::tile::{Clamp, Content, Conv, Lines, Pixels, Prepared, Sources, Taps, Tile};
use crate::layout::Order;
use core::arch::global_asm;

equates!();
#[cfg(denselet_arm = "v7m")]
global_asm!(
    concat!(".cpu ", env!("DENSELET_CPU")),
    include_str!("frame.s"),
    include_str!("v7m.s"),
    options(raw)
);
#[cfg(denselet_arm = "v6m")]
global_asm!(
    concat!(".cpu ", env!("DENSELET_CPU")),
    include_str!("v6m.s"),
    options(raw)
);

/// The inner loop without the DSP extension.
#[derive(Clone, Copy, Debug)]
pub struct Scalar;

impl Tile for Scalar {
    const NAME: &'static str = if cfg!(denselet_arm = "v7m") {
        "arm-v7m"
    } else {
        "arm-v6m"
    };
    const ORDER: Order = Order::Pairs;

    type Filters = ();

    fn filters(self, _: &Conv<'_>, _: &[i8], _: Content, _: &mut [i32]) {}

    unsafe fn gather(self, taps: &Taps<'_>, line: &mut [u32]) {
        // SAFETY: the same obligations.
        unsafe { Portable.gather(taps, line) }
    }

    unsafe fn widen_window(self, window: &Sources<'_>, line: &mut [u32]) {
        // SAFETY: the same obligations.
        unsafe { Portable.widen_window(window, line) }
    }

    unsafe fn clamp(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [u32]) {
        // SAFETY: the same obligations.
        unsafe { Portable.clamp(pixels, clamp, line) }
    }

    unsafe fn pool(self, sources: &Sources<'_>, clamp: Clamp<'_>, line: &mut [u32]) {
        // SAFETY: the same obligations.
        unsafe { Portable.pool(sources, clamp, line) }
    }

    unsafe fn clamp_bytes(self, source: &[u8], clamp: Clamp<'_>, out: &mut [u8]) {
        // SAFETY: the same obligations.
        unsafe { Portable.clamp_bytes(source, clamp, out) }
    }

    unsafe fn clamp_sum(self, source: &[u8], clamp: Clamp<'_>, sums: &mut [i32]) {
        // SAFETY: the same obligations.
        unsafe { Portable.clamp_sum(source, clamp, sums) }
    }

    unsafe fn multiply(
        self,
        lines: &Lines<'_>,
        conv: &Prepared<'_, Self>,
        out: &mut [u8],
        out_stride: usize,
    ) {
        // SAFETY: the same obligations.
        unsafe { super::multiply(lines, conv, out, out_stride) }
    }
}
