//! The bottleneck: batch norm, ReLU, 1x1 convolution over a block buffer, forward and backward.

use super::Conv;
use super::dropout::Dropout;
use super::memory::{Scratch, Totals, runs};
use super::norm::{Active, Moments, Owed, Rows, RowsMut, Slot, Unsettled, activate, deliver, padded, settle};
use super::product::{Multiply, Outer, Panels, multiply, outer};
use super::simd::{PAD, by_groups, load, store};
use pulp::{Simd, WithSimd};

/// Pixels of one tile: with a hundred channels on either side it stays in the first two cache levels.
const TILE: usize = 64;
/// Tiles after which sums move to double precision.
const FOLD: usize = 16;

/// The weights as the forward pass reads them: `[i][o]`.
pub(super) fn forward_panels(conv: &Conv, lanes: usize) -> Panels {
    Panels::new(lanes, conv.inputs, conv.outputs, |i, o| {
        conv.weight[o * conv.inputs + i]
    })
}

/// The weights as the backward pass reads them: `[o][i]`.
pub(super) fn backward_panels(conv: &Conv, lanes: usize) -> Panels {
    Panels::new(lanes, conv.outputs, conv.inputs, |o, i| {
        conv.weight[o * conv.inputs + i]
    })
}

/// What happens to a convolution's sums before anybody reads them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finish<'a> {
    /// Added to each output.
    pub(super) bias: Option<&'a [f32]>,
    /// Applied after it.
    pub(super) dropout: Option<Dropout>,
}

impl Finish<'_> {
    /// Finishes rows of `channels` sums, `width` floats apart; `at` is the first row's pixel among the batch's.
    #[inline(always)]
    pub(super) fn apply(self, sums: &mut [f32], channels: usize, width: usize, at: usize) {
        if let Some(bias) = self.bias {
            for row in sums.chunks_mut(width) {
                for (sum, bias) in row.iter_mut().zip(bias) {
                    *sum += bias;
                }
            }
        }
        if let Some(dropout) = self.dropout {
            for (pixel, row) in sums.chunks_mut(width).enumerate() {
                dropout.apply(&mut row[..channels], (at + pixel) * channels);
            }
        }
    }
}

/// Adds the columns of `rows`, the gradient of a bias.
pub(super) fn add_columns(rows: &[f32], width: usize, to: &mut [f32]) {
    for row in rows.chunks(width) {
        for (sum, value) in to.iter_mut().zip(row) {
            *sum += value;
        }
    }
}

/// z[pixel][o] = sum over i of w[o][i] relu(scale_i x_i + shift_i), and the sums of z and of its squares.
pub(super) struct Forward<'a> {
    /// Block buffer of the job's images.
    pub(super) x: &'a [f32],
    /// Floats from one of its pixels to the next.
    pub(super) stride: usize,
    pub(super) norm: &'a Active,
    pub(super) weights: &'a Panels,
    pub(super) finish: Finish<'a>,
    /// Bottleneck outputs, `[pixel][o]`, padded.
    pub(super) z: &'a mut [f32],
    pub(super) outputs: usize,
    /// The job's first pixel among the batch's.
    pub(super) first: usize,
    pub(super) scratch: &'a mut Scratch,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (stride, outputs, width) = (self.stride, self.outputs, self.weights.width);
        let (inputs, z_stride) = (self.norm.channels, outputs.next_multiple_of(PAD));
        let step = inputs.next_multiple_of(S::F32_LANES);
        let Scratch { a, c, sums, .. } = self.scratch;
        sums.start(outputs);
        for (tile, (start, len)) in runs(self.z.len() / z_stride, TILE).enumerate() {
            let x = Rows::new(&self.x[start * stride..(start + len) * stride], stride);
            let a = a.get(len * step);
            activate(simd, self.norm, x, RowsMut::new(a, step));
            let c = c.get(len * width);
            multiply(
                S::F32_LANES,
                Multiply {
                    a: &[a],
                    a_step: step,
                    a_row: 0,
                    len: inputs,
                    rows: 1,
                    pixels: len,
                    b: self.weights,
                    c,
                },
            );
            self.finish.apply(c, outputs, width, self.first + start);
            let z = &mut self.z[start * z_stride..(start + len) * z_stride];
            let z = Slot {
                rows: RowsMut::new(z, z_stride),
                first: 0,
            };
            deliver(simd, outputs, Rows::new(c, width), z, &mut sums.near);
            if tile % FOLD == FOLD - 1 {
                sums.fold();
            }
        }
        sums.fold();
    }
}

