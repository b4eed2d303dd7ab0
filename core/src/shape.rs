//! Shapes: the vocabulary of the family as data. Rank 0: imports nothing of the crate.

use core::ops::Range;

/// Height (rows), width (columns) and channels of a feature map, laid out NHWC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Shape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels per pixel.
    pub channels: usize,
}

/// Geometry of the stem: a convolution, with or without a max pool after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StemShape {
    /// Rows of the filter, 1 to 15.
    pub kernel_height: usize,
    /// Columns of the filter, 1 to 15.
    pub kernel_width: usize,
    /// Rows from one output row to the next, 1 to 4.
    pub stride_y: usize,
    /// Columns from one output column to the next, 1 to 4.
    pub stride_x: usize,
    /// Padding rows above, fewer than `kernel_height`.
    pub pad_top: usize,
    /// Padding columns to the left, fewer than `kernel_width`.
    pub pad_left: usize,
    /// Padding rows below, fewer than `kernel_height`.
    pub pad_bottom: usize,
    /// Padding columns to the right, fewer than `kernel_width`.
    pub pad_right: usize,
    /// The max pool that follows.
    pub pool: StemPool,
    /// Output channels.
    pub filters: usize,
}

/// Max pool of a stem: 3x3 with stride 2. A side of n pixels becomes one of n / 2 pixels, rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum StemPool {
    /// No pool.
    None,
    /// One pixel of padding before and after.
    Centred,
    /// One pixel of padding before and after an odd side; none before and one after an even side (`padding="same"` in Keras,
    /// `SAME_UPPER` in ONNX).
    Same,
}

impl StemPool {
    /// Pixels of padding before a side of `side` pixels.
    pub const fn before(self, side: usize) -> usize {
        match self {
            Self::Centred => 1,
            Self::Same => side % 2,
            Self::None => 0,
        }
    }

    /// Rows, or columns, of a side of `side` pixels that pixel `at` of the output reads.
    #[inline(never)]
    pub fn window(self, at: usize, side: usize) -> Range<usize> {
        match self {
            Self::None => at..at + 1,
            _ => {
                let before = self.before(side);
                (2 * at).saturating_sub(before)..side.min(2 * at + 3 - before)
            }
        }
    }

    /// The row of the output that is complete once row `y` of `height` rows is there.
    pub fn completed(self, y: usize, height: usize) -> Option<usize> {
        let end = y + self.before(height);
        if end >= 2 && end.is_multiple_of(2) {
            return Some(end / 2 - 1);
        }
        (y + 1 == height).then_some(end / 2)
    }
}

/// The sizes of one stage after the stem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum StageShape {
    /// A dense layer: appends `growth` channels to its block.
    Layer {
        /// Channels of the 1x1 bottleneck; `None`: the 3x3 reads the block buffer.
        bottleneck: Option<usize>,
        /// Channels the layer appends.
        growth: usize,
    },
    /// A transition: 2x2 average, 1x1 convolution to `filters` channels, start of the next block.
    Transition {
        /// Channels of the next block's first slot.
        filters: usize,
    },
    /// The head: average over the map, linear layer.
    Head {
        /// Number of logits.
        classes: usize,
    },
}

impl Shape {
    /// Pixels of one map.
    pub const fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Returns the shape after a transition to `filters` channels: 2x2 pooling, 1x2 if the height is 1.
    pub const fn pooled(&self, filters: usize) -> Self {
        Self {
            height: self.height / self.pool_rows(),
            width: self.width / 2,
            channels: filters,
        }
    }

    /// Rows that one output row of a transition averages: 2, or 1 in a 1-D map.
    pub const fn pool_rows(&self) -> usize {
        if self.height == 1 { 1 } else { 2 }
    }

    /// Rows of a dense layer's convolution: 3, or 1 in a 1-D map, where the others would only meet padding.
    pub const fn tap_rows(&self) -> usize {
        if self.height == 1 { 1 } else { 3 }
    }
}

impl StemShape {
    /// Shape of the convolution's output, before the max pool; `None` if the filter does not fit.
    pub fn convolved(&self, input: Shape) -> Option<Shape> {
        let rows = input.height + self.pad_top + self.pad_bottom;
        let columns = input.width + self.pad_left + self.pad_right;
        Some(Shape {
            height: rows.checked_sub(self.kernel_height)?.checked_div(self.stride_y)? + 1,
            width: columns
                .checked_sub(self.kernel_width)?
                .checked_div(self.stride_x)?
                + 1,
            channels: self.filters,
        })
    }

    /// Shape of the stem's output; `None` if the filter does not fit.
    pub fn output(&self, input: Shape) -> Option<Shape> {
        let shape = self.convolved(input)?;
        if self.pool == StemPool::None {
            return Some(shape);
        }
        Some(Shape {
            height: shape.height.checked_sub(1)? / 2 + 1,
            width: shape.width.checked_sub(1)? / 2 + 1,
            channels: shape.channels,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGENET: StemShape = StemShape {
        kernel_height: 7,
        kernel_width: 7,
        stride_y: 2,
        stride_x: 2,
        pad_top: 3,
        pad_left: 3,
        pad_bottom: 3,
        pad_right: 3,
        pool: StemPool::Centred,
        filters: 64,
    };

    #[test]
    fn imagenet_stem_quarters_the_image() {
        let input = Shape {
            height: 224,
            width: 224,
            channels: 3,
        };
        assert_eq!(
            IMAGENET.output(input),
            Some(Shape {
                height: 56,
                width: 56,
                channels: 64
            })
        );
    }

    #[test]
    fn a_filter_larger_than_the_padded_image_has_no_output() {
        let stem = StemShape {
            pad_top: 0,
            pad_bottom: 0,
            ..IMAGENET
        };
        assert_eq!(
            stem.output(Shape {
                height: 6,
                width: 9,
                channels: 1
            }),
            None
        );
    }

    #[test]
    fn odd_maps_lose_their_last_row_and_column() {
        let map = Shape {
            height: 7,
            width: 5,
            channels: 3,
        };
        assert_eq!(
            map.pooled(2),
            Shape {
                height: 3,
                width: 2,
                channels: 2
            }
        );
        let line = Shape {
            height: 1,
            width: 9,
            channels: 3,
        };
        assert_eq!(
            line.pooled(2),
            Shape {
                height: 1,
                width: 4,
                channels: 2
            }
        );
    }

    #[test]
    fn pooled_rows_are_complete_when_their_windows_are() {
        for pool in [StemPool::Centred, StemPool::Same] {
            for height in 1usize..9 {
                let outputs = height.div_ceil(2);
                let completed = |y: &usize| pool.completed(*y, height).is_some();
                assert_eq!(
                    (0..height).filter(completed).count(),
                    outputs,
                    "{pool:?}, {height} rows"
                );
                for at in 0..outputs {
                    let last = pool.window(at, height).end - 1;
                    assert_eq!(pool.completed(last, height), Some(at), "{pool:?}, {height} rows");
                }
                assert!((0..outputs).all(|at| !pool.window(at, height).is_empty()));
            }
        }
        assert_eq!(StemPool::Same.window(0, 4), 0..3);
        assert_eq!(StemPool::Same.window(1, 4), 2..4);
        assert_eq!(StemPool::Same.window(1, 5), 1..4);
        assert_eq!(StemPool::Centred.window(1, 4), 1..4);
    }
}
