//! The first convolution, over normalised bytes, and the ImageNet form's batch norm, ReLU and max pool.

use super::conv1x1::{Finish, add_columns};
use super::memory::Scratch;
use super::norm::{Active, Owed, Rows, RowsMut, Slot, Unsettled, deliver, settle};
use super::product::{Multiply, Outer, Panels, multiply, outer};
use super::{Conv, Normalisation};
use crate::spec::{Input, Map, Stem};
use denselet::limits::STEM_KERNEL;
use denselet::shape::StemPool;
use pulp::{Simd, WithSimd};

/// The weights as the forward pass reads them: `[ky][kx][i][o]`.
pub(super) fn forward_panels(conv: &Conv, lanes: usize) -> Panels {
    super::conv3x3::forward_panels(conv, lanes)
}

/// Copies gradients summed as `[ky][kx][i][o]`, rows of `width`, to the order of the weights.
pub(super) fn turn_gradient(conv: &mut Conv, sums: &[f32], width: usize) {
    let inner = conv.taps() * conv.inputs;
    for (k, row) in sums.chunks_exact(width).enumerate() {
        for (o, value) in row.iter().take(conv.outputs).enumerate() {
            conv.weight[o * inner + k] = *value;
        }
    }
}

/// Shape of a padded, normalised image and the convolution's walk over it.
#[derive(Clone, Copy)]
pub(super) struct Walk {
    pub(super) input: Input,
    pub(super) stem: Stem,
}

impl Walk {
    fn row_len(self) -> usize {
        (self.input.width + self.stem.pad_left + self.stem.pad_right) * self.input.channels
    }

    fn vertical(self) -> usize {
        if self.input.height == 1 {
            1
        } else {
            self.stem.stride
        }
    }

    /// Writes one image, normalised, inside its frame of zeros.
    #[inline(always)]
    fn frame(self, image: &[u8], normal: &Normalisation, frame: &mut [f32]) {
        let channels = self.input.channels;
        let row_len = self.row_len();
        for (row, to) in image
            .chunks_exact(self.input.width * channels)
            .zip(frame.chunks_exact_mut(row_len).skip(self.stem.pad_top))
        {
            let to = to[self.stem.pad_left * channels..].chunks_exact_mut(channels);
            for (pixel, to) in row.chunks_exact(channels).zip(to) {
                for (((byte, to), mean), std) in pixel.iter().zip(to).zip(&normal.mean).zip(&normal.std) {
                    *to = (f32::from(*byte) - mean) / std;
                }
            }
        }
    }

    fn frame_len(self) -> usize {
        (self.input.height + self.stem.pad_top + self.stem.pad_bottom) * self.row_len()
    }
}

/// Convolves raw images into the first channels of each pixel of `to`, and sums them and their squares.
pub(super) struct Forward<'a> {
    pub(super) images: &'a [u8],
    pub(super) normal: &'a Normalisation,
    pub(super) walk: Walk,
    pub(super) weights: &'a Panels,
    pub(super) bias: Option<&'a [f32]>,
    pub(super) to: &'a mut [f32],
    /// Shape of `to`.
    pub(super) map: Map,
    pub(super) scratch: &'a mut Scratch,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Map {
            height,
            width: columns,
            channels: stride,
        } = self.map;
        let Walk { input, stem } = self.walk;
        let (row_len, width) = (self.walk.row_len(), self.weights.width);
        let Scratch { frame, c, sums, .. } = self.scratch;
        sums.start(stem.filters);
        let frame = frame.zeros(self.walk.frame_len());
        let each = self
            .images
            .chunks_exact(input.height * input.width * input.channels)
            .zip(self.to.chunks_exact_mut(height * columns * stride));
        for (image, to) in each {
            self.walk.frame(image, self.normal, frame);
            for (y, to) in to.chunks_exact_mut(columns * stride).enumerate() {
                let mut rows = [&frame[..0]; STEM_KERNEL];
                for (ky, row) in rows.iter_mut().enumerate().take(stem.kernel_height) {
                    *row = &frame[(y * self.walk.vertical() + ky) * row_len..][..row_len];
                }
                let c = c.get(columns * width);
                multiply(
                    S::F32_LANES,
                    Multiply {
                        a: &rows[..stem.kernel_height],
                        a_step: stem.stride * input.channels,
                        a_row: 0,
                        len: stem.kernel_width * input.channels,
                        rows: 1,
                        pixels: columns,
                        b: self.weights,
                        c,
                    },
                );
                Finish {
                    bias: self.bias,
                    dropout: None,
                }
                .apply(c, stem.filters, width, 0);
                let to = Slot {
                    rows: RowsMut::new(to, stride),
                    first: 0,
                };
                deliver(simd, stem.filters, Rows::new(c, width), to, &mut sums.near);
            }
            sums.fold();
        }
    }
}

