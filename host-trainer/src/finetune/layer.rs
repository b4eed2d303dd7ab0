//! A dense layer, forward and backward; belongs to `finetune`.

use super::gate::{clamp, unclamp};
use super::integers::{Conv, Gate};
use super::lattice::{Frame, Lattice};
use super::pass::{Features, Scratch, StageSums, Trace};
use super::product::{Old, Rows, multiply, outer};
use super::quantiser::{requantise, settle};
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
    /// Channels in front of the layer's slot.
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

    /// Reads the block's channels so far and fills the slot behind them.
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
            let rows = Rows::new(&trace.read, map.pixels(), inputs, inputs);
            let (made, sums) = scratch.sums(map.pixels(), first);
            multiply(rows, &first.forward, Old::Replace, sums);
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
        let (made, sums) = scratch.sums(frame.windows() + 2, self.conv);
        let depth = self.conv.inputs;
        let mut old = Old::Replace;
        for (ky, weights) in self.conv.forward.chunks_exact(TAPS * depth * made).enumerate() {
            let rows = Rows::new(&framed[frame.below(ky)..], frame.windows(), TAPS * depth, depth);
            multiply(rows, weights, old, sums);
            old = Old::Keep;
        }
        let slot = Lattice::slot(map, inputs);
        let to = (&mut features.bytes.u[..], slot);
        let exact = (&mut features.bytes.exact[..], slot);
        let spaced = Lattice::spaced(
            Map {
                channels: made,
                ..map
            },
            2,
        );
        requantise(self.conv, map, (sums, spaced), to, exact);
    }

    fn framed<'t>(&self, trace: &'t Trace) -> &'t [f32] {
        match self.bottleneck {
            Some(_) => &trace.inner.u,
            None => &trace.read,
        }
    }

    /// From the gradients of the layer's slot to those of the channels in front of it.
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
        let Scratch {
            frame, d, settled, ..
        } = scratch;
        frame.clear();
        frame.resize(out.len(), 0.0);
        let bytes = &features.bytes;
        settle(
            map,
            growth,
            (&features.g, slot),
            (&bytes.u, slot),
            (&bytes.exact, slot),
            (frame, out.inside()),
            &mut sums.conv,
        );
        let read = self.frame(map);
        let framed = self.framed(trace);
        let gradients = Rows::new(&frame[out.inside().start..], out.windows(), growth, growth);
        for (ky, weight) in sums
            .conv
            .weight
            .chunks_exact_mut(TAPS * depth * growth)
            .enumerate()
        {
            let rows = Rows::new(&framed[read.below(ky)..], read.windows(), TAPS * depth, depth);
            outer(rows, gradients, weight);
        }
        d.resize((out.windows() + 2) * depth, 0.0);
        let mut old = Old::Replace;
        for (ky, weights) in self.conv.backward.chunks_exact(TAPS * growth * depth).enumerate() {
            let rows = Rows::new(&frame[out.below(ky)..], out.windows(), TAPS * growth, growth);
            multiply(rows, weights, old, d);
            old = Old::Keep;
        }
        let spaced = Lattice::spaced(
            Map {
                channels: depth,
                ..map
            },
            2,
        );
        let block = Lattice::whole(map);
        let Some(first) = self.bottleneck else {
            let g = (&mut features.g[..], block);
            unclamp(self.gate, map, (d, spaced), (&bytes.u, block), g, &mut sums.open);
            return;
        };
        let inner = Lattice::whole(Map {
            channels: depth,
            ..map
        });
        settled.resize(map.pixels() * depth, 0.0);
        settle(
            map,
            depth,
            (d, spaced),
            (&trace.inner.u, read.inside()),
            (&trace.inner.exact, inner),
            (settled, inner),
            &mut sums.first,
        );
        let gradients = Rows::new(settled, map.pixels(), depth, depth);
        let rows = Rows::new(&trace.read, map.pixels(), inputs, inputs);
        outer(rows, gradients, &mut sums.first.weight);
        d.resize(map.pixels() * inputs, 0.0);
        multiply(gradients, &first.backward, Old::Replace, d);
        let whole = Lattice::whole(Map {
            channels: inputs,
            ..map
        });
        let g = (&mut features.g[..], block);
        unclamp(self.gate, map, (d, whole), (&bytes.u, block), g, &mut sums.open);
    }
}
