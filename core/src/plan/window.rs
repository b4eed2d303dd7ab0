//! Where a stage's coded weights are decoded: directly above everything else of its step.

#[cfg(feature = "coded")]
use crate::codec::Codec;
use crate::layout::GROUP;
use core::ops::Range;

/// The places of a stage's decoded weights and of the table that decodes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The decoded weights of the bottleneck, and the others. The place of a raw array is empty.
    #[cfg(feature = "coded")]
    pub weights: [Range<usize>; 2],
    /// The decoding table. It overlaps the line buffer and the ring, which are idle while weights are decoded.
    #[cfg(feature = "coded")]
    pub table: Range<usize>,
}

impl Window {
    /// The window of arrays of `lens` weights in a step that ends at `end` without it, and whose memory from `idle` on is idle.
    #[cfg(feature = "coded")]
    pub(super) fn new(codecs: [Codec; 2], lens: [usize; 2], idle: usize, end: usize) -> Self {
        let [first, second] = codecs;
        let decoded = |codec, len| if codec == Codec::Raw { 0 } else { len };
        let table = above(idle, 4 * first.table_words().max(second.table_words()));
        let first = above(end.max(table.end), decoded(first, lens[0]));
        let second = above(first.end, decoded(second, lens[1]));
        Self {
            weights: [first, second],
            table,
        }
    }

    /// First byte after it, in a step that ends at `end` without it.
    pub(super) fn end(&self, end: usize) -> usize {
        #[cfg(feature = "coded")]
        return end.max(self.weights[1].end);
        #[cfg(not(feature = "coded"))]
        end
    }
}

/// `len` bytes from `start`, aligned for every integer that a kernel keeps there.
#[inline(never)]
pub(super) fn above(start: usize, len: usize) -> Range<usize> {
    let start = start.next_multiple_of(GROUP);
    start..start + len
}
