//! Between blocks: batch norm, ReLU, 2x2 average, 1x1 convolution, forward and backward.
//!
//! The paper convolves and then averages. Both are linear, so averaging first gives the same function for a quarter
//! of the work. (Only dropout, which stands between the two, then drops averages instead of what they are made of.)

use super::conv1x1::{Finish, add_columns};
use super::dropout::Dropout;
use super::memory::{Scratch, runs};
use super::norm::{Active, Owed, Rows, RowsMut, Slot, Unsettled, deliver, settle};
use super::product::{Multiply, Outer, Panels, multiply, outer};
use super::simd::{by_groups, load, store};
use crate::spec::Map;
use pulp::{Simd, WithSimd};

/// Averaged pixels of one tile.
const TILE: usize = 64;

/// Rows averaged together: 2, or 1 where the map has one row.
fn rows(map: Map) -> usize {
    if map.height == 1 { 1 } else { 2 }
}

/// The neighbourhoods of the output pixels from `start` on.
#[derive(Clone, Copy)]
struct Neighbourhoods<'a> {
    norm: &'a Active,
    x: &'a [f32],
    map: Map,
    start: usize,
}

/// Averages max(scale * x + shift, floor) over neighbourhoods.
#[inline(always)]
fn average<S: Simd>(simd: S, from: Neighbourhoods<'_>, mut to: RowsMut<'_>) {
    by_groups!(from.norm.channels, average_group, simd, from, &mut to);
}

#[inline(always)]
fn average_group<S: Simd, const V: usize>(
    first: usize,
    simd: S,
    Neighbourhoods { norm, x, map, start }: Neighbourhoods<'_>,
    RowsMut {
        values: to,
        stride: width,
    }: &mut RowsMut<'_>,
) {
    let (stride, half, rows) = (map.channels, map.width / 2, rows(map));
    let share = simd.splat_f32s(1.0 / (2 * rows) as f32);
    let (zero, floor) = (simd.splat_f32s(0.0), simd.splat_f32s(norm.floor));
    let scale = load::<S, V>(&norm.scale, first);
    let shift = load::<S, V>(&norm.shift, first);
    let (mut y, mut column) = (start / half, start % half);
    for to in to.chunks_exact_mut(*width) {
        let mut sum = [zero; V];
        for row in 0..rows {
            let at = ((y * rows + row) * map.width + 2 * column) * stride;
            for x in x[at..at + 2 * stride].chunks_exact(stride) {
                let x = load::<S, V>(x, first);
                for v in 0..V {
                    let value = simd.mul_add_e_f32s(x[v], scale[v], shift[v]);
                    sum[v] = simd.add_f32s(sum[v], simd.max_f32s(value, floor));
                }
            }
        }
        for sum in &mut sum {
            *sum = simd.mul_f32s(*sum, share);
        }
        store::<S, V>(to, first, sum);
        column += 1;
        if column == half {
            (y, column) = (y + 1, 0);
        }
    }
}

/// Fills the first channels of the next block buffer, and sums them and their squares.
pub(super) struct Forward<'a> {
    pub(super) x: &'a [f32],
    pub(super) map: Map,
    pub(super) norm: &'a Active,
    pub(super) weights: &'a Panels,
    pub(super) finish: Finish<'a>,
    /// Next block buffer of the job's images.
    pub(super) next: &'a mut [f32],
    pub(super) next_map: Map,
    pub(super) outputs: usize,
    pub(super) first: usize,
    pub(super) scratch: &'a mut Scratch,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let inputs = self.norm.channels;
        let step = inputs.next_multiple_of(S::F32_LANES);
        let (stride, width) = (self.next_map.channels, self.weights.width);
        let per_image = self.next_map.pixels();
        let Scratch { a, c, sums, .. } = self.scratch;
        sums.start(self.outputs);
        let each = self
            .x
            .chunks_exact(self.map.pixels() * self.map.channels)
            .zip(self.next.chunks_exact_mut(per_image * stride));
        for (n, (x, next)) in each.enumerate() {
            for (start, len) in runs(per_image, TILE) {
                let a = a.get(len * step);
                let from = Neighbourhoods {
                    norm: self.norm,
                    x,
                    map: self.map,
                    start,
                };
                average(simd, from, RowsMut::new(a, step));
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
                self.finish
                    .apply(c, self.outputs, width, self.first + n * per_image + start);
                let to = &mut next[start * stride..(start + len) * stride];
                let to = Slot {
                    rows: RowsMut::new(to, stride),
                    first: 0,
                };
                deliver(simd, self.outputs, Rows::new(c, width), to, &mut sums.near);
            }
            sums.fold();
        }
    }
}

