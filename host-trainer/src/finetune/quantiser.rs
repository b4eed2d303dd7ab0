//! Gradients of stored bytes back to those of their sums: rounding passes them, saturation stops them. `requantise` has the
//! way forward.

use super::integers::Conv;
use super::lattice::Lattice;
use super::product::padded;
use crate::spec::Map;
use denselet::layout::{BORDERS, border};
use pulp::{Arch, Simd, WithSimd};

/// Bytes, each a whole number, and what they were before they were rounded and saturated.
#[derive(Clone, Debug, Default)]
pub(super) struct Bytes {
    pub(super) u: Vec<f32>,
    pub(super) exact: Vec<f32>,
}

/// Sums of gradients of one convolution, over a batch's share of images.
#[derive(Clone, Debug)]
pub(super) struct ConvSums {
    /// Of the gradient of each output, in bytes, times what it read.
    pub(super) weight: Products,
    /// Of the gradient of each output, where it was not saturated: `[o]`, or `[border][o]` in a plain layer.
    pub(super) bias: Vec<f32>,
    /// The same where it was saturated at 0.
    pub(super) low: Vec<f32>,
    /// The same where it was saturated at 255.
    pub(super) high: Vec<f32>,
    /// Of the gradient times what rounding added, where it was not saturated.
    pub(super) rounded: Vec<f32>,
}

/// A number for each weight of a convolution.
#[derive(Clone, Debug)]
pub(super) struct Products {
    pub(super) values: Vec<f32>,
    order: Order,
    taps: usize,
    outputs: usize,
    inputs: usize,
}

/// In which order they lie; rows are padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// `[ky][kx][i][o]`.
    OutputsLast,
    /// `[ky][kx][o][i]`, with the taps turned round: a dense layer has far fewer outputs than inputs, so that fewer floats of a
    /// row are padding.
    InputsLast,
}

impl Products {
    fn new(conv: &Conv, order: Order) -> Self {
        let taps = conv.rows * conv.columns;
        let row = match order {
            Order::OutputsLast => conv.inputs * padded(conv.outputs),
            Order::InputsLast => conv.outputs * padded(conv.inputs),
        };
        Self {
            values: vec![0.0; taps * row],
            order,
            taps,
            outputs: conv.outputs,
            inputs: conv.inputs,
        }
    }

    /// The number of one weight.
    pub(super) fn of(&self, tap: usize, o: usize, i: usize) -> f32 {
        let at = match self.order {
            Order::OutputsLast => (tap * self.inputs + i) * padded(self.outputs) + o,
            Order::InputsLast => ((self.taps - 1 - tap) * self.outputs + o) * padded(self.inputs) + i,
        };
        self.values[at]
    }
}

impl ConvSums {
    pub(super) fn new(conv: &Conv, order: Order, biases: usize) -> Self {
        let outputs = || vec![0.0; conv.outputs];
        Self {
            weight: Products::new(conv, order),
            bias: vec![0.0; biases * conv.outputs],
            low: outputs(),
            high: outputs(),
            rounded: outputs(),
        }
    }

    pub(super) fn parts(&mut self) -> [&mut Vec<f32>; 5] {
        [
            &mut self.weight.values,
            &mut self.bias,
            &mut self.low,
            &mut self.high,
            &mut self.rounded,
        ]
    }
}

