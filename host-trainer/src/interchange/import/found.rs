//! The parts of a network as an import finds them, by node.

use super::graph::Affine;
use denselet::shape::StemPool;

/// The node before a ReLU that scales and shifts, if any.
pub(super) type Gate = Option<usize>;

/// The parts of a network, by node.
#[derive(Debug)]
pub(super) struct Found {
    /// Scale and shift of an image before the convolution of the stem; `None`: none.
    pub(super) input: Option<Affine>,
    /// The first convolution.
    pub(super) stem: usize,
    /// Before the ReLU after it, if there is one.
    pub(super) stem_gate: Option<Gate>,
    /// The max pool after that.
    pub(super) pool: StemPool,
    /// Dense blocks in order.
    pub(super) blocks: Vec<FoundBlock>,
    /// Channels of the file's order, in ours, that the head reads.
    pub(super) head_order: Vec<usize>,
    /// Before the ReLU before the average, if there is one.
    pub(super) head_gate: Option<Gate>,
    /// The linear layer.
    pub(super) head: usize,
    /// What the file's network makes of the logits.
    pub(super) ending: Ending,
    /// Whether it has one score for two classes.
    pub(super) one_score: bool,
}

/// One block.
#[derive(Debug, Default)]
pub(super) struct FoundBlock {
    pub(super) layers: Vec<FoundLayer>,
    pub(super) transition: Option<FoundTransition>,
}

/// What ends a block.
#[derive(Debug)]
pub(super) struct FoundTransition {
    /// Our channel `c` is the file's channel `order[c]`.
    pub(super) order: Vec<usize>,
    pub(super) before: Before,
    pub(super) conv: usize,
}

/// What stands between a block and its transition's convolution.
#[derive(Debug)]
pub(super) enum Before {
    /// A ReLU.
    Relu(Gate),
    /// Nothing but what scales and shifts, in the file's order of channels.
    Linear(Option<Affine>),
}

/// A dense layer.
#[derive(Debug)]
pub(super) struct FoundLayer {
    /// Our channel `c` is the file's channel `order[c]`.
    pub(super) order: Vec<usize>,
    pub(super) gate: Gate,
    /// The 1x1, and the node before the ReLU after it.
    pub(super) bottleneck: Option<(usize, Gate)>,
    pub(super) conv: usize,
}

/// What a network ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Logits.
    Logits,
    /// Shares that sum to one.
    Softmax,
    /// Their logarithms.
    LogSoftmax,
    /// The probability of the second of two classes, from one score.
    Sigmoid,
}

/// Where a walk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// After the stem: no dense layer was found yet.
    Stem,
    /// In a dense block, or after one.
    Block,
}

/// What reads a block.
#[derive(Debug)]
pub(super) enum Stage {
    Layer {
        gate: Gate,
        bottleneck: Option<(usize, Gate)>,
        conv: usize,
    },
    Transition {
        before: Before,
        conv: usize,
        /// The node whose map starts the next block.
        end: usize,
    },
    Head {
        gate: Option<Gate>,
        linear: usize,
    },
}
