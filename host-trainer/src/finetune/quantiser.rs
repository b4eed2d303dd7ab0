//! From sums to stored bytes, and the gradients back: where rounding passes and saturation stops.

use super::integers::{Conv, Finish, WIDE};
use super::lattice::Lattice;
use super::product::padded;
use crate::spec::Map;
use denselet::arithmetic;
use denselet::layout::{BORDERS, border};
use pulp::Arch;

/// Bytes, each a whole number, and what they were before they were rounded and saturated.
#[derive(Clone, Debug, Default)]
pub(super) struct Bytes {
    pub(super) u: Vec<f32>,
    pub(super) exact: Vec<f32>,
}

/// Sums of gradients that belong to one convolution, over everything a batch's share of pictures.
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
                            let bias = of_border(bias, n, map, y, x);
                            let (low, high) = sums.split_at(n);
                            let out = u.iter_mut().zip(exact);
                            let per_output = bias.iter().zip(multiplier).zip(&conv.ratio);
                            for (o, ((u, exact), ((&bias, &m), ratio))) in out.zip(per_output).enumerate() {
                                let high = high.get(o).map_or(0, |high| (high * WIDE) as i32);
                                let acc = (low[o] as i32 + high).wrapping_add(bias);
                                *u = f32::from(arithmetic::requantise(acc, m));
                                *exact = acc as f32 * ratio;
                            }
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
/// biases and ranges want to know.
pub(super) fn settle(
    map: Map,
    outputs: usize,
    g: (&[f32], Lattice),
    bytes: (&[f32], Lattice),
    exact: (&[f32], Lattice),
    to: (&mut [f32], Lattice),
    sums: &mut ConvSums,
) {
    let n = outputs;
    Arch::new().dispatch(
        #[inline(always)]
        move || {
            let ConvSums {
                bias,
                low,
                high,
                rounded,
                ..
            } = sums;
            let (low, high, rounded) = (&mut low[..n], &mut high[..n], &mut rounded[..n]);
            for y in 0..map.height {
                for x in 0..map.width {
                    let g = &g.0[g.1.at(y, x)..][..n];
                    let u = &bytes.0[bytes.1.at(y, x)..][..n];
                    let exact = &exact.0[exact.1.at(y, x)..][..n];
                    let to = &mut to.0[to.1.at(y, x)..][..n];
                    let kind = if bias.len() == BORDERS * n {
                        border(map.height, map.width, y, x)
                    } else {
                        0
                    };
                    let bias = &mut bias[kind * n..][..n];
                    for o in 0..n {
                        let below = if exact[o] < 0.0 { g[o] } else { 0.0 };
                        let above = if exact[o] > 255.0 { g[o] } else { 0.0 };
                        let inside = g[o] - below - above;
                        low[o] += below;
                        high[o] += above;
                        bias[o] += inside;
                        rounded[o] += inside * (u[o] - exact[o]);
                        to[o] = inside;
                    }
                }
            }
        },
    );
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
        settle(
            map,
            1,
            (&[1.0, 2.0, 4.0, 8.0], whole),
            (&u, whole),
            (&exact, whole),
            (&mut to, whole),
            &mut sums,
        );
        assert_eq!(to, [0.0, 2.0, 4.0, 0.0]);
        let found = [sums.low[0], sums.bias[0], sums.rounded[0], sums.high[0]];
        assert_eq!(found, [1.0, 6.0, 2.0 * 0.5 + 4.0 * 0.25, 8.0]);
    }
}