/// The gradient of [`Forward`] with respect to the weights; the gradient of the image is not needed.
pub(super) struct Backward<'a> {
    pub(super) images: &'a [u8],
    pub(super) normal: &'a Normalisation,
    pub(super) walk: Walk,
    /// What [`Forward`] wrote, and its gradients.
    pub(super) x: &'a [f32],
    pub(super) g: &'a [f32],
    pub(super) map: Map,
    pub(super) owed: &'a Owed,
    /// Scales of the batch norm directly after it, if there is one.
    pub(super) scale: Option<&'a [f32]>,
    pub(super) has_bias: bool,
    pub(super) scratch: &'a mut Scratch,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Map {
            height,
            width: columns,
            channels: stride,
        } = self.map;
        let Walk { input, stem } = self.walk;
        let row_len = self.walk.row_len();
        let width = stem.filters.next_multiple_of(S::F32_LANES);
        let m = stem.kernel_width * input.channels;
        let Scratch {
            frame,
            b,
            weight,
            bias,
            ..
        } = self.scratch;
        bias.clear();
        bias.resize(stem.filters, 0.0);
        let weight = weight.zeros(stem.kernel_height * m * width);
        let frame = frame.zeros(self.walk.frame_len());
        let dy = b.get(height * columns * width);
        let size = height * columns * stride;
        let each = self
            .images
            .chunks_exact(input.height * input.width * input.channels);
        for (image, (x, g)) in each.zip(self.x.chunks_exact(size).zip(self.g.chunks_exact(size))) {
            self.walk.frame(image, self.normal, frame);
            let from = Unsettled {
                owed: self.owed,
                factor: self.scale,
                g: Rows::new(g, stride),
                x: Rows::new(x, stride),
            };
            settle(simd, &from, RowsMut::new(dy, width));
            if self.has_bias {
                add_columns(dy, width, bias);
            }
            for ky in 0..stem.kernel_height {
                outer(
                    S::F32_LANES,
                    Outer {
                        a: &frame[ky * row_len..],
                        a_step: stem.stride * input.channels,
                        a_row: self.walk.vertical() * row_len,
                        b: dy,
                        b_step: width,
                        b_row: columns * width,
                        width,
                        rows: height,
                        pixels: columns,
                        m,
                        c: &mut weight[ky * m * width..],
                    },
                );
            }
        }
    }
}

/// Batch norm, ReLU and max pool of one job's stem outputs into the first block buffer, with the sums.
pub(super) fn pool(
    norm: &Active,
    pool: StemPool,
    (from, map): (&[f32], Map),
    (to, to_map): (&mut [f32], Map),
    scratch: &mut Scratch,
) {
    let (channels, stride) = (norm.channels, map.channels);
    scratch.sums.start(channels);
    let each = from
        .chunks_exact(map.pixels() * stride)
        .zip(to.chunks_exact_mut(to_map.pixels() * to_map.channels));
    for (from, to) in each {
        for (pixel, to) in to.chunks_exact_mut(to_map.channels).enumerate() {
            let (y, x) = (pixel / to_map.width, pixel % to_map.width);
            to[..channels].fill(0.0);
            for row in pool.window(y, map.height) {
                for column in pool.window(x, map.width) {
                    let from = &from[(row * map.width + column) * stride..][..channels];
                    for (c, (to, from)) in to.iter_mut().zip(from).enumerate() {
                        *to = to.max(from * norm.scale[c] + norm.shift[c]);
                    }
                }
            }
            let [first, second] = &mut scratch.sums.near;
            for (value, (sum, square)) in to.iter().zip(first.iter_mut().zip(second)) {
                *sum += value;
                *square += value * value;
            }
        }
        scratch.sums.fold();
    }
}

