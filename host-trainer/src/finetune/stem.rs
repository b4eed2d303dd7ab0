//! The stem, forward and backward: a convolution of raw bytes, and a max pool if there is one.

use super::integers::Conv;
use super::lattice::Lattice;
use super::memory::{Features, Scratch, StageSums, Trace};
use super::product::{Rows, multiply, outer, padded};
use super::quantiser::Settle;
use super::requantise::requantise;
use crate::spec::{Map, Spec};
use denselet::limits::STEM_KERNEL;
use denselet::shape::StemPool;

/// The stem's integers and its geometry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stem<'a> {
    pub(super) spec: &'a Spec,
    pub(super) conv: &'a Conv,
    /// The byte that stands for zero, per input channel.
    pub(super) padding: &'a [f32],
}

impl Stem<'_> {
    /// The map its convolution makes.
    fn made(&self) -> Map {
        self.spec.maps().stem
    }

    /// Floats of a row of the image with its padding.
    fn row(&self) -> usize {
        let stem = &self.spec.stem;
        (self.spec.input.width + stem.pad_left + stem.pad_right) * self.spec.input.channels
    }

    /// What a filter reads of one row, for each pixel that it makes.
    fn windows(&self) -> Rows {
        let (made, input, stem) = (self.made(), self.spec.input, &self.spec.stem);
        let vertical = if input.height == 1 { 1 } else { stem.stride };
        Rows {
            height: made.height,
            width: made.width,
            step: stem.stride * input.channels,
            row: vertical * self.row(),
            len: stem.kernel_width * input.channels,
        }
    }

    /// Room for what the backward pass wants to find again.
    pub(super) fn trace(&self) -> Trace {
        let (made, input, stem) = (self.made(), self.spec.input, &self.spec.stem);
        let mut trace = Trace {
            read: vec![0.0; (input.height + stem.pad_top + stem.pad_bottom) * self.row()],
            ..Trace::default()
        };
        if self.spec.stem.pool {
            trace.inner.u = vec![0.0; made.pixels() * made.channels];
            trace.inner.exact = trace.inner.u.clone();
        }
        trace
    }

    /// Reads an image, NHWC bytes, and fills the first channels of the first block.
    pub(super) fn forward(&self, image: &[u8], to: &mut Features, trace: &mut Trace, scratch: &mut Scratch) {
        let made = self.made();
        self.frame(image, &mut trace.read);
        let (width, sums) = scratch.sums(made.pixels(), self.conv);
        let segments: [&[f32]; STEM_KERNEL] =
            core::array::from_fn(|ky| &trace.read[ky.min(self.conv.rows - 1) * self.row()..]);
        let segments = &segments[..self.conv.rows];
        multiply(segments, self.windows(), &self.conv.forward, sums);
        let sums = (
            &*sums,
            Lattice::whole(Map {
                channels: width,
                ..made
            }),
        );
        if !self.spec.stem.pool {
            let slot = Lattice::whole(to.map);
            let (u, exact) = (&mut to.bytes.u[..], &mut to.bytes.exact[..]);
            requantise(self.conv, made, sums, (u, slot), (exact, slot));
            return;
        }
        let whole = Lattice::whole(made);
        let (u, exact) = (&mut trace.inner.u[..], &mut trace.inner.exact[..]);
        requantise(self.conv, made, sums, (u, whole), (exact, whole));
        let slot = Lattice::whole(to.map);
        let pool = self.spec.stem.pooling();
        for (y, x) in pixels(to.map) {
            for c in 0..made.channels {
                let at = largest(&trace.inner.u, (made, pool), y, x, c);
                to.bytes.u[slot.at(y, x) + c] = trace.inner.u[at];
            }
        }
    }

    /// From the gradients of the first block's first channels to those of the filters.
    pub(super) fn backward(&self, to: &Features, trace: &Trace, scratch: &mut Scratch, sums: &mut StageSums) {
        let made = self.made();
        let outputs = self.conv.outputs;
        let Scratch { d, settled, .. } = scratch;
        let whole = Lattice::whole(made);
        let slot = Lattice::whole(to.map);
        Scratch::settled(settled, made.pixels(), outputs);
        if self.spec.stem.pool {
            d.clear();
            d.resize(made.pixels() * outputs, 0.0);
            let pool = self.spec.stem.pooling();
            for (y, x) in pixels(to.map) {
                for c in 0..outputs {
                    d[largest(&trace.inner.u, (made, pool), y, x, c)] += to.g[slot.at(y, x) + c];
                }
            }
            let bytes = &trace.inner;
            let sums = &mut sums.conv;
            Settle {
                map: made,
                outputs,
                g: (d, whole),
                bytes: (&bytes.u, whole),
                exact: (&bytes.exact, whole),
                to: (settled, whole),
                sums,
            }
            .run();
        } else {
            let bytes = &to.bytes;
            let sums = &mut sums.conv;
            Settle {
                map: made,
                outputs,
                g: (&to.g, slot),
                bytes: (&bytes.u, slot),
                exact: (&bytes.exact, slot),
                to: (settled, whole),
                sums,
            }
            .run();
        }
        let windows = self.windows();
        let gradients = Rows {
            step: outputs,
            row: made.width * outputs,
            len: outputs,
            ..windows
        };
        let weights = &mut sums.conv.weight.values;
        let weights = weights.chunks_exact_mut(windows.len * padded(outputs));
        for (ky, weight) in weights.enumerate() {
            let read = &trace.read[ky * self.row()..];
            outer((read, windows), (settled, gradients), weight);
        }
    }

    /// The image with its padding: `[y][x][i]`.
    fn frame(&self, image: &[u8], to: &mut [f32]) {
        let (input, stem) = (self.spec.input, &self.spec.stem);
        for pixel in to.chunks_exact_mut(input.channels) {
            pixel.copy_from_slice(self.padding);
        }
        let rows = to.chunks_exact_mut(self.row()).skip(stem.pad_top);
        for (to, row) in rows.zip(image.chunks_exact(input.width * input.channels)) {
            for (to, &byte) in to[stem.pad_left * input.channels..].iter_mut().zip(row) {
                *to = f32::from(byte);
            }
        }
    }
}

fn pixels(map: Map) -> impl Iterator<Item = (usize, usize)> {
    (0..map.height).flat_map(move |y| (0..map.width).map(move |x| (y, x)))
}

/// Where the largest byte of channel `c` lies in the window of pooled pixel `(y, x)`: the first of several.
fn largest(u: &[f32], (map, pool): (Map, StemPool), y: usize, x: usize, c: usize) -> usize {
    let whole = Lattice::whole(map);
    let (rows, columns) = (pool.window(y, map.height), pool.window(x, map.width));
    let mut best = whole.at(rows.start, columns.start) + c;
    for row in rows {
        for column in columns.clone() {
            let at = whole.at(row, column) + c;
            if u[at] > u[best] {
                best = at;
            }
        }
    }
    best
}
