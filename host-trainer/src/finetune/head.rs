//! The head, forward and backward.

use super::gate::{Unclamp, clamp_add};
use super::integers::{Conv, Finish, Gate};
use super::lattice::Lattice;
use super::memory::{Features, Scratch, StageSums, Trace};
use super::product::padded;
use denselet::arithmetic;

/// The head's integers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub(super) gate: &'a Gate,
    pub(super) conv: &'a Conv,
    /// What a logit of 1 stands for.
    pub(super) scale: f32,
}

/// Every pixel at one place.
const ONE: Lattice = Lattice {
    start: 0,
    row: 0,
    pixel: 0,
};

impl Head<'_> {
    /// Room for what the backward pass wants to find again: the sums of the map.
    pub(super) fn trace(&self) -> Trace {
        Trace {
            read: vec![0.0; self.gate.sign.len()],
            ..Trace::default()
        }
    }

    /// Reads the last block. `logits` get what the device's integers stand for.
    pub(super) fn forward(&self, from: &Features, trace: &mut Trace, logits: &mut [f32]) {
        let Conv {
            inputs,
            weight,
            finish,
            ..
        } = self.conv;
        trace.read.fill(0.0);
        let u = (&from.bytes.u[..], Lattice::whole(from.map));
        clamp_add(self.gate, from.map, u, (&mut trace.read, ONE));
        for (o, logit) in logits.iter_mut().enumerate() {
            let weights = weight[o * inputs..][..*inputs].iter();
            // Whole numbers far below 2^53.
            let sum: f64 = (weights.zip(&trace.read))
                .map(|(weight, sum)| f64::from(*weight) * f64::from(*sum))
                .sum();
            let rounded = match finish {
                Finish::Round { bias, multiplier } => {
                    let acc = (sum as i32).wrapping_add(bias[o]);
                    arithmetic::scale(acc, multiplier[o]) as f32
                }
                #[cfg(test)]
                Finish::Smooth { bias } => (sum as f32 + bias[o]) * self.conv.ratio[o],
            };
            *logit = rounded * self.scale;
        }
    }

    /// From the gradients of the logits to those of the last block. It is the block's last reader, so it comes first.
    pub(super) fn backward(
        &self,
        from: &mut Features,
        (trace, gradient): (&Trace, &[f32]),
        scratch: &mut Scratch,
        sums: &mut StageSums,
    ) {
        let Conv {
            outputs,
            inputs,
            weight,
            ratio,
            ..
        } = self.conv;
        let d = &mut scratch.d;
        d.clear();
        d.resize(*inputs, 0.0);
        for (o, g) in gradient.iter().enumerate() {
            let g = g * self.scale;
            sums.conv.bias[o] += g;
            let products = sums
                .conv
                .weight
                .values
                .iter_mut()
                .skip(o)
                .step_by(padded(*outputs));
            for (product, read) in products.zip(&trace.read) {
                *product += g * read;
            }
            for (d, weight) in d.iter_mut().zip(&weight[o * inputs..]) {
                *d += g * ratio[o] * weight;
            }
        }
        let block = Lattice::whole(from.map);
        let g = (&mut from.g[..], block);
        Unclamp {
            gate: self.gate,
            map: from.map,
            d: (d, ONE),
            u: (&from.bytes.u, block),
            g,
            open: &mut sums.open,
        }
        .run();
    }
}
