//! Cortex-M4, M7 and M33: two 16-bit multiplications at once (SMLAD), four bytes clamped at once (UQSUB8).
//!
//! The inner loops are assembly, because they need all fourteen registers and a compiler spills: a hand-scheduled
//! loop takes 0.81 instructions and 0.98 modelled cycles per MAC in a 3x3, 0.88 and 1.06 in a 1x1, where
//! intrinsics-style Rust took 1.6 and 2.4 or more. A whole network of 67 M MACs takes 0.99 and 1.23.

use super::super::portable::Portable;
use super::Work;
use crate::kernel::tile::{Clamp, Content, Conv, Lines, Pixels, Prepared, Sources, Taps, Tile};
use crate::layout::{GROUP, Order, WINDOW};
use core::arch::{asm, global_asm};

equates!();
global_asm!(
    concat!(".cpu ", env!("DENSELET_CPU")),
    include_str!("frame.s"),
    include_str!("dsp.s"),
    include_str!("dsp_pack.s"),
    options(raw)
);

/// The inner loop for the DSP extension.
#[derive(Clone, Copy, Debug)]
pub struct Dsp;

unsafe extern "C" {
    // Each packs `groups` groups, at least one. Obligations:
    // * as many bytes may be read at `source`, at each offset from it, at `mask` and at `threshold`;
    // * `line`, aligned to 4, has a place for every column of every group.
    fn denselet_clamp(
        source: *const u8,
        mask: *const u8,
        threshold: *const u8,
        line: *mut u32,
        column_1: usize,
        column_2: usize,
        column_3: usize,
        groups: usize,
    );
    fn denselet_clamp_add(
        source: *const u8,
        mask: *const u8,
        threshold: *const u8,
        line: *mut u32,
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
        line: *mut u32,
        groups: usize,
    );
}

impl Tile for Dsp {
    const NAME: &'static str = "arm-dsp";
    const ORDER: Order = Order::Pairs;

    type Filters = ();

    fn filters(self, _: &Conv<'_>, _: &[i8], _: Content, _: &mut [i32]) {}

    unsafe fn gather(self, taps: &Taps<'_>, line: &mut [u32]) {
        // SAFETY: the same obligations.
        unsafe { Portable.gather(taps, line) }
    }

    unsafe fn widen_window(self, window: &Sources<'_>, line: &mut [u32]) {
        let mut left = line;
        for pixels in window.each() {
            let (row, rest) = left.split_at_mut(WINDOW * pixels.depth / 2);
            let offset = offsets(&pixels);
            // SAFETY: the row has a multiple of four bytes at every column's offset, and at least three columns; the line
            // starts at a word and has a place for six of them.
            unsafe {
                denselet_widen_window(
                    pixels.bytes.as_ptr(),
                    pixels.pitch,
                    offset(3),
                    offset(4),
                    offset(5),
                    row.as_mut_ptr(),
                    pixels.depth / GROUP,
                );
            }
            left = rest;
        }
    }

    unsafe fn clamp(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [u32]) {
        let offset = offsets(pixels);
        // SAFETY: the pixels have a multiple of four bytes at every column's offset, and so has the clamp; the line starts at
        // a word and has a place for four columns of them.
        unsafe {
            denselet_clamp(
                pixels.bytes.as_ptr(),
                clamp.mask().as_ptr(),
                clamp.threshold().as_ptr(),
                line.as_mut_ptr(),
                offset(1),
                offset(2),
                offset(3),
                pixels.depth / GROUP,
            );
        }
    }

    unsafe fn pool(self, sources: &Sources<'_>, clamp: Clamp<'_>, line: &mut [u32]) {
        // SAFETY: every source is such pixels.
        unsafe { self.clamp(&sources.row(0), clamp, line) };
        for row in 1..sources.rows.len() {
            let pixels = sources.row(row);
            let offset = offsets(&pixels);
            // SAFETY: as in `clamp`.
            unsafe {
                denselet_clamp_add(
                    pixels.bytes.as_ptr(),
                    clamp.mask().as_ptr(),
                    clamp.threshold().as_ptr(),
                    line.as_mut_ptr(),
                    offset(1),
                    offset(2),
                    offset(3),
                    pixels.depth / GROUP,
                );
            }
        }
    }

    unsafe fn clamp_bytes(self, source: &[u8], clamp: Clamp<'_>, out: &mut [u8]) {
        let (outs, _) = out.as_chunks_mut::<GROUP>();
        for (out, clamped) in outs.iter_mut().zip(clamped(source, clamp)) {
            *out = clamped.to_le_bytes();
        }
    }

    unsafe fn clamp_sum(self, source: &[u8], clamp: Clamp<'_>, sums: &mut [i32]) {
        let (groups, _) = sums.as_chunks_mut::<GROUP>();
        for ([a, b, c, d], clamped) in groups.iter_mut().zip(clamped(source, clamp)) {
            *a = a.wrapping_add((clamped & 0xff).cast_signed());
            *b = b.wrapping_add((clamped >> 8 & 0xff).cast_signed());
            *c = c.wrapping_add((clamped >> 16 & 0xff).cast_signed());
            *d = d.wrapping_add((clamped >> 24).cast_signed());
        }
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

/// Offsets of columns from the first.
fn offsets(pixels: &Pixels<'_>) -> impl Fn(usize) -> usize {
    let (last, pitch) = (pixels.count - 1, pixels.pitch);
    move |column| column.min(last) * pitch
}

/// Words of four channels, clamped.
fn clamped<'c>(source: &'c [u8], clamp: Clamp<'c>) -> impl Iterator<Item = u32> + use<'c> {
    let words = [source, clamp.mask(), clamp.threshold()].map(|bytes| bytes.as_chunks::<GROUP>().0);
    let [source, mask, threshold] = words;
    source
        .iter()
        .zip(mask)
        .zip(threshold)
        .map(|((source, mask), threshold)| {
            let mirrored = u32::from_le_bytes(*source) ^ u32::from_le_bytes(*mask);
            let clamped: u32;
            // SAFETY: works on registers alone.
            unsafe {
                asm!(
                    // A feature of this crate is unknown to the compiler, and so to its assembler.
                    concat!(env!("DENSELET_DSP"), "uqsub8 {}, {}, {}"),
                    out(reg) clamped,
                    in(reg) mirrored,
                    in(reg) u32::from_le_bytes(*threshold),
                    options(pure, nomem, nostack, preserves_flags)
                );
            }
            clamped
        })
}
