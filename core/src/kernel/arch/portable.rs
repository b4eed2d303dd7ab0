//! Plain loops that compile everywhere: the definition of the inner loop's results.

use crate::arithmetic;
use crate::kernel::tile::{Clamp, Conv, Lines, Tile};
use crate::layout::{GROUP, Order};

/// The portable inner loop.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Tile for Portable {
    const NAME: &'static str = "portable";
    const ORDER: Order = Order::Plain;

    fn widen(self, source: &[u8], line: &mut [i16]) {
        for (value, &u) in line.iter_mut().zip(source) {
            *value = i16::from(u);
        }
    }

    fn clamp(self, source: &[u8], clamp: Clamp<'_>, line: &mut [i16]) {
        for ((value, &u), (&m, &t)) in line
            .iter_mut()
            .zip(source)
            .zip(clamp.mask.iter().zip(clamp.threshold))
        {
            *value = i16::from(arithmetic::clamp(u, m, t));
        }
    }

    fn clamp_add(self, source: &[u8], clamp: Clamp<'_>, line: &mut [i16]) {
        for ((value, &u), (&m, &t)) in line
            .iter_mut()
            .zip(source)
            .zip(clamp.mask.iter().zip(clamp.threshold))
        {
            *value = value.wrapping_add(i16::from(arithmetic::clamp(u, m, t)));
        }
    }

    fn multiply(self, lines: &Lines<'_>, conv: &Conv<'_>, out: &mut [u8], out_stride: usize) {
        if !lines.fit(conv, out, out_stride) {
            return;
        }
        for o in 0..conv.outputs {
            for p in 0..lines.pixels {
                let acc = conv.bias[lines.bias[p] + o].wrapping_add(dot(lines, conv, o, p));
                out[p * out_stride + o] = arithmetic::requantise(acc, conv.multiplier[o]);
            }
        }
    }
}

/// Filter `o` times pixel `p`.
fn dot(lines: &Lines<'_>, conv: &Conv<'_>, o: usize, p: usize) -> i32 {
    let mut acc = 0i32;
    for r in 0..lines.runs {
        let start = p * lines.pixel_pitch + r * lines.run_pitch;
        let run = &lines.values[start..start + lines.run_len];
        for (g, values) in run.chunks_exact(GROUP).enumerate() {
            let at = conv
                .order
                .weight_offset(conv.length, o, r * lines.run_len + g * GROUP);
            for (&value, &weight) in values.iter().zip(&conv.weights[at..at + GROUP]) {
                acc = acc.wrapping_add(i32::from(value) * i32::from(weight));
            }
        }
    }
    acc
}
