//! Cortex-M0, M3 and their like: one multiplication at a time. Packing is the portable loops'.
//!
//! The M3 sums two outputs of four pixels in 1.8 instructions per MAC (1.6 in a 3x3), the M0 two of two pixels in 3.8;
//! from the portable loops a compiler makes 3.4 and 7.

use super::super::portable::Portable;
use crate::kernel::tile::{Clamp, Content, Conv, Lines, Pixels, Ready, Taps, Tile};
use crate::layout::Order;
use core::arch::global_asm;

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

    type Filters<'b> = ();

    fn filters<'b>(self, _: &'b Conv<'b>, _: Content, _: &'b mut [i32]) {}

    fn gather(self, taps: &Taps<'_>, line: &mut [i16]) {
        Portable.gather(taps, line);
    }

    fn widen_window(self, rows: &[Pixels<'_>], line: &mut [i16]) {
        Portable.widen_window(rows, line);
    }

    fn clamp(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [i16]) {
        Portable.clamp(pixels, clamp, line);
    }

    fn pool(self, sources: &[Pixels<'_>], clamp: Clamp<'_>, line: &mut [i16]) {
        Portable.pool(sources, clamp, line);
    }

    fn clamp_bytes(self, source: &[u8], clamp: Clamp<'_>, out: &mut [u8]) {
        Portable.clamp_bytes(source, clamp, out);
    }

    fn clamp_sum(self, source: &[u8], clamp: Clamp<'_>, sums: &mut [i32]) {
        Portable.clamp_sum(source, clamp, sums);
    }

    fn multiply(self, lines: &Lines<'_>, conv: &Ready<'_, Self>, out: &mut [u8], out_stride: usize) {
        super::multiply(lines, conv, out, out_stride);
    }
}