/// The gradient of [`pool`], up to the batch norm's scale: each value goes to the first largest of its window.
pub(super) struct Unpool<'a> {
    pub(super) norm: &'a Active,
    pub(super) pool: StemPool,
    /// The stem's outputs, before batch norm.
    pub(super) from: &'a [f32],
    pub(super) map: Map,
    /// The block buffer that the pool fills, and its gradients.
    pub(super) x: &'a [f32],
    pub(super) g: &'a [f32],
    pub(super) to_map: Map,
    /// What batch statistics owe to the buffer's first channels.
    pub(super) owed: &'a Owed,
}

impl Unpool<'_> {
    /// Writes the gradients to `d`.
    pub(super) fn run(&self, d: &mut [f32], scratch: &mut Scratch) {
        let Self {
            norm,
            pool,
            from,
            map,
            x,
            g,
            to_map,
            owed,
        } = *self;
        let (channels, stride) = (norm.channels, map.channels);
        let sums = &mut scratch.sums;
        sums.start(channels);
        let size = map.pixels() * stride;
        let pooled = to_map.pixels() * to_map.channels;
        let each = from.chunks_exact(size).zip(d.chunks_exact_mut(size));
        for ((from, d), (x, g)) in each.zip(x.chunks_exact(pooled).zip(g.chunks_exact(pooled))) {
            d.fill(0.0);
            let pixels = x
                .chunks_exact(to_map.channels)
                .zip(g.chunks_exact(to_map.channels));
            for (pixel, (x, g)) in pixels.enumerate() {
                let (y, column) = (pixel / to_map.width, pixel % to_map.width);
                for c in 0..channels {
                    let mut best = (0.0, None);
                    for row in pool.window(y, map.height) {
                        for column in pool.window(column, map.width) {
                            let at = (row * map.width + column) * stride + c;
                            let value = from[at] * norm.scale[c] + norm.shift[c];
                            if value > best.0 {
                                best = (value, Some(at));
                            }
                        }
                    }
                    if let (_, Some(at)) = best {
                        d[at] += g[c] - (owed.constant[c] + (x[c] - owed.mean[c]) * owed.slope[c]);
                    }
                }
            }
            let [first, second] = &mut sums.near;
            for (from, d) in from.chunks_exact(stride).zip(d.chunks_exact(stride)) {
                for c in 0..channels {
                    first[c] += d[c];
                    second[c] += d[c] * (from[c] - norm.mean[c]);
                }
            }
            sums.fold();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{SMALL, check, check_spec};
    use crate::spec::Spec;
    use denselet::limits::STEM_KERNEL;

    #[test]
    fn gradients_are_those_of_finite_differences() {
        check(SMALL, "stem");
        check(&SMALL.replace("filters = 5", "filters = 9\nstride = 2"), "stem");
        check(
            &SMALL.replace("filters = 5", "filters = 5\npadding = false"),
            "stem",
        );
    }

    #[test]
    fn the_pooled_stem_is_differentiated() {
        let pooled = SMALL.replace("filters = 5", "filters = 5\nkernel = 7\nstride = 2");
        let larger = pooled
            .replace("height = 7", "height = 17")
            .replace("width = 9", "width = 14");
        check(&larger, "stem");
        let mut same = Spec::parse(&larger, "checked").unwrap();
        same.stem.pool_same = true;
        // 9x7 pixels, then 9x8: odd sides, and an even one.
        check_spec(&same, "stem");
        same.input.width = 16;
        check_spec(&same, "stem");
    }

    #[test]
    fn the_largest_kernel_is_differentiated() {
        for rows in [9, STEM_KERNEL] {
            let mut spec = Spec::parse(SMALL, "checked").unwrap();
            spec.stem.kernel_height = rows;
            spec.stem.kernel_width = STEM_KERNEL;
            (spec.stem.pad_top, spec.stem.pad_bottom) = (rows - 1, 1);
            (spec.stem.pad_left, spec.stem.pad_right) = (7, 7);
            check_spec(&spec, "stem");
        }
    }

    #[test]
    fn a_norm_without_a_pool_is_differentiated() {
        let mut spec = Spec::parse(SMALL, "checked").unwrap();
        spec.stem.norm = true;
        check_spec(&spec, "stem");
    }
}
