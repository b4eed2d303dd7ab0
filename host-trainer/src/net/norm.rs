//! Batch norm in training: statistics once per produced channel, one scale and shift per consumer.
//!
//! With x the channel, r its consumers and N the batch's pixels, every consumer's backward pass is
//! dx = s_r (d - mean(d) - xhat mean(d xhat)). The first term is added to the gradient buffer at once; the other two are the same
//! function of x for all consumers, so their factors are summed per channel ([`Pull`]) and applied once, when the
//! channel's own producer reads its gradient.

use super::BatchNorm;
use super::memory::Totals;
use super::ranks::Sharing;
use super::simd::{PAD, by_groups, load, store};
use pulp::Simd;

/// Batch statistics of channels.
#[derive(Debug, Default)]
pub(super) struct Moments {
    /// Means.
    pub(super) mean: Vec<f32>,
    /// Variances, divided by the count.
    pub(super) var: Vec<f32>,
}

impl Moments {
    pub(super) fn new(channels: usize) -> Self {
        Self {
            mean: vec![0.0; channels],
            var: vec![1.0; channels],
        }
    }

    /// Takes the sums of values and of their squares for the channels from `slot` on.
    pub(super) fn take(&mut self, slot: usize, totals: &Totals) {
        let [sums, squares] = &totals.sums;
        let count = totals.count as f64;
        for (c, (sum, square)) in sums.iter().zip(squares).enumerate() {
            let mean = sum / count;
            self.mean[slot + c] = mean as f32;
            self.var[slot + c] = (square / count - mean * mean).max(0.0) as f32;
        }
    }
}

/// A batch norm as its consumers apply it: y = scale * x + shift, padded.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) channels: usize,
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
    /// Means the scale and shift were made from.
    pub(super) mean: Vec<f32>,
    /// One over the standard deviation.
    pub(super) inverse: Vec<f32>,
    /// The smallest value that is left: 0 with the ReLU, minus infinity without.
    pub(super) floor: f32,
}

impl Active {
    /// With the batch's statistics.
    pub(super) fn batch(norm: &BatchNorm, moments: &Moments) -> Self {
        let channels = norm.channels();
        Self::of(norm, &moments.mean[..channels], &moments.var[..channels])
    }

    /// With the running statistics.
    pub(super) fn running(norm: &BatchNorm) -> Self {
        Self::of(norm, &norm.mean, &norm.var)
    }

    /// Leaves `channels` channels as they are: a transition without batch norm and ReLU.
    pub(super) fn pass(channels: usize) -> Self {
        Self {
            channels,
            scale: padded(vec![1.0; channels]),
            shift: padded(vec![0.0; channels]),
            mean: padded(vec![0.0; channels]),
            inverse: padded(vec![1.0; channels]),
            floor: f32::NEG_INFINITY,
        }
    }

    fn of(norm: &BatchNorm, mean: &[f32], var: &[f32]) -> Self {
        let inverse: Vec<f32> = var.iter().map(|var| 1.0 / (var + norm.epsilon).sqrt()).collect();
        let scale: Vec<f32> = norm
            .gamma
            .iter()
            .zip(&inverse)
            .map(|(g, inverse)| g * inverse)
            .collect();
        let shift = (norm.beta.iter().zip(mean).zip(&scale))
            .map(|((beta, mean), s)| beta - mean * s)
            .collect();
        Self {
            channels: norm.channels(),
            scale: padded(scale),
            shift: padded(shift),
            mean: padded(mean.to_vec()),
            inverse: padded(inverse),
            floor: 0.0,
        }
    }
}

/// Moves the running statistics a tenth of the way to the batch's.
pub(super) fn follow(norm: &mut BatchNorm, moments: &Moments, count: usize) {
    const MOMENTUM: f32 = 0.1;
    let unbiased = count as f32 / (count.max(2) - 1) as f32;
    for (running, mean) in norm.mean.iter_mut().zip(&moments.mean) {
        *running += MOMENTUM * (mean - *running);
    }
    for (running, var) in norm.var.iter_mut().zip(&moments.var) {
        *running += MOMENTUM * (var * unbiased - *running);
    }
}

