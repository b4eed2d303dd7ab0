//! The convolution that appends to a block: batch norm, ReLU, 3x3 (1x3 in one row), forward and backward.
//!
//! It reads the bottleneck's outputs, or the block buffer itself in networks without bottlenecks.

use super::Conv;
use super::conv1x1::{Finish, Given, add_columns, give};
use super::dropout::Dropout;
use super::memory::Scratch;
use super::norm::{Active, Owed, Rows, RowsMut, Slot, Unsettled, activate, deliver, settle};
use super::product::{Multiply, Outer, Panels, multiply, outer};
use super::simd::{PAD, by_groups, dispatch, lanes, load, store};
use crate::spec::Map;
use pulp::{Simd, WithSimd};

/// Pixels that an outer product should walk at least, so that its sums are worth loading.
const BAND: usize = 32;

/// The weights as the forward pass reads them: `[ky][kx][i][o]`.
pub(super) fn forward_panels(conv: &Conv, lanes: usize) -> Panels {
    let inner = conv.taps() * conv.inputs;
    Panels::new(lanes, inner, conv.outputs, |k, o| conv.weight[o * inner + k])
}

/// The weights as the backward pass reads them: `[ky][kx][o][i]`, taps turned by half a turn.
pub(super) fn backward_panels(conv: &Conv, lanes: usize) -> Panels {
    let (taps, outputs, inputs) = (conv.taps(), conv.outputs, conv.inputs);
    Panels::new(lanes, taps * outputs, inputs, |k, i| {
        let (tap, o) = (k / outputs, k % outputs);
        conv.weight[(o * taps + (taps - 1 - tap)) * inputs + i]
    })
}

/// Copies gradients summed as `[ky][kx][o][i]`, taps turned, rows of `width`, to the order of the weights.
pub(super) fn turn_gradient(conv: &mut Conv, sums: &[f32], width: usize) {
    let (taps, outputs, inputs) = (conv.taps(), conv.outputs, conv.inputs);
    for (k, row) in sums.chunks_exact(width).enumerate() {
        let (tap, o) = (k / outputs, k % outputs);
        let at = (o * taps + (taps - 1 - tap)) * inputs;
        conv.weight[at..at + inputs].copy_from_slice(&row[..inputs]);
    }
}

/// Appends to each pixel of the block buffer its convolved neighbourhood, and sums it and its squares.
pub(super) struct Forward<'a> {
    /// Bottleneck outputs; `None`: the block buffer itself.
    pub(super) source: Option<&'a [f32]>,
    /// Block buffer of the job's images.
    pub(super) x: &'a mut [f32],
    /// Its shape.
    pub(super) map: Map,
    /// First channel written.
    pub(super) slot: usize,
    pub(super) outputs: usize,
    pub(super) kernel_height: usize,
    pub(super) norm: &'a Active,
    pub(super) weights: &'a Panels,
    pub(super) finish: Finish<'a>,
    pub(super) first: usize,
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
        let inputs = self.norm.channels;
        let (taps, pad) = (self.kernel_height, self.kernel_height / 2);
        let z_stride = inputs.next_multiple_of(PAD);
        let row_len = (columns + 2) * inputs + PAD;
        let Scratch { frame, c, sums, .. } = self.scratch;
        let frame = frame.zeros(taps * row_len);
        sums.start(self.outputs);
        let per_image = height * columns;
        for (n, x) in self.x.chunks_exact_mut(per_image * stride).enumerate() {
            let mut packed = 0;
            for y in 0..height {
                // Row r of the map lies at (r + pad) % taps of the frame; rows outside are zero.
                if y == 0 && pad == 1 {
                    frame[..row_len].fill(0.0);
                }
                while packed <= y + pad {
                    let at = (packed + pad) % taps * row_len;
                    let to = &mut frame[at + inputs..at + row_len];
                    if packed < height {
                        let from = match self.source {
                            Some(z) => {
                                let at = (n * per_image + packed * columns) * z_stride;
                                Rows::new(&z[at..at + columns * z_stride], z_stride)
                            }
                            None => Rows::new(&x[packed * columns * stride..][..columns * stride], stride),
                        };
                        activate(simd, self.norm, from, RowsMut::new(to, inputs));
                        to[columns * inputs..].fill(0.0);
                    } else {
                        to.fill(0.0);
                    }
                    packed += 1;
                }
                let segment = |ky: usize| &frame[(y + ky) % taps * row_len..][..row_len];
                let rows = [segment(0), segment(1), segment(2)];
                let width = self.weights.width;
                let c = c.get(columns * width);
                multiply(
                    S::F32_LANES,
                    Multiply {
                        a: &rows[..taps],
                        a_step: inputs,
                        a_row: 0,
                        len: 3 * inputs,
                        rows: 1,
                        pixels: columns,
                        b: self.weights,
                        c,
                    },
                );
                self.finish
                    .apply(c, self.outputs, width, self.first + n * per_image + y * columns);
                let row = &mut x[y * columns * stride..(y + 1) * columns * stride];
                let to = Slot {
                    rows: RowsMut::new(row, stride),
                    first: self.slot,
                };
                deliver(simd, self.outputs, Rows::new(c, width), to, &mut sums.near);
            }
            sums.fold();
        }
    }
}

