//! Plain loops that compile everywhere: the definition of the inner loop's results.
//!
//! A row of the line buffer is `[column][i]`.

use crate::arithmetic;
use crate::kernel::tile::{Clamp, Conv, Lines, Pixels, Tile};
use crate::layout::{GROUP, Order, TILE, WINDOW};

/// The portable inner loop.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Tile for Portable {
    const NAME: &'static str = "portable";
    const ORDER: Order = Order::Plain;

    fn put(self, line: &mut [i16], depth: usize, i: usize, values: [u8; TILE]) {
        for (column, value) in values.into_iter().enumerate() {
            if let Some(place) = line.get_mut(column * depth + i) {
                *place = i16::from(value);
            }
        }
    }

    fn widen_window(self, pixels: &Pixels<'_>, line: &mut [i16]) {
        if !pixels.fit(WINDOW, line) {
            return;
        }
        for (column, values) in line.chunks_exact_mut(pixels.depth).enumerate().take(WINDOW) {
            for (value, &u) in values.iter_mut().zip(pixels.column(column)) {
                *value = i16::from(u);
            }
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

    fn clamp_add(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [i16]) {
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

    fn multiply(self, lines: &Lines<'_>, conv: &Conv<'_>, out: &mut [u8], out_stride: usize) {
        multiply_from(lines, conv, out, out_stride, |column, i| column * conv.depth + i);
    }
}

/// [`Tile::multiply`] for any order of weights, out of rows in which value `i` of `column` lies at `place(column, i)`.
pub(super) fn multiply_from(
    lines: &Lines<'_>,
    conv: &Conv<'_>,
    out: &mut [u8],
    out_stride: usize,
    place: impl Fn(usize, usize) -> usize,
) {
    if !lines.fit(conv, out, out_stride) {
        return;
    }
    let columns = lines.columns(conv);
    let steps = conv.order.steps(conv.length, conv.depth);
    for o in 0..conv.outputs {
        for p in 0..lines.pixels {
            let mut acc = conv.bias[lines.bias[p] + o];
            let mut k = 0;
            for row in lines.values.chunks_exact(columns * conv.depth).take(lines.rows) {
                for kx in 0..columns - TILE + 1 {
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
