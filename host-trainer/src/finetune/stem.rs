//! The stem, forward and backward: a convolution of raw bytes, and a max pool if there is one.

use super::integers::Conv;
use super::lattice::Lattice;
use super::memory::{Features, Scratch, StageSums, Trace};
use super::product::{Rows, multiply, outer, padded};
use super::quantiser::Settle;
use super::requantise::requantise;
use crate::spec::{Map, Spec};
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

    /// Values a filter has.
    fn length(&self) -> usize {
        self.conv.rows * self.conv.columns * self.conv.inputs
    }

    /// What it reads as a matrix.
    fn rows(&self) -> Rows {
        Rows {
            rows: self.made().pixels(),
            step: self.length(),
            len: self.length(),
        }
    }

    /// Room for what the backward pass wants to find again.
    pub(super) fn trace(&self) -> Trace {
        let made = self.made();
        let mut trace = Trace {
            read: vec![0.0; made.pixels() * self.length()],
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
        self.gather(image, &mut trace.read);
        let (width, sums) = scratch.sums(made.pixels(), self.conv);
        multiply(&[&trace.read], self.rows(), &self.conv.forward, sums);
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
        let to_settled = Lattice::whole(Map {
            channels: padded(outputs),
            ..made
        });
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
                to: (settled, to_settled),
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
                to: (settled, to_settled),
                sums,
            }
            .run();
        }
        outer(&trace.read, self.rows(), settled, outputs, &mut sums.conv.weight);
    }

    /// What each filter reads: `[y][x][ky][kx][i]`.
    fn gather(&self, image: &[u8], to: &mut [f32]) {
        let (input, stem) = (self.spec.input, &self.spec.stem);
        let vertical = if input.height == 1 { 1 } else { stem.stride };
        let made = self.made();
        for ((y, x), to) in pixels(made).zip(to.chunks_exact_mut(self.length())) {
            let taps = (0..stem.kernel_height).flat_map(|ky| (0..stem.kernel_width).map(move |kx| (ky, kx)));
            for ((ky, kx), to) in taps.zip(to.chunks_exact_mut(input.channels)) {
                let row = (y * vertical + ky).checked_sub(stem.pad_top);
                let column = (x * stem.stride + kx).checked_sub(stem.pad_left);
                match (row, column) {
                    (Some(row), Some(column)) if row < input.height && column < input.width => {
                        let from = (row * input.width + column) * input.channels;
                        for (to, &byte) in to.iter_mut().zip(&image[from..]) {
                            *to = f32::from(byte);
                        }
                    }
                    _ => to.copy_from_slice(self.padding),
                }
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
