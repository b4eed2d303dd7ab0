//! How a channel's bytes are to be read.

use crate::calibrate::Range;

/// How one stored channel is to be read: `x = scale * (u - zero)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Size of a step.
    pub scale: f32,
    /// Byte that stands for 0; need not lie in a byte's range.
    pub zero: i32,
}

impl Scale {
    /// A range spread over the bytes; a channel that is always the same gets a step of its own size.
    pub(super) fn of(range: Range) -> Self {
        let size = range.min.abs().max(range.max.abs()).max(1e-6);
        // Zero points are kept as `i16`: a narrow range far from zero gets steps large enough for that.
        let scale = ((range.max - range.min) / 255.0).max(size / 30_000.0);
        Self {
            scale,
            zero: (-range.min / scale).round() as i32,
        }
    }
}
