//! Nested loops: the results that every inner loop must compute, and the loop for an order of weights that an
//! architecture is not made for.
//!
//! A row of the line buffer is `[column][i]`.

use super::cast;
use crate::arithmetic;
use crate::kernel::tile::{Clamp, Content, Conv, Lines, Pixels, Prepared, Sources, Taps, Tile};
use crate::layout::{GROUP, Order, TILE, WINDOW};

/// The inner loop that defines the results.
#[derive(Clone, Copy, Debug)]
pub struct Reference;

impl Tile for Reference {
    const NAME: &'static str = "reference";
    const ORDER: Order = Order::Plain;

    type Filters = ();

    fn filters(self, _: &Conv<'_>, _: &[i8], _: Content, _: &mut [i32]) {}

    unsafe fn gather(self, taps: &Taps<'_>, line: &mut [u32]) {
        let line = cast::as_i16s_mut(line);
        taps.for_each(|i, values| {
            for (column, value) in values.into_iter().enumerate() {
                if let Some(place) = line.get_mut(column * taps.depth + i) {
                    *place = i16::from(value);
                }
            }
        });
    }

    unsafe fn widen_window(self, window: &Sources<'_>, line: &mut [u32]) {
        let mut columns = cast::as_i16s_mut(line);
        for pixels in window.each() {
            let (row, rest) = columns.split_at_mut(WINDOW * pixels.depth);
            for (column, values) in row.chunks_exact_mut(pixels.depth).enumerate() {
                for (value, &u) in values.iter_mut().zip(pixels.column(column)) {
                    *value = i16::from(u);
                }
            }
            columns = rest;
        }
    }

    unsafe fn clamp(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [u32]) {
        let line = cast::as_i16s_mut(line);
        for (column, values) in line.chunks_exact_mut(pixels.depth).enumerate().take(TILE) {
            let bounds = clamp.mask().iter().zip(clamp.threshold());
            for ((value, &u), (&m, &t)) in values.iter_mut().zip(pixels.column(column)).zip(bounds) {
                *value = i16::from(arithmetic::clamp(u, m, t));
            }
        }
    }

    unsafe fn pool(self, sources: &Sources<'_>, clamp: Clamp<'_>, line: &mut [u32]) {
        let line = cast::as_i16s_mut(line);
        line.fill(0);
        for pixels in sources.each() {
            for (column, values) in line.chunks_exact_mut(pixels.depth).enumerate().take(TILE) {
                let bounds = clamp.mask().iter().zip(clamp.threshold());
                for ((value, &u), (&m, &t)) in values.iter_mut().zip(pixels.column(column)).zip(bounds) {
                    *value = value.wrapping_add(i16::from(arithmetic::clamp(u, m, t)));
                }
            }
        }
    }

    unsafe fn multiply(
        self,
        lines: &Lines<'_>,
        conv: &Prepared<'_, Self>,
        out: &mut [u8],
        out_stride: usize,
    ) {
        multiply_from(lines, conv, out, out_stride, |column, i| column * conv.depth + i);
    }
}

/// [`Tile::multiply`] for any order of weights, from rows in which value `i` of `column` lies at `place(column, i)`; lines fit.
#[inline(never)]
pub(super) fn multiply_from<T: Tile>(
    lines: &Lines<'_>,
    conv: &Prepared<'_, T>,
    out: &mut [u8],
    out_stride: usize,
    place: impl Fn(usize, usize) -> usize,
) {
    let values = cast::as_i16s(lines.words);
    let columns = conv.columns();
    let steps = conv.order.steps(conv.length, conv.depth);
    for o in 0..conv.outputs {
        for p in 0..lines.pixels {
            let mut acc = conv.bias[lines.border(p) + o];
            let mut k = 0;
            for row in values.chunks_exact(columns * conv.depth).take(conv.rows()) {
                for kx in 0..conv.taps() {
                    for i in (0..conv.depth).step_by(GROUP) {
                        let at = conv.order.weight_offset(conv.length, conv.depth, o, k);
                        for (j, step) in steps.iter().enumerate() {
                            let value = i32::from(row[place(p + kx, i + j)]);
                            acc = acc.wrapping_add(value * i32::from(conv.weights()[at + step]));
                        }
                        k += GROUP;
                    }
                }
            }
            out[p * out_stride + o] = arithmetic::requantise(acc, conv.multiplier[o]);
        }
    }
}