/// Where the gradient of [`Forward`] goes.
pub(super) enum Sink<'a> {
    /// Behind the bottleneck's batch norm, written as it is: bottleneck outputs and their gradients.
    Bottleneck(&'a [f32], &'a mut [f32]),
    /// Into the block's gradients, scaled and added.
    Block,
}

/// The gradient of [`Forward`].
pub(super) struct Backward<'a> {
    pub(super) sink: Sink<'a>,
    pub(super) x: &'a [f32],
    /// Gradients of the block buffer.
    pub(super) g: &'a mut [f32],
    pub(super) map: Map,
    pub(super) slot: usize,
    pub(super) outputs: usize,
    pub(super) kernel_height: usize,
    pub(super) norm: &'a Active,
    /// What batch statistics owe to the slot's gradients.
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
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Map {
            height,
            width: columns,
            channels: stride,
        } = self.map;
        let (inputs, outputs) = (self.norm.channels, self.outputs);
        let (taps, pad) = (self.kernel_height, self.kernel_height / 2);
        let z_stride = inputs.next_multiple_of(PAD);
        let row_len = (columns + 2) * outputs + PAD;
        let width = self.weights.width;
        let per_image = height * columns;
        let Scratch {
            frame,
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
        let weight = weight.zeros(taps * 3 * outputs * width);
        let frame = frame.zeros((height + 2 * pad) * row_len);
        for (n, (x, g)) in self
            .x
            .chunks_exact(per_image * stride)
            .zip(self.g.chunks_exact_mut(per_image * stride))
            .enumerate()
        {
            let settled = Settle {
                owed: self.owed,
                g: Rows::new(g, stride).from(self.slot),
                x: Rows::new(x, stride).from(self.slot),
                columns,
                frame: &mut frame[pad * row_len..],
                row_len,
            };
            dispatch(lanes(outputs), settled);
            if self.dropout.is_some() || self.has_bias {
                for y in 0..height {
                    let row = &mut frame[(y + pad) * row_len + outputs..][..columns * outputs];
                    if let Some(dropout) = self.dropout {
                        dropout.apply(row, (self.first + n * per_image + y * columns) * outputs);
                    }
                    if self.has_bias {
                        add_columns(row, outputs, bias);
                    }
                }
            }
            let band = BAND.div_ceil(columns).min(height);
            let b = b.get(band * columns * width);
            let c = c.get(columns * width);
            let mut start = 0;
            while start < height {
                let rows = band.min(height - start);
                for y in start..start + rows {
                    let segment = |ky: usize| &frame[(y + ky.min(taps - 1)) * row_len..][..row_len];
                    let segments = [segment(0), segment(1), segment(2)];
                    multiply(
                        S::F32_LANES,
                        Multiply {
                            a: &segments[..taps],
                            a_step: outputs,
                            a_row: 0,
                            len: 3 * outputs,
                            rows: 1,
                            pixels: columns,
                            b: self.weights,
                            c,
                        },
                    );
                    let tile = &mut b[(y - start) * columns * width..(y - start + 1) * columns * width];
                    let products = Rows::new(c, width);
                    match &mut self.sink {
                        Sink::Bottleneck(z, d) => {
                            let row = (n * per_image + y * columns) * z_stride;
                            let row = row..row + columns * z_stride;
                            let z = Rows::new(&z[row.clone()], z_stride);
                            let from = Passed {
                                norm: self.norm,
                                z,
                                products,
                            };
                            pass(simd, &from, (tile, &mut d[row]), &mut sums.near);
                        }
                        Sink::Block => {
                            let block = y * columns * stride..(y + 1) * columns * stride;
                            let x = Rows::new(&x[block.clone()], stride);
                            activate(simd, self.norm, x, RowsMut::new(tile, width));
                            let given = Given {
                                norm: self.norm,
                                x,
                                a: Rows::new(tile, width),
                                products,
                            };
                            give(simd, &given, RowsMut::new(&mut g[block], stride), &mut sums.near);
                        }
                    }
                }
                for ky in 0..taps {
                    outer(
                        S::F32_LANES,
                        Outer {
                            a: &frame[(start + ky) * row_len..],
                            a_step: outputs,
                            a_row: row_len,
                            b,
                            b_step: width,
                            b_row: columns * width,
                            width,
                            rows,
                            pixels: columns,
                            m: 3 * outputs,
                            c: &mut weight[ky * 3 * outputs * width..],
                        },
                    );
                }
                start += rows;
            }
            sums.fold();
        }
    }
}

