//! A network, fully resolved: every layer has its own widths, because networks made elsewhere do not follow one growth rate.

use denselet::shape::StemPool;
use serde::{Deserialize, Serialize};

/// A whole network, resolved to the width of every layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Name for people: a preset's name or a file's stem.
    pub name: String,
    /// Input image, NHWC.
    pub input: Input,
    /// Number of classes, at least 2.
    pub classes: usize,
    /// First convolution.
    pub stem: Stem,
    /// Dense blocks in order.
    pub blocks: Vec<Block>,
    /// Whether a batch norm + ReLU stands before the global average.
    pub final_norm: bool,
    /// Probability of dropping a value after each convolution of a layer or transition, in training only.
    pub dropout: f32,
    /// Batch-norm epsilon.
    pub epsilon: f32,
}

/// Shape of one input image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Rows; 1 makes a 1-D network (1x3 layers, 1x2 pooling).
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels per pixel.
    pub channels: usize,
}

impl Input {
    /// Returns the number of values of one image; nothing if it does not fit memory.
    pub fn values(&self) -> Option<usize> {
        self.height.checked_mul(self.width)?.checked_mul(self.channels)
    }
}

impl core::fmt::Display for Input {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}x{}x{}", self.height, self.width, self.channels)
    }
}

/// First convolution: no batch norm in the CIFAR form, batch norm + ReLU + max pool in the ImageNet form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stem {
    /// Rows of the filter (1 when the input's height is 1).
    pub kernel_height: usize,
    /// Columns of the filter.
    pub kernel_width: usize,
    /// Step in both directions (1 vertically when the input's height is 1).
    pub stride: usize,
    /// Zero rows above the image and zero columns left of it.
    pub pad_top: usize,
    /// See `pad_top`.
    pub pad_left: usize,
    /// Zero rows below.
    pub pad_bottom: usize,
    /// Zero columns to the right.
    pub pad_right: usize,
    /// Output channels.
    pub filters: usize,
    /// Batch norm + ReLU after the convolution.
    pub norm: bool,
    /// 3x3 stride-2 max pool after that.
    pub pool: bool,
    /// Whether that pool pads an even side after it only, as `padding="same"` does; otherwise by one pixel on every side.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub pool_same: bool,
}

impl Stem {
    /// The max pool.
    pub fn pooling(&self) -> StemPool {
        match (self.pool, self.pool_same) {
            (false, _) => StemPool::None,
            (true, false) => StemPool::Centred,
            (true, true) => StemPool::Same,
        }
    }
}

/// One dense block and the transition after it, if any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Dense layers in order.
    pub layers: Vec<Layer>,
    /// Output channels of the transition (BN, ReLU, 1x1 convolution, 2x2 average); `None`: no transition.
    pub transition: Option<usize>,
    /// Whether the transition is linear: its convolution reads the block as it is, without batch norm and ReLU.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub linear: bool,
}

/// One dense layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Channels it appends.
    pub growth: usize,
    /// Channels of its 1x1 bottleneck; `None`: the 3x3 reads the block directly.
    pub bottleneck: Option<usize>,
}
