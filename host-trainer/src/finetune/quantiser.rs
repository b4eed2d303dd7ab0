//! From sums to stored bytes, and the gradients back: where rounding passes and saturation stops.

use super::integers::{Conv, Finish, WIDE};
use super::lattice::Lattice;
use super::product::padded;
use crate::spec::Map;
use denselet::arithmetic;
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
    /// Of the gradient of each output, in bytes, times what it read: `[ky][kx][i][o]`, rows padded.
    pub(super) weight: Vec<f32>,
    /// Of the gradient of each output, where it was not saturated: `[o]`, or `[border][o]` in a plain layer.
    pub(super) bias: Vec<f32>,
    /// The same where it was saturated at 0.
    pub(super) low: Vec<f32>,
    /// The same where it was saturated at 255.
    pub(super) high: Vec<f32>,
    /// Of the gradient times what rounding added, where it was not saturated.
    pub(super) rounded: Vec<f32>,
}

impl ConvSums {
    pub(super) fn new(conv: &Conv, biases: usize) -> Self {
        let outputs = || vec![0.0; conv.outputs];
        Self {
            weight: vec![0.0; conv.rows * conv.columns * conv.inputs * padded(conv.outputs)],
            bias: vec![0.0; biases * conv.outputs],
            low: outputs(),
            high: outputs(),
            rounded: outputs(),
        }
    }

    pub(super) fn parts(&mut self) -> [&mut Vec<f32>; 5] {
        [
            &mut self.weight,
            &mut self.bias,
            &mut self.low,
            &mut self.high,
            &mut self.rounded,
        ]
    }
}

/// Sums of products into bytes at `to`, with what they were before rounding at `exact`.
pub(super) fn requantise(
    conv: &Conv,
    map: Map,
    sums: (&[f32], Lattice),
    to: (&mut [f32], Lattice),
    exact: (&mut [f32], Lattice),
) {
    let n = conv.outputs;
    Arch::new().dispatch(
        #[inline(always)]
        move || {
            for y in 0..map.height {
                for x in 0..map.width {
                    let sums = &sums.0[sums.1.at(y, x)..][..conv.forward.width()];
                    let u = &mut to.0[to.1.at(y, x)..][..n];
                    let exact = &mut exact.0[exact.1.at(y, x)..][..n];
                    match &conv.finish {
                        Finish::Round { bias, multiplier } => {
                            let factors = Factors {
                                bias: of_border(bias, n, map, y, x),
                                multiplier,
                                ratio: &conv.ratio,
                            };
                            let high = conv.is_wide.then(|| &sums[n..2 * n]);
                            factors.round(&sums[..n], high, u, exact);
                        }
                        #[cfg(test)]
                        Finish::Smooth { bias } => {
                            let bias = of_border(bias, n, map, y, x);
                            for o in 0..n {
                                exact[o] = (sums[o] + bias[o]) * conv.ratio[o];
                                u[o] = exact[o].clamp(0.0, 255.0);
                            }
                        }
                    }
                }
            }
        },
    );
}

/// What turns the sums of a pixel's outputs into bytes, per output.
#[derive(Clone, Copy)]
struct Factors<'a> {
    bias: &'a [i32],
    multiplier: &'a [i32],
    ratio: &'a [f32],
}

impl Factors<'_> {
    /// Writes the device's bytes to `u` and what they were before rounding to `exact`; `high` are the second parts of wide
    /// sums. Eight outputs at a time, then four, then one: values in arrays are compiled to vectors, and a layer has a
    /// multiple of four outputs as a rule.
    #[inline(always)]
    fn round(self, low: &[f32], high: Option<&[f32]>, u: &mut [f32], exact: &mut [f32]) {
        let mut at = 0;
        while let Some(next) = (at + 8 <= u.len()).then_some(at + 8) {
            self.some::<8>(at, low, high, (u, exact));
            at = next;
        }
        while let Some(next) = (at + 4 <= u.len()).then_some(at + 4) {
            self.some::<4>(at, low, high, (u, exact));
            at = next;
        }
        for at in at..u.len() {
            self.some::<1>(at, low, high, (u, exact));
        }
    }

    /// [`Factors::round`] of outputs `at..at + N`.
    #[inline(always)]
    fn some<const N: usize>(
        self,
        at: usize,
        low: &[f32],
        high: Option<&[f32]>,
        (u, exact): (&mut [f32], &mut [f32]),
    ) {
        let bias: [i32; N] = array(self.bias, at);
        let multiplier: [i32; N] = array(self.multiplier, at);
        let ratio: [f32; N] = array(self.ratio, at);
        let mut acc = array::<f32, N>(low, at).map(|low| low as i32);
        if let Some(high) = high {
            let high = array::<f32, N>(high, at).map(|high| (high * WIDE) as i32);
            acc = core::array::from_fn(|o| acc[o] + high[o]);
        }
        let acc: [i32; N] = core::array::from_fn(|o| acc[o].wrapping_add(bias[o]));
        let bytes: [f32; N] =
            core::array::from_fn(|o| f32::from(arithmetic::requantise(acc[o], multiplier[o])));
        u[at..at + N].copy_from_slice(&bytes);
        let before: [f32; N] = core::array::from_fn(|o| acc[o] as f32 * ratio[o]);
        exact[at..at + N].copy_from_slice(&before);
    }
}

/// `values[at..at + N]`.
#[inline(always)]
fn array<T: Copy + Default, const N: usize>(values: &[T], at: usize) -> [T; N] {
    let mut out = [T::default(); N];
    out.copy_from_slice(&values[at..at + N]);
    out
}

/// Biases of the border that a pixel lies at.
#[inline(always)]
fn of_border<T>(bias: &[T], outputs: usize, map: Map, y: usize, x: usize) -> &[T] {
    let kind = if bias.len() == BORDERS * outputs {
        border(map.height, map.width, y, x)
    } else {
        0
    };
    &bias[kind * outputs..][..outputs]
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
    use super::super::integers::Size;
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
        let mut sums = ConvSums::new(&conv, 1);
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
