//! The last block into logits: clamp, sum over the map, linear layer.

use super::arch::checked;
use super::tile::{Clamp, Conv, Tile};
use crate::arithmetic;
use crate::error::Refused;
use crate::layout::GROUP;

/// Adds the clamped bytes of every pixel of a row to the sums, per channel.
///
/// # Errors
/// [`Refused`] if slices and sizes do not belong together.
pub fn add_row<T: Tile>(
    tile: T,
    row: &[u8],
    stride: usize,
    clamp: Clamp<'_>,
    sums: &mut [i32],
) -> Result<(), Refused> {
    for pixel in row.chunks_exact(stride) {
        checked::clamp_sum(tile, pixel, clamp, sums)?;
    }
    Ok(())
}

/// The linear layer: one logit per output.
pub fn linear(sums: &[i32], conv: &Conv<'_>, weights: &[i8], logits: &mut [i32]) {
    let steps = conv.order.steps(conv.length, conv.depth);
    let per_output = conv.bias.iter().zip(conv.multiplier);
    for (o, (logit, (&bias, &multiplier))) in logits.iter_mut().zip(per_output).enumerate() {
        let mut acc = bias;
        for (g, group) in sums.chunks_exact(GROUP).enumerate() {
            let at = conv.order.weight_offset(conv.length, conv.depth, o, g * GROUP);
            for (&sum, step) in group.iter().zip(steps) {
                acc = acc.wrapping_add(sum.wrapping_mul(i32::from(weights[at + step])));
            }
        }
        *logit = arithmetic::scale(acc, multiplier);
    }
}