/// The gradient of bytes, `g`, back through rounding (which passes it) and saturation (which stops it) to `to`; sums what
/// biases and ranges need.
pub(super) struct Settle<'a> {
    pub(super) map: Map,
    pub(super) outputs: usize,
    pub(super) g: (&'a [f32], Lattice),
    pub(super) bytes: (&'a [f32], Lattice),
    pub(super) exact: (&'a [f32], Lattice),
    pub(super) to: (&'a mut [f32], Lattice),
    pub(super) sums: &'a mut ConvSums,
}

impl Settle<'_> {
    /// Does it.
    pub(super) fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl WithSimd for Settle<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            map,
            outputs: n,
            g,
            bytes,
            exact,
            to,
            sums,
        } = self;
        let has_borders = sums.bias.len() == BORDERS * n;
        let (lows, low) = S::as_mut_simd_f32s(&mut sums.low[..n]);
        let (highs, high) = S::as_mut_simd_f32s(&mut sums.high[..n]);
        let (roundeds, rounded) = S::as_mut_simd_f32s(&mut sums.rounded[..n]);
        let (zero, most) = (simd.splat_f32s(0.0), simd.splat_f32s(255.0));
        // What was saturated at 0, at 255, and not at all.
        let split = |g, exact| {
            let below = simd.select_f32s(simd.less_than_f32s(exact, zero), g, zero);
            let above = simd.select_f32s(simd.less_than_f32s(most, exact), g, zero);
            (below, above, simd.sub_f32s(simd.sub_f32s(g, below), above))
        };
        let added = |u, exact, inside| simd.mul_f32s(inside, simd.sub_f32s(u, exact));
        for y in 0..map.height {
            for x in 0..map.width {
                let kind = if has_borders {
                    border(map.height, map.width, y, x)
                } else {
                    0
                };
                let (gs, g) = S::as_simd_f32s(&g.0[g.1.at(y, x)..][..n]);
                let (us, u) = S::as_simd_f32s(&bytes.0[bytes.1.at(y, x)..][..n]);
                let (exacts, exact) = S::as_simd_f32s(&exact.0[exact.1.at(y, x)..][..n]);
                let (tos, to) = S::as_mut_simd_f32s(&mut to.0[to.1.at(y, x)..][..n]);
                let (biases, bias) = S::as_mut_simd_f32s(&mut sums.bias[kind * n..][..n]);
                let totals = lows.iter_mut().zip(&mut *highs).zip(&mut *roundeds).zip(biases);
                let rows = tos.iter_mut().zip(gs).zip(us).zip(exacts);
                for ((((low, high), rounded), bias), (((to, &g), &u), &exact)) in totals.zip(rows) {
                    let (below, above, inside) = split(g, exact);
                    *low = simd.add_f32s(*low, below);
                    *high = simd.add_f32s(*high, above);
                    *bias = simd.add_f32s(*bias, inside);
                    *rounded = simd.add_f32s(*rounded, added(u, exact, inside));
                    *to = inside;
                }
                if !to.is_empty() {
                    let load = |values: &[f32]| simd.partial_load_f32s(values);
                    let (u, exact) = (load(u), load(exact));
                    let (below, above, inside) = split(load(g), exact);
                    simd.partial_store_f32s(low, simd.add_f32s(load(low), below));
                    simd.partial_store_f32s(high, simd.add_f32s(load(high), above));
                    simd.partial_store_f32s(bias, simd.add_f32s(load(bias), inside));
                    let added = added(u, exact, inside);
                    simd.partial_store_f32s(rounded, simd.add_f32s(load(rounded), added));
                    simd.partial_store_f32s(to, inside);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::integers::{Finish, Size};
    use super::super::requantise::requantise;
    use super::*;

    #[test]
    fn rounding_passes_gradients_and_saturation_stops_them() {
        let map = Map {
            height: 1,
            width: 4,
            channels: 1,
        };
        let size = Size {
            outputs: 1,
            rows: 1,
            columns: 1,
            inputs: 1,
        };
        // A ratio of a quarter: halves are rounded up.
        let finish = Finish::Round {
            bias: vec![1],
            multiplier: vec![1 << 30],
        };
        let conv = Conv::of(size, vec![1.0], vec![0.25], finish);
        let whole = Lattice::whole(map);
        let (mut u, mut exact, mut to) = ([0.0; 4], [0.0; 4], [0.0; 4]);
        let channels = conv.forward.width();
        let mut products = vec![0.0; 4 * channels];
        for (row, sum) in products.chunks_exact_mut(channels).zip([-9.0, 1.0, 2.0, 1100.0]) {
            row[0] = sum;
        }
        requantise(
            &conv,
            map,
            (&products, Lattice::whole(Map { channels, ..map })),
            (&mut u, whole),
            (&mut exact, whole),
        );
        assert_eq!(u, [0.0, 1.0, 1.0, 255.0]);
        assert_eq!(exact, [-2.0, 0.5, 0.75, 275.25]);
        let mut sums = ConvSums::new(&conv, Order::OutputsLast, 1);
        Settle {
            map,
            outputs: 1,
            g: (&[1.0, 2.0, 4.0, 8.0], whole),
            bytes: (&u, whole),
            exact: (&exact, whole),
            to: (&mut to, whole),
            sums: &mut sums,
        }
        .run();
        assert_eq!(to, [0.0, 2.0, 4.0, 0.0]);
        let found = [sums.low[0], sums.bias[0], sums.rounded[0], sums.high[0]];
        assert_eq!(found, [1.0, 6.0, 2.0 * 0.5 + 4.0 * 0.25, 8.0]);
    }
}