/// What the consumers of channels still owe to their gradients: g - (constant + (x - mean) * slope).
#[derive(Debug, Default)]
pub(super) struct Pull {
    constant: Vec<f64>,
    slope: Vec<f64>,
}

/// The factors of [`Pull`] for some channels, ready for use, padded.
#[derive(Debug)]
pub(super) struct Owed {
    pub(super) channels: usize,
    pub(super) mean: Vec<f32>,
    pub(super) constant: Vec<f32>,
    pub(super) slope: Vec<f32>,
}

impl Pull {
    pub(super) fn new(channels: usize) -> Self {
        Self {
            constant: vec![0.0; channels],
            slope: vec![0.0; channels],
        }
    }

    pub(super) fn clear(&mut self) {
        self.constant.fill(0.0);
        self.slope.fill(0.0);
    }

    /// Takes a consumer's sums of d and of d (x - mean) over this rank's images, and writes its own gradients.
    pub(super) fn take(
        &mut self,
        active: &Active,
        totals: Totals,
        sharing: &Sharing,
        gradient: &mut BatchNorm,
    ) {
        differentiate(active, &totals, gradient);
        let Totals { sums, count } = totals.shared(sharing);
        let [firsts, seconds] = sums;
        for c in 0..active.channels {
            let (scale, inverse) = (f64::from(active.scale[c]), f64::from(active.inverse[c]));
            self.constant[c] += scale * firsts[c] / count as f64;
            self.slope[c] += scale * inverse * inverse * seconds[c] / count as f64;
        }
    }

    /// The factors for `channels` channels from `slot` on.
    pub(super) fn owed(&self, moments: &Moments, slot: usize, channels: usize) -> Owed {
        let range = slot..slot + channels;
        let single = |values: &[f64]| padded(values[range.clone()].iter().map(|v| *v as f32).collect());
        Owed {
            channels,
            mean: padded(moments.mean[range.clone()].to_vec()),
            constant: single(&self.constant),
            slope: single(&self.slope),
        }
    }
}

/// The gradients of a batch norm, from the sums of d and of d (x - mean) over this rank's images.
pub(super) fn differentiate(active: &Active, totals: &Totals, gradient: &mut BatchNorm) {
    let [firsts, seconds] = &totals.sums;
    for c in 0..active.channels {
        gradient.beta[c] = firsts[c] as f32;
        gradient.gamma[c] = (seconds[c] * f64::from(active.inverse[c])) as f32;
    }
}

/// `values`, with zeros up to a whole number of vectors.
pub(super) fn padded(mut values: Vec<f32>) -> Vec<f32> {
    values.resize(values.len().next_multiple_of(PAD), 0.0);
    values
}

/// Pixels of channels, one row of `stride` floats each, of which those from `at` on are meant.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    pub(super) stride: usize,
    pub(super) at: usize,
}

impl<'a> Rows<'a> {
    pub(super) fn new(values: &'a [f32], stride: usize) -> Self {
        Self {
            values,
            stride,
            at: 0,
        }
    }

    pub(super) fn from(self, at: usize) -> Self {
        Self { at, ..self }
    }

    #[inline(always)]
    pub(super) fn iter(self) -> core::slice::ChunksExact<'a, f32> {
        self.values.chunks_exact(self.stride)
    }
}

/// Rows that are written, one every `stride` floats, with room for a vector after the last.
pub(super) struct RowsMut<'a> {
    pub(super) values: &'a mut [f32],
    pub(super) stride: usize,
}

impl<'a> RowsMut<'a> {
    pub(super) fn new(values: &'a mut [f32], stride: usize) -> Self {
        Self { values, stride }
    }
}

/// to[pixel][c] = relu(scale * x + shift).
#[inline(always)]
pub(super) fn activate<S: Simd>(simd: S, active: &Active, x: Rows<'_>, mut to: RowsMut<'_>) {
    by_groups!(active.channels, activate_group, simd, active, x, &mut to);
}

