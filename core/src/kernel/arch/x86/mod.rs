//! x86-64, for the host: AVX2, and AVX-512 with VNNI if the machine has it.
//!
//! A host has memory to spare, so a convolution is repacked once for all of its tiles into what the instructions
//! like best; blobs of either order run at nearly one speed. This needs an allocator and detection at run time, so both are
//! there with the feature `std` only.

mod avx2;
mod vnni;

pub use avx2::Avx2;
pub use vnni::Vnni;

use crate::kernel::tile::{Conv, Lines};
use crate::layout::{GROUP, Order, TILE};
use std::vec;
use std::vec::Vec;

/// Outputs whose weights lie in one vector.
const QUAD: usize = 4;

/// Values of a row of taps: what is contiguous in a row of the line buffer.
fn run_len(conv: &Conv<'_>) -> usize {
    conv.taps() * conv.depth
}

/// Calls `put(o, row, weights)` for each row of taps of each filter, its weights in the line buffer's order.
fn for_each_run(conv: &Conv<'_>, weights: &[i8], mut put: impl FnMut(usize, usize, &[i8])) {
    let run_len = run_len(conv);
    let mut run = vec![0; run_len];
    let steps = conv.order.steps(conv.length, conv.depth);
    let offset = |o, k| conv.order.weight_offset(conv.length, conv.depth, o, k);
    for o in 0..conv.outputs {
        for row in 0..conv.length / run_len {
            if conv.order == Order::Plain {
                put(o, row, &weights[offset(o, row * run_len)..][..run_len]);
                continue;
            }
            for (kx, tap) in run.chunks_exact_mut(conv.depth).enumerate() {
                let k = row * run_len + kx * conv.depth;
                let mut at = offset(o, k);
                for group in tap.chunks_exact_mut(GROUP) {
                    for (weight, step) in group.iter_mut().zip(steps) {
                        *weight = weights[at + step];
                    }
                    at = conv.order.next_group(conv.length, conv.depth, at);
                }
            }
            put(o, row, &run);
        }
    }
}

/// Where each pixel's repacked biases start, `len` vectors to a kind of border.
fn borders(lines: &Lines<'_>, outputs: usize, len: usize) -> [usize; 2 * TILE] {
    match lines.borders {
        // Divisions are slow.
        None => [0; 2 * TILE],
        Some(borders) => borders.map(|start| start / outputs * len),
    }
}

/// Words of `LANES` outputs at a time, filled up with zeros; output `o` of each in lane `lane(o)`.
fn in_lanes<const LANES: usize>(words: &[i32], lane: impl Fn(usize) -> usize) -> Vec<[i32; LANES]> {
    let vectors = words.chunks(LANES).map(|words| {
        let mut vector = [0; LANES];
        for (o, &word) in words.iter().enumerate() {
            vector[lane(o)] = word;
        }
        vector
    });
    vectors.collect()
}
