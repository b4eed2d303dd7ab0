//! Sums of products to stored bytes, with the device's rounding and saturation. `quantiser` has the way back.

use super::integers::{Conv, Finish, WIDE};
use super::lattice::Lattice;
use crate::spec::Map;
use denselet::arithmetic;
use denselet::layout::{BORDERS, border};
use pulp::{Arch, Simd, WithSimd};

/// Sums of products into bytes at `to`, with what they were before rounding at `exact`.
pub(super) fn requantise(
    conv: &Conv,
    map: Map,
    sums: (&[f32], Lattice),
    to: (&mut [f32], Lattice),
    exact: (&mut [f32], Lattice),
) {
    Arch::new().dispatch(Requantise {
        conv,
        map,
        sums,
        to,
        exact,
    });
}

/// The arguments of [`requantise`]. A closure is not inlined into the dispatched code, and would be compiled without vectors.
struct Requantise<'a> {
    conv: &'a Conv,
    map: Map,
    sums: (&'a [f32], Lattice),
    to: (&'a mut [f32], Lattice),
    exact: (&'a mut [f32], Lattice),
}

impl WithSimd for Requantise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            conv,
            map,
            sums,
            to,
            exact,
        } = self;
        let n = conv.outputs;
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
    }
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
    /// sums. Eight outputs at a time, then four, then one: values in arrays are compiled to vectors if nothing branches, and a
    /// layer has a multiple of four outputs as a rule.
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
        let mut acc = array::<f32, N>(low, at).map(whole);
        if let Some(high) = high {
            let high = array::<f32, N>(high, at).map(|high| whole(high * WIDE));
            acc = core::array::from_fn(|o| acc[o].wrapping_add(high[o]));
        }
        let acc: [i32; N] = core::array::from_fn(|o| acc[o].wrapping_add(bias[o]));
        // As `arithmetic::requantise`, whose branches would not be compiled to vectors.
        let bytes: [f32; N] =
            core::array::from_fn(|o| arithmetic::scale(acc[o], multiplier[o]).clamp(0, 255) as f32);
        u[at..at + N].copy_from_slice(&bytes);
        let before: [f32; N] = core::array::from_fn(|o| acc[o] as f32 * ratio[o]);
        exact[at..at + N].copy_from_slice(&before);
    }
}

/// Returns a whole number in [-2^31, 2^31) as an integer. A cast saturates, which is not compiled to vectors.
#[inline(always)]
fn whole(value: f32) -> i32 {
    // 1.5 * 2^52: in the sum, the low bits of the fraction are the number in two's complement.
    const TO_FRACTION: f64 = 6_755_399_441_055_744.0;
    (f64::from(value) + TO_FRACTION).to_bits() as i32
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

#[cfg(test)]
mod tests {
    use super::super::integers::Size;
    use super::super::product::Matrix;
    use super::*;

    #[test]
    fn whole_numbers_become_integers() {
        for value in [0, 1, -1, 255, 16_777_215, -16_777_215, 1 << 30, i32::MIN] {
            assert_eq!(whole(value as f32), value);
        }
    }

    #[test]
    fn bytes_are_the_devices() {
        // Outputs in groups of eight, of four, and one by one.
        const OUTPUTS: usize = 14;
        let number = |at: usize| (at as i32).wrapping_mul(0x9e37_79b1u32 as i32);
        let size = Size {
            outputs: OUTPUTS,
            rows: 1,
            columns: 1,
            inputs: 1,
        };
        let map = Map {
            height: 1,
            width: 500,
            channels: OUTPUTS,
        };
        let bias: Vec<i32> = (0..OUTPUTS).map(|o| number(o) >> (2 * o + 1)).collect();
        let multiplier: Vec<i32> = (0..OUTPUTS).map(|o| i32::MAX >> (o + 1)).collect();
        let ratio: Vec<f32> = multiplier.iter().map(|&m| m as f32 / 4_294_967_296.0).collect();
        for is_wide in [false, true] {
            let finish = Finish::Round {
                bias: bias.clone(),
                multiplier: multiplier.clone(),
            };
            let mut conv = Conv::of(size, vec![1.0; OUTPUTS], ratio.clone(), finish);
            conv.is_wide = is_wide;
            if is_wide {
                conv.forward = Matrix::new(1, 2 * OUTPUTS, |_, _| 1.0);
            }
            let width = conv.forward.width();
            // From 1 to 24 bits.
            let products = (0..map.width * width).map(|at| (number(at) >> (8 + at % 24)) as f32);
            let products: Vec<f32> = products.collect();
            let mut u = vec![0.0; map.width * OUTPUTS];
            let mut exact = u.clone();
            let whole = Lattice::whole(map);
            let sums = Lattice::whole(Map {
                channels: width,
                ..map
            });
            requantise(
                &conv,
                map,
                (&products, sums),
                (&mut u, whole),
                (&mut exact, whole),
            );
            let mut bytes = [0; 256];
            for (x, products) in products.chunks_exact(width).enumerate() {
                for o in 0..OUTPUTS {
                    let high = if is_wide {
                        16 * products[OUTPUTS + o] as i32
                    } else {
                        0
                    };
                    let acc = products[o] as i32 + high + bias[o];
                    let byte = arithmetic::requantise(acc, multiplier[o]);
                    bytes[usize::from(byte)] += 1;
                    let at = x * OUTPUTS + o;
                    assert_eq!((u[at], exact[at]), (f32::from(byte), acc as f32 * ratio[o]));
                }
            }
            let is_between = bytes[1..255].iter().filter(|&&count| count > 0).count();
            assert!(bytes[0] > 0 && bytes[255] > 0 && is_between > 100, "{bytes:?}");
        }
    }
}
