//! Operations on one image's maps, written for clarity: convolution, batch norm with ReLU, pools.

use super::{BatchNorm, Conv};
use crate::spec::Map;
use denselet::shape::StemPool;
use std::borrow::Cow;

/// Batch norm with running statistics as scale and shift.
pub(super) struct Affine {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Affine {
    pub(super) fn new(norm: &BatchNorm) -> Self {
        let (scale, shift) = norm.affine();
        Self { scale, shift }
    }

    /// relu(scale * x + shift) of the first channels of each pixel.
    pub(super) fn relu(&self, values: &[f32], stride: usize) -> Vec<f32> {
        let channels = self.scale.len();
        let mut out = Vec::with_capacity(values.len() / stride * channels);
        for pixel in values.chunks_exact(stride) {
            out.extend(
                (pixel.iter().zip(&self.scale).zip(&self.shift))
                    .map(|((x, scale), shift)| (x * scale + shift).max(0.0)),
            );
        }
        out
    }
}

/// Convolution with its weights as `[ky][kx][i][o]`, so that the inner loop runs over outputs.
pub(super) struct Turned<'n> {
    pub(super) conv: Cow<'n, Conv>,
    weight: Vec<f32>,
}

impl<'n> Turned<'n> {
    pub(super) fn new(conv: Cow<'n, Conv>) -> Self {
        let inner = conv.taps() * conv.inputs;
        let mut weight = vec![0.0; conv.weight.len()];
        for (o, row) in conv.weight.chunks_exact(inner).enumerate() {
            for (k, w) in row.iter().enumerate() {
                weight[k * conv.outputs + o] = *w;
            }
        }
        Self { conv, weight }
    }

    /// Convolves `input` of shape `map` into some channels of each pixel of another map.
    pub(super) fn run(&self, input: &[f32], map: Map, walk: Walk, to: Target<'_>) {
        let Target {
            values: out,
            map: out_map,
            slot,
        } = to;
        let conv = &*self.conv;
        let (inputs, outputs) = (conv.inputs, conv.outputs);
        let mut sums = vec![0.0f32; outputs];
        for y in 0..out_map.height {
            for x in 0..out_map.width {
                match &conv.bias {
                    Some(bias) => sums.copy_from_slice(bias),
                    None => sums.fill(0.0),
                }
                for ky in 0..conv.kernel_height {
                    let Some(row) = (y * walk.vertical + ky).checked_sub(walk.pad_top) else {
                        continue;
                    };
                    for kx in 0..conv.kernel_width {
                        let Some(column) = (x * walk.horizontal + kx).checked_sub(walk.pad_left) else {
                            continue;
                        };
                        if row >= map.height || column >= map.width {
                            continue;
                        }
                        let pixel = &input[(row * map.width + column) * inputs..][..inputs];
                        let tap = (ky * conv.kernel_width + kx) * inputs * outputs;
                        let weights = &self.weight[tap..tap + inputs * outputs];
                        for (v, w) in pixel.iter().zip(weights.chunks_exact(outputs)) {
                            for (sum, w) in sums.iter_mut().zip(w) {
                                *sum += v * w;
                            }
                        }
                    }
                }
                let at = (y * out_map.width + x) * out_map.channels + slot;
                out[at..at + outputs].copy_from_slice(&sums);
            }
        }
    }
}

/// The channels of a map from `slot` on.
pub(super) struct Target<'a> {
    pub(super) values: &'a mut [f32],
    pub(super) map: Map,
    pub(super) slot: usize,
}

/// How a convolution walks its input.
#[derive(Clone, Copy)]
pub(super) struct Walk {
    pub(super) vertical: usize,
    pub(super) horizontal: usize,
    pub(super) pad_top: usize,
    pub(super) pad_left: usize,
}

impl Walk {
    pub(super) const ONE: Self = Self {
        vertical: 1,
        horizontal: 1,
        pad_top: 0,
        pad_left: 0,
    };

    /// The zero frame that keeps the map's size.
    pub(super) fn padded(conv: &Conv) -> Self {
        Self {
            pad_top: conv.kernel_height / 2,
            pad_left: conv.kernel_width / 2,
            ..Self::ONE
        }
    }
}

/// Means of 2x2 pixels (1x2 if there is one row).
pub(super) fn average(values: &[f32], map: Map) -> (Map, Vec<f32>) {
    let half = map.halved(map.channels);
    let rows = if map.height == 1 { 1 } else { 2 };
    let share = 1.0 / (2 * rows) as f32;
    let mut out = vec![0.0; half.pixels() * half.channels];
    for (at, pixel) in out.chunks_exact_mut(half.channels).enumerate() {
        let (y, x) = (at / half.width, at % half.width);
        for row in y * rows..(y + 1) * rows {
            for column in 2 * x..2 * x + 2 {
                let from = &values[(row * map.width + column) * map.channels..][..map.channels];
                for (sum, v) in pixel.iter_mut().zip(from) {
                    *sum += v * share;
                }
            }
        }
    }
    (half, out)
}

/// 3x3 stride-2 max pool, one pixel of padding (1x3 if there is one row).
pub(super) fn max_pool(values: &[f32], map: Map, pool: StemPool) -> (Map, Vec<f32>) {
    let out_map = Map {
        height: map.height.div_ceil(2),
        width: map.width.div_ceil(2),
        ..map
    };
    let mut out = vec![f32::NEG_INFINITY; out_map.pixels() * map.channels];
    for (at, pixel) in out.chunks_exact_mut(map.channels).enumerate() {
        let (y, x) = (at / out_map.width, at % out_map.width);
        for row in pool.window(y, map.height) {
            for column in pool.window(x, map.width) {
                let from = &values[(row * map.width + column) * map.channels..][..map.channels];
                for (best, v) in pixel.iter_mut().zip(from) {
                    *best = best.max(*v);
                }
            }
        }
    }
    (out_map, out)
}
