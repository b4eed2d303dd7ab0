//! How far a block buffer may lie below the one it is computed from: a transition reads faster than it writes, so the
//! two overlap.

use super::Buffer;
use crate::layout::TILE;

/// Smallest distance, in bytes, from the start of `to` up to the start of `from` at which no byte of `from` is
/// written before it is read.
///
/// The transition goes tile by tile ([`TILE`] output pixels): it packs the tile's input pixels, then writes the tile.
pub(super) fn gap(from: &Buffer, pool_rows: usize, to: &Buffer) -> usize {
    let mut gap = 0;
    for y in 0..to.height {
        for x in (0..to.width).step_by(TILE) {
            let end = to.width.min(x + TILE);
            let written = (y * to.width + end) * to.stride;
            let unread = if end < to.width {
                (y * pool_rows * from.width + 2 * end) * from.stride
            } else if y + 1 < to.height {
                (y + 1) * pool_rows * from.width * from.stride
            } else {
                continue;
            };
            gap = gap.max(written.saturating_sub(unread));
        }
    }
    gap
}
