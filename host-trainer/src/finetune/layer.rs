//! A dense layer, forward and backward.

use super::gate::{Unclamp, clamp};
use super::integers::{Conv, Gate};
use super::lattice::{Frame, Lattice};
use super::memory::{Features, Scratch, StageSums, Trace};
use super::product::{Rows, multiply, outer, padded};
use super::quantiser::Settle;
use super::requantise::requantise;
use crate::spec::Map;

/// Columns of a layer's convolution.
const TAPS: usize = 3;

/// A layer's integers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer<'a> {
    pub(super) gate: &'a Gate,
    pub(super) bottleneck: Option<&'a Conv>,
    pub(super) conv: &'a Conv,
}

impl Layer<'_> {
    /// Channels before the layer's slot.
    fn inputs(&self) -> usize {
        self.gate.sign.len()
    }

    /// What the last convolution reads, in its frame.
    fn frame(&self, map: Map) -> Frame {
        let channels = self.conv.inputs;
        Frame::new(Map { channels, ..map }, self.conv.rows)
    }

    /// Room for what the backward pass wants to find again.
    pub(super) fn trace(&self, map: Map) -> Trace {
        let mut trace = Trace::default();
        let framed = vec![0.0; self.frame(map).len()];
        match self.bottleneck {
            Some(first) => {
                trace.read = vec![0.0; map.pixels() * self.inputs()];
                trace.inner.u = framed;
                trace.inner.exact = vec![0.0; map.pixels() * first.outputs];
            }
            None => trace.read = framed,
        }
        trace
    }

    /// Reads the block's channels so far and fills the slot after them.
    pub(super) fn forward(&self, features: &mut Features, trace: &mut Trace, scratch: &mut Scratch) {
        let (map, inputs) = (features.map, self.inputs());
        let frame = self.frame(map);
        let block = Lattice::whole(map);
        let read = Map {
            channels: inputs,
            ..map
        };
        let u = &features.bytes.u;
        if let Some(first) = self.bottleneck {
            clamp(
                self.gate,
                map,
                (u, block),
                (&mut trace.read, Lattice::whole(read)),
            );
            let (made, sums) = scratch.sums(map.pixels(), first);
            let rows = Rows::dense(map.pixels(), inputs);
            multiply(&[&trace.read], rows, &first.forward, sums);
            let inner = Map {
                channels: first.outputs,
                ..map
            };
            let to = (&mut trace.inner.u[..], frame.inside());
            let exact = (&mut trace.inner.exact[..], Lattice::whole(inner));
            requantise(
                first,
                map,
                (
                    sums,
                    Lattice::whole(Map {
                        channels: made,
                        ..map
                    }),
                ),
                to,
                exact,
            );
        } else {
            clamp(self.gate, map, (u, block), (&mut trace.read, frame.inside()));
        }
        let framed = self.framed(trace);
        let (made, sums) = scratch.sums(map.pixels(), self.conv);
        // A filter of one row has one segment.
        let last = self.conv.rows - 1;
        let segments: [&[f32]; TAPS] = core::array::from_fn(|ky| &framed[frame.below(ky.min(last))..]);
        let segments = &segments[..self.conv.rows];
        multiply(segments, frame.windows(), &self.conv.forward, sums);
        let slot = Lattice::slot(map, inputs);
        let to = (&mut features.bytes.u[..], slot);
        let exact = (&mut features.bytes.exact[..], slot);
        let products = Lattice::whole(Map {
            channels: made,
            ..map
        });
        requantise(self.conv, map, (sums, products), to, exact);
    }

    fn framed<'t>(&self, trace: &'t Trace) -> &'t [f32] {
        match self.bottleneck {
            Some(_) => &trace.inner.u,
            None => &trace.read,
        }
    }

    /// From the gradients of the layer's slot to those of the channels before it.
    pub(super) fn backward(
        &self,
        features: &mut Features,
        trace: &Trace,
        scratch: &mut Scratch,
        sums: &mut StageSums,
    ) {
        let (map, inputs) = (features.map, self.inputs());
        let (depth, growth) = (self.conv.inputs, self.conv.outputs);
        let out = Frame::new(
            Map {
                channels: growth,
                ..map
            },
            self.conv.rows,
        );
        let slot = Lattice::slot(map, inputs);
        scratch.start_frame(out);
        let Scratch {
            frame, d, settled, ..
        } = scratch;
        let bytes = &features.bytes;
        Settle {
            map,
            outputs: growth,
            g: (&features.g, slot),
            bytes: (&bytes.u, slot),
            exact: (&bytes.exact, slot),
            to: (frame, out.inside()),
            sums: &mut sums.conv,
        }
        .run();
        let read = self.frame(map);
        let pixels = (&self.framed(trace)[read.inside().start..], read.pixels());
        let weights = &mut sums.conv.weight.values;
        let weights = weights.chunks_exact_mut(TAPS * growth * padded(depth));
        for (ky, weight) in weights.enumerate() {
            outer((&frame[out.below(ky)..], out.windows()), pixels, weight);
        }
        let back = &self.conv.backward;
        d.resize(map.pixels() * back.width(), 0.0);
        // A filter of one row has one segment.
        let last = self.conv.rows - 1;
        let segments: [&[f32]; TAPS] = core::array::from_fn(|ky| &frame[out.below(ky.min(last))..]);
        multiply(&segments[..self.conv.rows], out.windows(), back, d);
        let products = Lattice::whole(Map {
            channels: back.width(),
            ..map
        });
        let block = Lattice::whole(map);
        let Some(first) = self.bottleneck else {
            let g = (&mut features.g[..], block);
            Unclamp {
                gate: self.gate,
                map,
                d: (d, products),
                u: (&bytes.u, block),
                g,
                open: &mut sums.open,
            }
            .run();
            return;
        };
        let inner = |channels: usize| Lattice::whole(Map { channels, ..map });
        Scratch::settled(settled, map.pixels(), depth);
        Settle {
            map,
            outputs: depth,
            g: (d, products),
            bytes: (&trace.inner.u, read.inside()),
            exact: (&trace.inner.exact, inner(depth)),
            to: (settled, inner(depth)),
            sums: &mut sums.first,
        }
        .run();
        let gradients = Rows::dense(map.pixels(), depth);
        let read = (&trace.read[..], Rows::dense(map.pixels(), inputs));
        outer(read, (settled, gradients), &mut sums.first.weight.values);
        let back = &first.backward;
        d.resize(map.pixels() * back.width(), 0.0);
        multiply(&[settled], gradients, back, d);
        let g = (&mut features.g[..], block);
        let d = (&d[..], inner(back.width()));
        Unclamp {
            gate: self.gate,
            map,
            d,
            u: (&bytes.u, block),
            g,
            open: &mut sums.open,
        }
        .run();
    }
}