/// The gradient of [`Forward`]: weights, and what reaches the block buffer before the batch statistics' share.
pub(super) struct Backward<'a> {
    pub(super) x: &'a [f32],
    /// Gradients of the block buffer, added to.
    pub(super) g: &'a mut [f32],
    pub(super) stride: usize,
    pub(super) norm: &'a Active,
    /// Bottleneck outputs.
    pub(super) z: &'a [f32],
    /// Gradients after the batch norm of the bottleneck, with the ReLU already passed.
    pub(super) d: &'a [f32],
    /// What batch statistics owe to them.
    pub(super) owed: &'a Owed,
    /// Scales of the bottleneck's own batch norm.
    pub(super) scale: &'a [f32],
    pub(super) dropout: Option<Dropout>,
    pub(super) has_bias: bool,
    pub(super) weights: &'a Panels,
    pub(super) first: usize,
    pub(super) scratch: &'a mut Scratch,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let stride = self.stride;
        let (inputs, outputs) = (self.norm.channels, self.owed.channels);
        let (wide_in, wide_out) = (self.weights.width, outputs.next_multiple_of(S::F32_LANES));
        let z_stride = outputs.next_multiple_of(PAD);
        let step = inputs.next_multiple_of(S::F32_LANES);
        let Scratch {
            a,
            b,
            c,
            weight,
            bias,
            sums,
            ..
        } = self.scratch;
        sums.start(inputs);
        bias.clear();
        bias.resize(outputs, 0.0);
        let weight = weight.zeros(inputs * wide_out);
        for (tile, (start, len)) in runs(self.z.len() / z_stride, TILE).enumerate() {
            let pixels = start * z_stride..(start + len) * z_stride;
            let z = Rows::new(&self.z[pixels.clone()], z_stride);
            let d = Rows::new(&self.d[pixels], z_stride);
            let dz = b.get(len * wide_out);
            let from = Unsettled {
                owed: self.owed,
                factor: Some(self.scale),
                g: d,
                x: z,
            };
            settle(simd, &from, RowsMut::new(dz, wide_out));
            if let Some(dropout) = self.dropout {
                let finish = Finish {
                    bias: None,
                    dropout: Some(dropout),
                };
                finish.apply(dz, outputs, wide_out, self.first + start);
            }
            if self.has_bias {
                add_columns(dz, wide_out, bias);
            }
            let block = start * stride..(start + len) * stride;
            let x = Rows::new(&self.x[block.clone()], stride);
            let a = a.get(len * step);
            activate(simd, self.norm, x, RowsMut::new(a, step));
            outer(
                S::F32_LANES,
                Outer {
                    a,
                    a_step: step,
                    a_row: 0,
                    b: dz,
                    b_step: wide_out,
                    b_row: 0,
                    width: wide_out,
                    rows: 1,
                    pixels: len,
                    m: inputs,
                    c: weight,
                },
            );
            let c = c.get(len * wide_in);
            multiply(
                S::F32_LANES,
                Multiply {
                    a: &[dz],
                    a_step: wide_out,
                    a_row: 0,
                    len: outputs,
                    rows: 1,
                    pixels: len,
                    b: self.weights,
                    c,
                },
            );
            let given = Given {
                norm: self.norm,
                x,
                a: Rows::new(a, step),
                products: Rows::new(c, wide_in),
            };
            give(
                simd,
                &given,
                RowsMut::new(&mut self.g[block], stride),
                &mut sums.near,
            );
            if tile % FOLD == FOLD - 1 {
                sums.fold();
            }
        }
        sums.fold();
    }
}

/// Products on their way back through a batch norm and ReLU.
pub(super) struct Given<'a> {
    pub(super) norm: &'a Active,
    /// What the batch norm reads.
    pub(super) x: Rows<'a>,
    /// What the ReLU leaves.
    pub(super) a: Rows<'a>,
    pub(super) products: Rows<'a>,
}

/// Passes products back through ReLU and scale into the gradient buffer, and sums d and d (x - mean).
#[inline(always)]
pub(super) fn give<S: Simd>(simd: S, from: &Given<'_>, mut g: RowsMut<'_>, sums: &mut [Vec<f32>; 2]) {
    by_groups!(from.norm.channels, give_group, simd, from, &mut g, &mut *sums);
}

#[inline(always)]
fn give_group<S: Simd, const V: usize>(
    first: usize,
    simd: S,
    from: &Given<'_>,
    RowsMut { values: g, stride }: &mut RowsMut<'_>,
    [sums, seconds]: &mut [Vec<f32>; 2],
) {
    let Given { norm, x, a, products } = *from;
    let stride = *stride;
    let zero = simd.splat_f32s(0.0);
    let scale = load::<S, V>(&norm.scale, first);
    let mean = load::<S, V>(&norm.mean, first);
    let mut sum = load::<S, V>(sums, first);
    let mut second = load::<S, V>(seconds, first);
    let rows = x.iter().zip(a.iter()).zip(products.iter());
    for (((x, a), c), g) in rows.zip(g.chunks_exact_mut(stride)) {
        let (x, a, c) = (
            load::<S, V>(x, first),
            load::<S, V>(a, first),
            load::<S, V>(c, first),
        );
        let mut kept = load::<S, V>(g, first);
        for v in 0..V {
            let d = simd.select_f32s(simd.greater_than_f32s(a[v], zero), c[v], zero);
            sum[v] = simd.add_f32s(sum[v], d);
            second[v] = simd.mul_add_e_f32s(d, simd.sub_f32s(x[v], mean[v]), second[v]);
            kept[v] = simd.mul_add_e_f32s(scale[v], d, kept[v]);
        }
        store::<S, V>(g, first, kept);
    }
    store::<S, V>(sums, first, sum);
    store::<S, V>(seconds, first, second);
}

/// What the batch statistics of a bottleneck owe to its gradients, before its scale: sums of d and d (z - mean).
pub(super) fn owed(active: &Active, moments: &Moments, totals: &Totals) -> Owed {
    let ([firsts, seconds], count) = (&totals.sums, totals.count);
    let constant = firsts.iter().map(|sum| (sum / count as f64) as f32).collect();
    let slope = (seconds.iter().zip(&active.inverse))
        .map(|(sum, inverse)| {
            let inverse = f64::from(*inverse);
            (sum * inverse * inverse / count as f64) as f32
        })
        .collect();
    Owed {
        channels: active.channels,
        mean: padded(moments.mean.clone()),
        constant: padded(constant),
        slope: padded(slope),
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{SMALL, check};

    #[test]
    fn gradients_are_those_of_finite_differences() {
        check(SMALL, "conv1");
        check(SMALL, "norm1");
    }

    #[test]
    fn dropout_after_the_bottleneck_is_differentiated() {
        check(&SMALL.replace("theta", "dropout = 0.3\ntheta"), "conv1");
    }
}
