//! The last block into logits: clamp, sum over the map, linear layer.

use super::tile::{Clamp, Conv};
use crate::arithmetic;
use crate::layout::GROUP;

/// Adds up the clamped bytes of every pixel of the map, per channel.
pub fn sum(map: &[u8], stride: usize, clamp: Clamp<'_>, sums: &mut [i32]) {
    sums.fill(0);
    for pixel in map.chunks_exact(stride) {
        for ((sum, &u), (&m, &t)) in sums
            .iter_mut()
            .zip(pixel)
            .zip(clamp.mask.iter().zip(clamp.threshold))
        {
            *sum = sum.wrapping_add(i32::from(arithmetic::clamp(u, m, t)));
        }
    }
}

/// The linear layer: one logit per output.
pub fn linear(sums: &[i32], conv: &Conv<'_>, logits: &mut [i32]) {
    let steps = conv.order.steps(conv.length, conv.depth);
    let per_output = conv.bias.iter().zip(conv.multiplier);
    for (o, (logit, (&bias, &multiplier))) in logits.iter_mut().zip(per_output).enumerate() {
        let mut acc = bias;
        for (g, group) in sums.chunks_exact(GROUP).enumerate() {
            let at = conv.order.weight_offset(conv.length, conv.depth, o, g * GROUP);
            for (&sum, step) in group.iter().zip(steps) {
                acc = acc.wrapping_add(sum.wrapping_mul(i32::from(conv.weights[at + step])));
            }
        }
        *logit = arithmetic::scale(acc, multiplier);
    }
}
