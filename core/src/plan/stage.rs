//! What is planned of a stage after the stem: its shape, and which of its weights need a window.

use crate::codec::Codec;
use crate::shape::StageShape;

/// A stage after the stem, as it is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its sizes.
    pub shape: StageShape,
    /// The codecs of its bottleneck's weights and of the others.
    pub codecs: [Codec; 2],
}

impl From<StageShape> for Stage {
    /// A stage with raw weights.
    fn from(shape: StageShape) -> Self {
        Self {
            shape,
            codecs: [Codec::Raw; 2],
        }
    }
}

impl From<(StageShape, [Codec; 2])> for Stage {
    fn from((shape, codecs): (StageShape, [Codec; 2])) -> Self {
        Self { shape, codecs }
    }
}
