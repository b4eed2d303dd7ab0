//! What a network's inputs and answers mean: kept by checkpoints and blobs, and compared with every data set that is read for
//! the network.

use crate::data::Encoding;
use serde::{Deserialize, Serialize};

/// What the numbers that enter and leave a network stand for. Every part is empty or absent if it is not known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Name of the network.
    pub name: String,
    /// Names of the classes, in the order of the logits; empty if they are not known.
    pub classes: Vec<String>,
    /// How measurements become bytes; absent if the network reads bytes as they are.
    pub encoding: Option<Encoding>,
}
