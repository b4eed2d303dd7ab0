//! Filters into the order a kernel wants. After quantisation, before export; no float, and no index formula of its own.

use crate::quantise::QuantisedConv;
use denselet::layout::{Order, stem_position, stride, tap_position};

/// How the taps of a filter lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taps {
    /// Close together, as an input row does: the stem.
    Close,
    /// Each as wide as a pixel of a ring or block buffer.
    Strided,
}

/// The filters of `conv` in `order`, `length` values each; what is padding is zero.
pub fn pack(conv: &QuantisedConv, taps: Taps, order: Order, length: usize) -> Vec<u8> {
    let mut packed = vec![0; order.weights_len(conv.outputs, length).unwrap_or(0)];
    let depth = match taps {
        Taps::Close => length,
        Taps::Strided => stride(conv.inputs),
    };
    let mut weights = conv.weight.iter();
    for o in 0..conv.outputs {
        for ky in 0..conv.rows {
            for kx in 0..conv.columns {
                for (i, weight) in weights.by_ref().take(conv.inputs).enumerate() {
                    let position = match taps {
                        Taps::Close => stem_position(conv.columns, conv.inputs, ky, kx, i),
                        Taps::Strided => tap_position(conv.columns, conv.inputs, ky, kx, i),
                    };
                    packed[order.weight_offset(length, depth, o, position)] = weight.cast_unsigned();
                }
            }
        }
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weight_arrives_once_and_padding_is_zero() {
        let conv = QuantisedConv {
            outputs: 3,
            rows: 3,
            columns: 3,
            inputs: 5,
            weight: (0..135).map(|n| (n % 127 + 1) as i8).collect(),
            bias: vec![0; 3],
            multiplier: vec![0; 3],
            scales: Vec::new(),
        };
        for order in [Order::Plain, Order::Pairs, Order::Quads] {
            for (taps, length) in [(Taps::Close, 48), (Taps::Strided, 72)] {
                let mut packed: Vec<u8> = pack(&conv, taps, order, length)
                    .into_iter()
                    .filter(|&weight| weight != 0)
                    .collect();
                let mut weights: Vec<u8> = conv.weight.iter().map(|weight| weight.cast_unsigned()).collect();
                packed.sort_unstable();
                weights.sort_unstable();
                assert_eq!(packed, weights);
            }
        }
    }
}
