//! The caller's memory, and the only code that cuts it into slices. Rank 5: the plan says where.

use core::ops::Range;

/// `N` bytes for one network, owned by the caller: a `static`, or a local where the stack is large enough.
///
/// [`arena_len`](crate::arena_len) of the embedded blob gives `N` at compile time, so a network that does not fit the
/// chip does not link.
#[repr(C, align(16))]
#[derive(Clone, Debug)]
pub struct Arena<const N: usize>([u8; N]);

impl<const N: usize> Arena<N> {
    /// An arena of zeros. What is in it does not matter.
    pub const fn new() -> Self {
        Self([0; N])
    }

    /// All of its bytes, for painting and looking.
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// All of its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> Default for Arena<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Cuts the arena into the bytes below `split` and the given ranges above it, which are in order and apart.
pub(crate) fn cut<const R: usize>(
    arena: &mut [u8],
    split: usize,
    ranges: [Range<usize>; R],
) -> (&mut [u8], [&mut [u8]; R]) {
    let (below, mut rest) = arena.split_at_mut(split.min(arena.len()));
    let mut at = split;
    let pieces = ranges.map(|range| {
        let (_, behind) = core::mem::take(&mut rest).split_at_mut(range.start - at);
        let (piece, behind) = behind.split_at_mut(range.len());
        rest = behind;
        at = range.end;
        piece
    });
    (below, pieces)
}
