//! Batch norm in training: statistics once per produced channel, one scale and shift per consumer; belongs to `net`.
//!
//! With x the channel, r its consumers and N the batch's pixels, every consumer's backward pass is
//! dx = s_r (d - mean(d) - xhat mean(d xhat)). The first term is added to the gradient buffer at once; the other two are the same
//! function of x for all consumers, so their factors are summed per channel ([`Pull`]) and applied once, when the
//! channel's own producer reads its gradient.

use super::BatchNorm;
use super::kernel::{Span, sweep};
use super::memory::{Scratch, total};
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

    /// Takes the sums and sums of squares of `count` values for the channels from `slot` on.
    pub(super) fn take(&mut self, slot: usize, jobs: &[Scratch], count: usize) {
        let squares = total(jobs, 1);
        for (c, (sum, square)) in total(jobs, 0).into_iter().zip(squares).enumerate() {
            let mean = sum / count as f64;
            self.mean[slot + c] = mean as f32;
            self.var[slot + c] = (square / count as f64 - mean * mean).max(0.0) as f32;
        }
    }
}

/// A batch norm as its consumers apply it: y = scale * x + shift.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
    /// Means the scale and shift were made from.
    pub(super) mean: Vec<f32>,
    /// One over the standard deviation.
    pub(super) inverse: Vec<f32>,
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

    fn of(norm: &BatchNorm, mean: &[f32], var: &[f32]) -> Self {
        let inverse: Vec<f32> = var.iter().map(|var| 1.0 / (var + norm.epsilon).sqrt()).collect();
        let scale: Vec<f32> = norm
            .gamma
            .iter()
            .zip(&inverse)
            .map(|(gamma, inverse)| gamma * inverse)
            .collect();
        let shift = norm
            .beta
            .iter()
            .zip(mean)
            .zip(&scale)
            .map(|((beta, mean), scale)| beta - mean * scale)
            .collect();
        Self {
            scale,
            shift,
            mean: mean.to_vec(),
            inverse,
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

/// The factors of [`Pull`] for some channels, ready for use.
#[derive(Debug)]
pub(super) struct Owed {
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

    /// Takes a consumer's sums of d and of d (x - mean), and writes its own gradients.
    pub(super) fn take(&mut self, active: &Active, jobs: &[Scratch], count: usize, gradient: &mut BatchNorm) {
        let firsts = total(jobs, 0);
        let seconds = total(jobs, 1);
        for c in 0..active.scale.len() {
            let (scale, inverse) = (f64::from(active.scale[c]), f64::from(active.inverse[c]));
            gradient.beta[c] = firsts[c] as f32;
            gradient.gamma[c] = (seconds[c] * inverse) as f32;
            self.constant[c] += scale * firsts[c] / count as f64;
            self.slope[c] += scale * inverse * inverse * seconds[c] / count as f64;
        }
    }

    /// The factors for `channels` channels from `slot` on.
    pub(super) fn owed(&self, moments: &Moments, slot: usize, channels: usize) -> Owed {
        let range = slot..slot + channels;
        let single = |values: &[f64]| values[range.clone()].iter().map(|v| *v as f32).collect();
        Owed {
            mean: moments.mean[range.clone()].to_vec(),
            constant: single(&self.constant),
            slope: single(&self.slope),
        }
    }
}

/// Rows of channels: where the first starts, and floats from one pixel to the next.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a>(pub(super) &'a [f32], pub(super) usize);

/// to[pixel][c] = relu(scale * x + shift); `to` has rows of `width` floats.
#[inline(always)]
pub(super) fn activate<S: Simd>(simd: S, active: &Active, x: Rows<'_>, to: &mut [f32], width: usize) {
    let zero = simd.splat_f32s(0.0);
    sweep(simd, active.scale.len(), |span: Span| {
        let scale = span.load(simd, &active.scale);
        let shift = span.load(simd, &active.shift);
        for (x, to) in x.0.chunks(x.1).zip(to.chunks_mut(width)) {
            let y = simd.mul_add_e_f32s(span.load(simd, x), scale, shift);
            span.store(simd, to, simd.max_f32s(y, zero));
        }
    });
}

/// to[pixel][c] = g - (constant + (x - mean) * slope), times `factor`.
#[inline(always)]
pub(super) fn settle<S: Simd>(
    simd: S,
    owed: &Owed,
    factor: Option<&[f32]>,
    g: Rows<'_>,
    x: Rows<'_>,
    to: &mut [f32],
    width: usize,
) {
    sweep(simd, owed.mean.len(), |span: Span| {
        let mean = span.load(simd, &owed.mean);
        let constant = span.load(simd, &owed.constant);
        let slope = span.load(simd, &owed.slope);
        let factor = factor.map_or(simd.splat_f32s(1.0), |factor| span.load(simd, factor));
        for ((g, x), to) in g.0.chunks(g.1).zip(x.0.chunks(x.1)).zip(to.chunks_mut(width)) {
            let centred = simd.sub_f32s(span.load(simd, x), mean);
            let owed = simd.mul_add_e_f32s(centred, slope, constant);
            let y = simd.mul_f32s(simd.sub_f32s(span.load(simd, g), owed), factor);
            span.store(simd, to, y);
        }
    });
}

/// Copies rows of products to their channels and adds them and their squares to the sums.
#[inline(always)]
pub(super) fn deliver<S: Simd>(
    simd: S,
    channels: usize,
    from: Rows<'_>,
    to: &mut [f32],
    width: usize,
    sums: &mut [Vec<f32>; 2],
) {
    let [first, second] = sums;
    sweep(simd, channels, |span: Span| {
        let mut sum = span.load(simd, first);
        let mut square = span.load(simd, second);
        for (from, to) in from.0.chunks(from.1).zip(to.chunks_mut(width)) {
            let y = span.load(simd, from);
            span.store(simd, to, y);
            sum = simd.add_f32s(sum, y);
            square = simd.mul_add_e_f32s(y, y, square);
        }
        span.store(simd, first, sum);
        span.store(simd, second, square);
    });
}