/// The gradients of an image's slot, without what batch statistics owe, in rows with a zero pixel on either side. Runs
/// with vectors that suit the slot, which is narrower than what [`Backward`] works on.
struct Settle<'a> {
    owed: &'a Owed,
    g: Rows<'a>,
    x: Rows<'a>,
    columns: usize,
    frame: &'a mut [f32],
    row_len: usize,
}

impl WithSimd for Settle<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (stride, outputs) = (self.g.stride, self.owed.channels);
        let rows = (self.g.values.chunks_exact(self.columns * stride))
            .zip(self.x.values.chunks_exact(self.columns * stride));
        for ((g, x), to) in rows.zip(self.frame.chunks_exact_mut(self.row_len)) {
            let to = &mut to[outputs..];
            let g = Rows { values: g, ..self.g };
            let x = Rows { values: x, ..self.x };
            let from = Unsettled {
                owed: self.owed,
                factor: None,
                g,
                x,
            };
            settle(simd, &from, RowsMut::new(to, outputs));
            to[self.columns * outputs..].fill(0.0);
        }
    }
}

/// Products on their way back through the bottleneck's ReLU.
struct Passed<'a> {
    norm: &'a Active,
    z: Rows<'a>,
    products: Rows<'a>,
}

/// Passes products back through the bottleneck's ReLU to `d`, recomputes what the convolution read, and sums.
#[inline(always)]
fn pass<S: Simd>(simd: S, from: &Passed<'_>, (read, d): (&mut [f32], &mut [f32]), sums: &mut [Vec<f32>; 2]) {
    by_groups!(
        from.norm.channels,
        pass_group,
        simd,
        from,
        (&mut *read, &mut *d),
        &mut *sums
    );
}

#[inline(always)]
fn pass_group<S: Simd, const V: usize>(
    first: usize,
    simd: S,
    from: &Passed<'_>,
    (read, d): (&mut [f32], &mut [f32]),
    [sums, seconds]: &mut [Vec<f32>; 2],
) {
    let Passed { norm, z, products } = *from;
    let zero = simd.splat_f32s(0.0);
    let scale = load::<S, V>(&norm.scale, first);
    let shift = load::<S, V>(&norm.shift, first);
    let mean = load::<S, V>(&norm.mean, first);
    let mut sum = load::<S, V>(sums, first);
    let mut second = load::<S, V>(seconds, first);
    let written = read
        .chunks_exact_mut(products.stride)
        .zip(d.chunks_exact_mut(z.stride));
    for ((z, c), (read, d)) in z.iter().zip(products.iter()).zip(written) {
        let (z, mut c) = (load::<S, V>(z, first), load::<S, V>(c, first));
        let mut y = z;
        for v in 0..V {
            y[v] = simd.mul_add_e_f32s(z[v], scale[v], shift[v]);
            c[v] = simd.select_f32s(simd.greater_than_f32s(y[v], zero), c[v], zero);
            y[v] = simd.max_f32s(y[v], zero);
            sum[v] = simd.add_f32s(sum[v], c[v]);
            second[v] = simd.mul_add_e_f32s(c[v], simd.sub_f32s(z[v], mean[v]), second[v]);
        }
        store::<S, V>(read, first, y);
        store::<S, V>(d, first, c);
    }
    store::<S, V>(sums, first, sum);
    store::<S, V>(seconds, first, second);
}

#[cfg(test)]
mod tests {
    use super::super::reference::{SMALL, check};

    #[test]
    fn gradients_are_those_of_finite_differences() {
        check(SMALL, "conv2");
        check(SMALL, "norm2");
    }

    #[test]
    fn plain_layers_read_the_block_itself() {
        let plain = SMALL.replace("bottleneck = true", "dropout = 0.2");
        check(&plain, "conv2");
        check(&plain, "norm1");
    }

    #[test]
    fn one_row_makes_one_dimensional_layers() {
        check(&SMALL.replace("height = 7", "height = 1"), "");
    }

    #[test]
    fn widths_may_differ_from_layer_to_layer() {
        check(
            &SMALL.replace("[2, 2]", "[{ widths = [1, 17], bottlenecks = [0, 9] }, 1]"),
            "",
        );
    }
}
