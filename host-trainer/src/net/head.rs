//! The end: batch norm, ReLU, global average, linear layer, forward and backward.

use super::Linear;
use super::memory::Scratch;
use super::norm::{Active, Rows};
use super::simd::{by_groups, load, store};
use crate::spec::Map;
use pulp::{Simd, WithSimd};

/// Averages relu(scale * x + shift), or x itself without a norm, over each image.
pub(super) struct Average<'a> {
    pub(super) x: &'a [f32],
    pub(super) map: Map,
    /// Channels that mean something.
    pub(super) channels: usize,
    pub(super) norm: Option<&'a Active>,
    /// `[image][c]`, padded like the map.
    pub(super) to: &'a mut [f32],
}

impl WithSimd for Average<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let stride = self.map.channels;
        let each = self.x.chunks_exact(self.map.pixels() * stride);
        for (x, to) in each.zip(self.to.chunks_exact_mut(stride)) {
            by_groups!(
                self.channels,
                average_group,
                simd,
                self.norm,
                Rows::new(x, stride),
                &mut *to
            );
        }
    }
}

/// The share of one pixel in an image's average.
#[inline(always)]
fn share<S: Simd>(simd: S, x: Rows<'_>) -> S::f32s {
    simd.splat_f32s(1.0 / (x.values.len() / x.stride) as f32)
}

#[inline(always)]
fn average_group<S: Simd, const V: usize>(
    first: usize,
    simd: S,
    norm: Option<&Active>,
    x: Rows<'_>,
    to: &mut [f32],
) {
    let share = share(simd, x);
    let zero = simd.splat_f32s(0.0);
    let mut sum = [zero; V];
    if let Some(norm) = norm {
        let scale = load::<S, V>(&norm.scale, first);
        let shift = load::<S, V>(&norm.shift, first);
        for x in x.iter() {
            let x = load::<S, V>(x, first);
            for v in 0..V {
                let y = simd.mul_add_e_f32s(x[v], scale[v], shift[v]);
                sum[v] = simd.add_f32s(sum[v], simd.max_f32s(y, zero));
            }
        }
    } else {
        for x in x.iter() {
            let x = load::<S, V>(x, first);
            for v in 0..V {
                sum[v] = simd.add_f32s(sum[v], x[v]);
            }
        }
    }
    for sum in &mut sum {
        *sum = simd.mul_f32s(*sum, share);
    }
    store::<S, V>(to, first, sum);
}

/// The gradient of [`Average`]. It is the last reader of its block, so it sets the block's gradients.
pub(super) struct Spread<'a> {
    pub(super) x: &'a [f32],
    pub(super) g: &'a mut [f32],
    pub(super) map: Map,
    /// Channels that mean something.
    pub(super) channels: usize,
    pub(super) norm: Option<&'a Active>,
    /// Gradients of the averages, `[image][c]`, padded like the map.
    pub(super) from: &'a [f32],
    pub(super) scratch: &'a mut Scratch,
}

/// An image and the gradients of its averages.
#[derive(Clone, Copy)]
struct Averaged<'a> {
    x: Rows<'a>,
    from: &'a [f32],
}

impl WithSimd for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (stride, channels) = (self.map.channels, self.channels);
        let size = self.map.pixels() * stride;
        let sums = &mut self.scratch.sums;
        sums.start(channels);
        let each = self.x.chunks_exact(size).zip(self.g.chunks_exact_mut(size));
        for ((x, g), from) in each.zip(self.from.chunks_exact(stride)) {
            let (x, g) = (Rows::new(x, stride), &mut *g);
            by_groups!(
                self.channels,
                spread_group,
                simd,
                (self.norm, Averaged { x, from }),
                &mut *g,
                &mut sums.near
            );
            sums.fold();
        }
    }
}

#[inline(always)]
fn spread_group<S: Simd, const V: usize>(
    first: usize,
    simd: S,
    (norm, Averaged { x, from }): (Option<&Active>, Averaged<'_>),
    g: &mut [f32],
    [sums, seconds]: &mut [Vec<f32>; 2],
) {
    let share = share(simd, x);
    let zero = simd.splat_f32s(0.0);
    let mut from = load::<S, V>(from, first);
    for from in &mut from {
        *from = simd.mul_f32s(*from, share);
    }
    let Some(norm) = norm else {
        for g in g.chunks_exact_mut(x.stride) {
            store::<S, V>(g, first, from);
        }
        return;
    };
    let scale = load::<S, V>(&norm.scale, first);
    let shift = load::<S, V>(&norm.shift, first);
    let mean = load::<S, V>(&norm.mean, first);
    let mut sum = load::<S, V>(sums, first);
    let mut second = load::<S, V>(seconds, first);
    for (x, g) in x.iter().zip(g.chunks_exact_mut(x.stride)) {
        let mut x = load::<S, V>(x, first);
        for v in 0..V {
            let on = simd.greater_than_f32s(simd.mul_add_e_f32s(x[v], scale[v], shift[v]), zero);
            let d = simd.select_f32s(on, from[v], zero);
            sum[v] = simd.add_f32s(sum[v], d);
            second[v] = simd.mul_add_e_f32s(d, simd.sub_f32s(x[v], mean[v]), second[v]);
            x[v] = simd.mul_f32s(scale[v], d);
        }
        store::<S, V>(g, first, x);
    }
    store::<S, V>(sums, first, sum);
    store::<S, V>(seconds, first, second);
}

/// Logits of averages that lie `stride` floats apart, `[image][class]`.
pub(super) fn linear(head: &Linear, averages: &[f32], stride: usize, logits: &mut [f32]) {
    let each = averages
        .chunks_exact(stride)
        .zip(logits.chunks_exact_mut(head.outputs));
    for (averages, logits) in each {
        let rows = head.weight.chunks_exact(head.inputs).zip(&head.bias);
        for (logit, (row, bias)) in logits.iter_mut().zip(rows) {
            *logit = bias + row.iter().zip(averages).map(|(w, a)| w * a).sum::<f32>();
        }
    }
}

/// The gradient of [`linear`]: that of its weights, and that of the averages.
pub(super) fn linear_back(
    head: &Linear,
    averages: &[f32],
    stride: usize,
    logits: &[f32],
    gradient: &mut Linear,
) -> Vec<f32> {
    gradient.weight.fill(0.0);
    gradient.bias.fill(0.0);
    let mut back = vec![0.0; averages.len()];
    let each = averages.chunks_exact(stride).zip(back.chunks_exact_mut(stride));
    for ((averages, back), logits) in each.zip(logits.chunks_exact(head.outputs)) {
        for (o, d) in logits.iter().enumerate() {
            gradient.bias[o] += d;
            let row = o * head.inputs..(o + 1) * head.inputs;
            let weights = head.weight[row.clone()].iter().zip(&mut gradient.weight[row]);
            for (((w, g), a), back) in weights.zip(averages).zip(&mut *back) {
                *g += d * a;
                *back += d * w;
            }
        }
    }
    back
}

#[cfg(test)]
mod tests {
    use super::super::reference::{SMALL, check};

    #[test]
    fn gradients_are_those_of_finite_differences() {
        check(SMALL, "head");
        check(SMALL, "final_norm");
        check(&SMALL.replace("theta", "final_norm = false\ntheta"), "head");
    }
}
