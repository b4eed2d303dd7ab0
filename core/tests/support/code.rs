//! Coded arrays of weights, made in the plainest way: the counterpart of `denselet::codec`.

use super::random::Random;
use denselet::codec::Codec;

/// Codes an array; `None` if a weight is out of the codec's range.
///
/// A Huffman code gets random lengths, so that any complete code comes up.
pub fn encode(codec: Codec, weights: &[i8], random: &mut Random) -> Option<Vec<u8>> {
    let stored = |middle: i16| -> Option<Vec<u8>> {
        let stored = weights.iter().map(|&weight| i16::from(weight) + middle);
        stored
            .map(|value| {
                u8::try_from(value)
                    .ok()
                    .filter(|&value| i16::from(value) < 2 * middle)
            })
            .collect()
    };
    match codec {
        Codec::Raw => Some(weights.iter().map(|&weight| weight as u8).collect()),
        Codec::Nibbles => {
            let mut bytes = vec![0; weights.len().div_ceil(8) * 4];
            for (nth, value) in stored(8)?.into_iter().enumerate() {
                bytes[nth / 8 * 4 + nth % 4] |= value << (nth / 4 % 2 * 4);
            }
            Some(bytes)
        }
        Codec::Planes => {
            let mut bytes = vec![0; weights.len().div_ceil(32) * 12];
            for (nth, value) in stored(4)?.into_iter().enumerate() {
                let (start, group) = (nth / 32 * 12, nth / 4 % 8);
                bytes[start + group / 4 * 4 + nth % 4] |= (value & 3) << (group % 4 * 2);
                bytes[start + 8 + nth % 4] |= value >> 2 << group;
            }
            Some(bytes)
        }
        Codec::Huffman => {
            let mut used: Vec<i8> = weights.to_vec();
            used.sort_unstable();
            used.dedup();
            let (Some(&lowest), Some(&highest)) = (used.first(), used.last()) else {
                return Some(Vec::new());
            };
            // A code of the weights that occur: leaves are split until there are enough.
            let mut leaves = vec![0u8];
            while leaves.len() < used.len() {
                let nth = random.below(leaves.len() as u64) as usize;
                if leaves[nth] < 8 {
                    leaves[nth] += 1;
                    leaves.push(leaves[nth]);
                }
            }
            let mut lengths = vec![0u8; (i16::from(highest) - i16::from(lowest) + 1) as usize];
            for weight in used {
                let nth = random.below(leaves.len() as u64) as usize;
                lengths[(i16::from(weight) - i16::from(lowest)) as usize] = leaves.swap_remove(nth);
            }
            Some(huffman(lowest, &lengths, weights))
        }
    }
}

/// The stream of a Huffman code of these lengths, from the lowest weight on.
pub fn huffman(lowest: i8, lengths: &[u8], weights: &[i8]) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    let byte = |bits: &mut Vec<bool>, byte: u8| bits.extend((0..8).map(|bit| byte >> bit & 1 > 0));
    byte(&mut bits, lowest as u8);
    byte(&mut bits, (lengths.len() - 1) as u8);
    for pair in lengths.chunks(2) {
        byte(&mut bits, pair[0] | pair.get(1).map_or(0, |high| high << 4));
    }
    // Canonical codes: in the order of their lengths, then of their weights, each is the one before plus one.
    let mut codes = vec![0u32; lengths.len()];
    let mut next = 0;
    for length in 1..=15 {
        next <<= 1;
        for (code, _) in codes.iter_mut().zip(lengths).filter(|(_, own)| **own == length) {
            *code = next;
            next += 1;
        }
    }
    for &weight in weights {
        let nth = (i16::from(weight) - i16::from(lowest)) as usize;
        bits.extend((0..lengths[nth]).rev().map(|bit| codes[nth] >> bit & 1 > 0));
    }
    bits.resize(bits.len().next_multiple_of(32), false);
    let bytes = bits.chunks(8);
    bytes
        .map(|bits| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit)))
        .collect()
}