#[inline(always)]
fn activate_group<S: Simd, const V: usize>(
    first: usize,
    simd: S,
    active: &Active,
    x: Rows<'_>,
    RowsMut { values: to, stride }: &mut RowsMut<'_>,
) {
    let width = *stride;
    let zero = simd.splat_f32s(0.0);
    let scale = load::<S, V>(&active.scale, first);
    let shift = load::<S, V>(&active.shift, first);
    let (at_x, mut at) = (x.at + first, first);
    for x in x.iter() {
        let mut y = load::<S, V>(x, at_x);
        for v in 0..V {
            y[v] = simd.max_f32s(simd.mul_add_e_f32s(y[v], scale[v], shift[v]), zero);
        }
        store::<S, V>(to, at, y);
        at += width;
    }
}

/// Gradients that still owe what batch statistics take.
pub(super) struct Unsettled<'a> {
    pub(super) owed: &'a Owed,
    /// Of each channel; 1 if there is none.
    pub(super) factor: Option<&'a [f32]>,
    pub(super) g: Rows<'a>,
    pub(super) x: Rows<'a>,
}

/// to[pixel][c] = factor * (g - (constant + (x - mean) * slope)).
#[inline(always)]
pub(super) fn settle<S: Simd>(simd: S, from: &Unsettled<'_>, mut to: RowsMut<'_>) {
    by_groups!(from.owed.channels, settle_group, simd, from, &mut to);
}

#[inline(always)]
fn settle_group<S: Simd, const V: usize>(
    first: usize,
    simd: S,
    from: &Unsettled<'_>,
    RowsMut { values: to, stride }: &mut RowsMut<'_>,
) {
    let Unsettled { owed, factor, g, x } = *from;
    let width = *stride;
    let mean = load::<S, V>(&owed.mean, first);
    let constant = load::<S, V>(&owed.constant, first);
    let slope = load::<S, V>(&owed.slope, first);
    let factor = factor.map_or([simd.splat_f32s(1.0); V], |factor| load::<S, V>(factor, first));
    let (at_g, at_x, mut at) = (g.at + first, x.at + first, first);
    for (g, x) in g.iter().zip(x.iter()) {
        let (mut g, x) = (load::<S, V>(g, at_g), load::<S, V>(x, at_x));
        for v in 0..V {
            let owed = simd.mul_add_e_f32s(simd.sub_f32s(x[v], mean[v]), slope[v], constant[v]);
            g[v] = simd.mul_f32s(simd.sub_f32s(g[v], owed), factor[v]);
        }
        store::<S, V>(to, at, g);
        at += width;
    }
}

/// The channels of rows from `first` on.
pub(super) struct Slot<'a> {
    pub(super) rows: RowsMut<'a>,
    pub(super) first: usize,
}

/// Copies rows of products to the channels from the slot's first on of rows of `width` floats, and adds them and their squares
/// to the sums. Channels after them, up to a whole vector, are written too.
#[inline(always)]
pub(super) fn deliver<S: Simd>(
    simd: S,
    channels: usize,
    from: Rows<'_>,
    mut to: Slot<'_>,
    sums: &mut [Vec<f32>; 2],
) {
    by_groups!(channels, deliver_group, simd, from, &mut to, &mut *sums);
}

#[inline(always)]
fn deliver_group<S: Simd, const V: usize>(
    first: usize,
    simd: S,
    from: Rows<'_>,
    to: &mut Slot<'_>,
    [sums, squares]: &mut [Vec<f32>; 2],
) {
    let Slot { rows, first: slot } = to;
    let (to, width, slot) = (&mut *rows.values, rows.stride, *slot);
    let mut sum = load::<S, V>(sums, first);
    let mut square = load::<S, V>(squares, first);
    for (from, to) in from.iter().zip(to.chunks_exact_mut(width)) {
        let y = load::<S, V>(from, first);
        store::<S, V>(to, slot + first, y);
        for v in 0..V {
            sum[v] = simd.add_f32s(sum[v], y[v]);
            square[v] = simd.mul_add_e_f32s(y[v], y[v], square[v]);
        }
    }
    store::<S, V>(sums, first, sum);
    store::<S, V>(squares, first, square);
}
