//! How far a block's map may lie below the one it is computed from: a transition reads faster than it writes, so the two
//! overlap.

use super::map::Map;
use crate::layout::TILE;

/// Smallest distance, in bytes, from the start of `to` up to the start of `from` at which no byte of `from` is
/// written before it is read.
///
/// The transition goes tile by tile ([`TILE`] output pixels): it packs the tile's input pixels, then writes the tile.
pub(super) fn gap(from: &Map, to: &Map) -> usize {
    let pool_rows = from.shape.pool_rows();
    let (columns, rows) = (to.shape.width, to.shape.height);
    let mut gap = 0;
    for y in 0..rows {
        for x in (0..columns).step_by(TILE) {
            let end = columns.min(x + TILE);
            let written = y * to.row_len() + end * to.stride;
            let unread = if end < columns {
                y * pool_rows * from.row_len() + 2 * end * from.stride
            } else if y + 1 < rows {
                (y + 1) * pool_rows * from.row_len()
            } else {
                continue;
            };
            gap = gap.max(written.saturating_sub(unread));
        }
    }
    gap
}
