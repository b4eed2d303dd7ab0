//! A convolution's parameters, and the lines that it is multiplied with.

use super::source::{LENGTH_LIMIT, starts_at_word};
use crate::layout::{GROUP, Order, TAPS};

/// A quantised convolution without its weights, which arrive when it is [`Prepared`](super::Prepared).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv<'b> {
    /// One per output, or `[border][o]` in a layer without bottleneck.
    pub bias: &'b [i32],
    /// One per output, in [0, 2^31) for [0, 1/2).
    pub multiplier: &'b [i32],
    /// Order of the weights.
    pub order: Order,
    /// Number of outputs.
    pub outputs: usize,
    /// Values of one filter: rows * taps * `depth`.
    pub length: usize,
    /// Values of one tap, a multiple of [`GROUP`].
    pub depth: usize,
}

impl Conv<'_> {
    /// Columns of a filter: [`TAPS`] or 1.
    pub fn taps(&self) -> usize {
        if self.depth < self.length { TAPS } else { 1 }
    }

    /// Whether every output has its weights, biases and multiplier, and a filter is one row of taps or [`TAPS`].
    pub(super) fn is_whole(&self, weights: &[i8]) -> bool {
        let needed = self.order.weights_len(self.outputs, self.length);
        let row = self.taps().saturating_mul(self.depth);
        self.depth > 0
            && self.depth.is_multiple_of(GROUP)
            && (self.length == row || self.length == row.saturating_mul(TAPS))
            && needed.is_some_and(|needed| needed <= weights.len())
            && starts_at_word(weights)
            && self.outputs <= self.bias.len()
            && self.outputs <= self.multiplier.len()
            && self.depth < LENGTH_LIMIT
            && self.outputs < LENGTH_LIMIT
    }
}

/// The range of the values of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// 0 to 255.
    Bytes,
    /// Up to four bytes added up: 0 to 1020.
    Sums,
}
