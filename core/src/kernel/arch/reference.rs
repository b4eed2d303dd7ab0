//! Nested loops and nothing else: the results that every inner loop must give, and the way to run an order of weights that
//! one was not made for.
//!
//! A row of the line buffer is `[column][i]`.

use crate::arithmetic;
use crate::kernel::tile::{Clamp, Content, Conv, Lines, Pixels, Ready, Taps, Tile};
use crate::layout::{GROUP, Order, TILE, WINDOW};

/// The inner loop that says what is right.
#[derive(Clone, Copy, Debug)]
pub struct Reference;

impl Tile for Reference {
    const NAME: &'static str = "reference";
    const ORDER: Order = Order::Plain;

    type Filters<'b> = ();

    fn filters<'b>(self, _: &'b Conv<'b>, _: Content, _: &'b mut [i32]) {}

    fn gather(self, taps: &Taps<'_>, line: &mut [i16]) {
        taps.for_each(|i, values| {
            for (column, value) in values.into_iter().enumerate() {
                if let Some(place) = line.get_mut(column * taps.depth + i) {
                    *place = i16::from(value);
                }
            }
        });
    }

    fn widen_window(self, rows: &[Pixels<'_>], line: &mut [i16]) {
        let mut columns = line;
        for pixels in rows {
            if !pixels.fit(WINDOW, columns) {
                return;
            }
            let (row, rest) = columns.split_at_mut(WINDOW * pixels.depth);
            for (column, values) in row.chunks_exact_mut(pixels.depth).enumerate() {
                for (value, &u) in values.iter_mut().zip(pixels.column(column)) {
                    *value = i16::from(u);
                }
            }
            columns = rest;
        }
    }

    fn clamp(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [i16]) {
        if !pixels.fit(TILE, line) {
            return;
        }
        for (column, values) in line.chunks_exact_mut(pixels.depth).enumerate().take(TILE) {
            let bounds = clamp.mask.iter().zip(clamp.threshold);
            for ((value, &u), (&m, &t)) in values.iter_mut().zip(pixels.column(column)).zip(bounds) {
                *value = i16::from(arithmetic::clamp(u, m, t));
            }
        }
    }

    fn pool(self, sources: &[Pixels<'_>], clamp: Clamp<'_>, line: &mut [i16]) {
        line.fill(0);
        for pixels in sources {
            if !pixels.fit(TILE, line) {
                return;
            }
            for (column, values) in line.chunks_exact_mut(pixels.depth).enumerate().take(TILE) {
                let bounds = clamp.mask.iter().zip(clamp.threshold);
                for ((value, &u), (&m, &t)) in values.iter_mut().zip(pixels.column(column)).zip(bounds) {
                    *value = value.wrapping_add(i16::from(arithmetic::clamp(u, m, t)));
                }
            }
        }
    }

    fn multiply(self, lines: &Lines<'_>, conv: &Ready<'_, Self>, out: &mut [u8], out_stride: usize) {
        multiply_from(lines, conv, out, out_stride, |column, i| column * conv.depth + i);
    }
}

/// [`Tile::multiply`] for any order of weights, out of rows in which value `i` of `column` lies at `place(column, i)`.
#[inline(never)]
pub(super) fn multiply_from<T: Tile>(
    lines: &Lines<'_>,
    conv: &Ready<'_, T>,
    out: &mut [u8],
    out_stride: usize,
    place: impl Fn(usize, usize) -> usize,
) {
    if !lines.fit(conv, out, out_stride) {
        return;
    }
    let columns = conv.columns();
    let steps = conv.order.steps(conv.length, conv.depth);
    for o in 0..conv.outputs {
        for p in 0..lines.pixels {
            let mut acc = conv.bias[lines.border(p) + o];
            let mut k = 0;
            for row in lines.values.chunks_exact(columns * conv.depth).take(conv.rows()) {
                for kx in 0..conv.taps() {
                    for i in (0..conv.depth).step_by(GROUP) {
                        let at = conv.order.weight_offset(conv.length, conv.depth, o, k);
                        for (j, step) in steps.iter().enumerate() {
                            let value = i32::from(row[place(p + kx, i + j)]);
                            acc = acc.wrapping_add(value * i32::from(conv.weights[at + step]));
                        }
                        k += GROUP;
                    }
                }
            }
            out[p * out_stride + o] = arithmetic::requantise(acc, conv.multiplier[o]);
        }
    }
}
