//! What a state dict does not hold, given by flags or assumed; and what an import assumes, in sentences.

use super::error::Problem;
use serde::Serialize;

/// What was taken to be so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Assumption {
    /// What, in one sentence.
    pub what: String,
    /// The option that says otherwise, if there is one.
    pub flag: Option<String>,
}

/// What a state dict leaves open; absent parts are assumed as torchvision has them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Assumed {
    /// Epsilon of every batch norm.
    pub epsilon: Option<f32>,
    /// Stride of the stem's convolution.
    pub stem_stride: Option<usize>,
    /// Whether a 3x3 max pool with stride 2 follows the stem.
    pub stem_pool: Option<bool>,
    /// Whether a ReLU stands between a transition's batch norm and its convolution.
    pub transition_relu: Option<bool>,
    /// Whether a ReLU stands before the global average.
    pub head_relu: Option<bool>,
}

impl Assumed {
    /// Every option by its name, and whether it was given.
    fn given(&self) -> [(&'static str, bool); 5] {
        [
            ("--epsilon", self.epsilon.is_some()),
            ("--stem-stride", self.stem_stride.is_some()),
            ("--stem-pool", self.stem_pool.is_some()),
            ("--transition-relu", self.transition_relu.is_some()),
            ("--head-relu", self.head_relu.is_some()),
        ]
    }

    /// A file that holds its graph says all of this.
    pub(super) fn refuse_any(&self) -> Result<(), Problem> {
        match self.given().iter().find(|(_, is_given)| *is_given) {
            None => Ok(()),
            Some((name, _)) => Err(Problem::field(
                *name,
                "absent: this file holds the network's graph, which says it",
                "given",
            )),
        }
    }
}