/// The gradient of [`Forward`]. It is the last reader of its block, so it sets the block's gradients.
pub(super) struct Backward<'a> {
    pub(super) x: &'a [f32],
    pub(super) g: &'a mut [f32],
    pub(super) map: Map,
    pub(super) norm: &'a Active,
    pub(super) next: &'a [f32],
    pub(super) next_g: &'a [f32],
    pub(super) next_map: Map,
    /// What batch statistics owe to the next buffer's first channels.
    pub(super) owed: &'a Owed,
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
        let (inputs, outputs) = (self.norm.channels, self.owed.channels);
        let (wide_in, wide_out) = (self.weights.width, outputs.next_multiple_of(S::F32_LANES));
        let step = inputs.next_multiple_of(S::F32_LANES);
        let stride = self.next_map.channels;
        let (per_image, size) = (self.next_map.pixels(), self.map.pixels() * self.map.channels);
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
        let odd = (rows(self.map) == 2 && self.map.height % 2 == 1) || self.map.width % 2 == 1;
        for (n, (x, g)) in self
            .x
            .chunks_exact(size)
            .zip(self.g.chunks_exact_mut(size))
            .enumerate()
        {
            if odd {
                g.fill(0.0);
            }
            for (start, len) in runs(per_image, TILE) {
                let at = n * per_image + start;
                let block = at * stride..(at + len) * stride;
                let dy = b.get(len * wide_out);
                let next_g = Rows::new(&self.next_g[block.clone()], stride);
                let next = Rows::new(&self.next[block], stride);
                let unsettled = Unsettled {
                    owed: self.owed,
                    factor: None,
                    g: next_g,
                    x: next,
                };
                settle(simd, &unsettled, RowsMut::new(dy, wide_out));
                if let Some(dropout) = self.dropout {
                    let finish = Finish {
                        bias: None,
                        dropout: Some(dropout),
                    };
                    finish.apply(dy, outputs, wide_out, self.first + at);
                }
                if self.has_bias {
                    add_columns(dy, wide_out, bias);
                }
                let a = a.get(len * step);
                let from = Neighbourhoods {
                    norm: self.norm,
                    x,
                    map: self.map,
                    start,
                };
                average(simd, from, RowsMut::new(a, step));
                outer(
                    S::F32_LANES,
                    Outer {
                        a,
                        a_step: step,
                        a_row: 0,
                        b: dy,
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
                        a: &[dy],
                        a_step: wide_out,
                        a_row: 0,
                        len: outputs,
                        rows: 1,
                        pixels: len,
                        b: self.weights,
                        c,
                    },
                );
                spread(simd, from, Rows::new(c, wide_in), g, &mut sums.near);
            }
            sums.fold();
        }
    }
}

/// Gives each neighbourhood its share of a product, back through ReLU and scale, and sums d and d (x - mean).
#[inline(always)]
fn spread<S: Simd>(
    simd: S,
    to: Neighbourhoods<'_>,
    products: Rows<'_>,
    g: &mut [f32],
    sums: &mut [Vec<f32>; 2],
) {
    by_groups!(
        to.norm.channels,
        spread_group,
        simd,
        (to, products),
        &mut *g,
        &mut *sums
    );
}

#[inline(always)]
fn spread_group<S: Simd, const V: usize>(
    first: usize,
    simd: S,
    (to, products): (Neighbourhoods<'_>, Rows<'_>),
    g: &mut [f32],
    [sums, seconds]: &mut [Vec<f32>; 2],
) {
    let Neighbourhoods { norm, x, map, start } = to;
    let (stride, half, rows) = (map.channels, map.width / 2, rows(map));
    let share = simd.splat_f32s(1.0 / (2 * rows) as f32);
    let (zero, floor) = (simd.splat_f32s(0.0), simd.splat_f32s(norm.floor));
    let scale = load::<S, V>(&norm.scale, first);
    let shift = load::<S, V>(&norm.shift, first);
    let mean = load::<S, V>(&norm.mean, first);
    let mut sum = load::<S, V>(sums, first);
    let mut second = load::<S, V>(seconds, first);
    let (mut y, mut column) = (start / half, start % half);
    for c in products.iter() {
        let mut c = load::<S, V>(c, first);
        for c in &mut c {
            *c = simd.mul_f32s(*c, share);
        }
        for row in 0..rows {
            let at = ((y * rows + row) * map.width + 2 * column) * stride;
            let x = x[at..at + 2 * stride].chunks_exact(stride);
            for (x, g) in x.zip(g[at..at + 2 * stride].chunks_exact_mut(stride)) {
                let mut x = load::<S, V>(x, first);
                for v in 0..V {
                    let on = simd.greater_than_f32s(simd.mul_add_e_f32s(x[v], scale[v], shift[v]), floor);
                    let d = simd.select_f32s(on, c[v], zero);
                    sum[v] = simd.add_f32s(sum[v], d);
                    second[v] = simd.mul_add_e_f32s(d, simd.sub_f32s(x[v], mean[v]), second[v]);
                    x[v] = simd.mul_f32s(scale[v], d);
                }
                store::<S, V>(g, first, x);
            }
        }
        column += 1;
        if column == half {
            (y, column) = (y + 1, 0);
        }
    }
    store::<S, V>(sums, first, sum);
    store::<S, V>(seconds, first, second);
}

#[cfg(test)]
mod tests {
    use super::super::reference::{SMALL, check};

    #[test]
    fn gradients_are_those_of_finite_differences() {
        check(SMALL, "transition");
        check(&SMALL.replace("theta", "dropout = 0.3\ntheta"), "transition");
    }

    #[test]
    fn a_linear_transition_is_differentiated() {
        let linear = SMALL.replace(
            "[2, 2]",
            "[{ widths = [2, 3], transition = 4, linear = true }, 2]",
        );
        check(&linear, "transition");
        check(&linear, "blocks.0");
    }

    #[test]
    fn a_last_transition_feeds_the_head() {
        let spec = SMALL.replace("[2, 2]", "[2, { widths = [4], transition = 7 }]");
        check(&spec, "blocks.1");
        check(&spec.replace("theta", "final_norm = false\ntheta"), "blocks.1");
    }
}
