//! A transition, forward and backward: the clamped pixels are added first, then convolved.

use super::gate::{Unclamp, clamp, clamp_add};
use super::integers::{Conv, Gate};
use super::lattice::Lattice;
use super::memory::{Features, Scratch, StageSums, Trace};
use super::product::{Rows, multiply, outer};
use super::quantiser::Settle;
use super::requantise::requantise;
use crate::spec::Map;

/// A transition's integers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transition<'a> {
    pub(super) gate: &'a Gate,
    pub(super) conv: &'a Conv,
}

impl Transition<'_> {
    /// The map it makes of `from`.
    fn made(&self, from: Map) -> Map {
        from.halved(self.conv.outputs)
    }

    /// Room for what the backward pass wants to find again.
    pub(super) fn trace(&self, from: Map) -> Trace {
        Trace {
            read: vec![0.0; self.made(from).pixels() * self.gate.sign.len()],
            ..Trace::default()
        }
    }

    /// Reads a whole block and fills the first channels of the next.
    pub(super) fn forward(
        &self,
        from: &Features,
        to: &mut Features,
        trace: &mut Trace,
        scratch: &mut Scratch,
    ) {
        let (made, inputs) = (self.made(from.map), self.gate.sign.len());
        let read = Lattice::whole(Map {
            channels: inputs,
            ..made
        });
        for (at, corner) in corners(from.map).enumerate() {
            let add = if at == 0 { clamp } else { clamp_add };
            add(self.gate, made, (&from.bytes.u, corner), (&mut trace.read, read));
        }
        let (width, sums) = scratch.sums(made.pixels(), self.conv);
        let rows = Rows::dense(made.pixels(), inputs);
        multiply(&[&trace.read], rows, &self.conv.forward, sums);
        let sums = (
            &*sums,
            Lattice::whole(Map {
                channels: width,
                ..made
            }),
        );
        let slot = Lattice::whole(to.map);
        let (u, exact) = (&mut to.bytes.u[..], &mut to.bytes.exact[..]);
        requantise(self.conv, made, sums, (u, slot), (exact, slot));
    }

    /// From the gradients of the next block's first channels to those of this one.
    pub(super) fn backward(
        &self,
        (from, to): (&mut Features, &Features),
        trace: &Trace,
        scratch: &mut Scratch,
        sums: &mut StageSums,
    ) {
        let (made, inputs) = (self.made(from.map), self.gate.sign.len());
        let outputs = self.conv.outputs;
        let Scratch { d, settled, .. } = scratch;
        let slot = Lattice::whole(to.map);
        Scratch::settled(settled, made.pixels(), outputs);
        Settle {
            map: made,
            outputs,
            g: (&to.g, slot),
            bytes: (&to.bytes.u, slot),
            exact: (&to.bytes.exact, slot),
            to: (settled, Lattice::whole(made)),
            sums: &mut sums.conv,
        }
        .run();
        let read = (&trace.read[..], Rows::dense(made.pixels(), inputs));
        let gradients = Rows::dense(made.pixels(), outputs);
        outer(read, (settled, gradients), &mut sums.conv.weight.values);
        let back = &self.conv.backward;
        d.resize(made.pixels() * back.width(), 0.0);
        multiply(&[settled], gradients, back, d);
        let whole = Lattice::whole(Map {
            channels: back.width(),
            ..made
        });
        for corner in corners(from.map) {
            let u = (&from.bytes.u[..], corner);
            let g = (&mut from.g[..], corner);
            Unclamp {
                gate: self.gate,
                map: made,
                d: (d, whole),
                u,
                g,
                open: &mut sums.open,
            }
            .run();
        }
    }
}

/// The pixels of `map` that are added up, one of each window at a time.
fn corners(map: Map) -> impl Iterator<Item = Lattice> {
    let rows = if map.height == 1 { 1 } else { 2 };
    let whole = Lattice::whole(map);
    (0..rows).flat_map(move |y| {
        (0..2).map(move |x| Lattice {
            start: whole.at(y, x),
            row: rows * whole.row,
            pixel: 2 * whole.pixel,
        })
    })
}
