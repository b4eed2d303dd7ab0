//! Everything in a checkpoint but its tensors: data, recipe, what each epoch reached. Training and fine-tuning share it.

use super::{Epoch, Recipe};
use crate::data::{Dataset, Encoding};
use serde::{Deserialize, Serialize};

/// What is known about a run besides its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta<R = Recipe> {
    /// Epochs done.
    pub epoch: usize,
    /// Data set, as it was asked for.
    pub data: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// How bytes were made of measurements; absent if the data set is bytes.
    #[serde(default)]
    pub encoding: Option<Encoding>,
    /// How it is trained; contains the seed.
    pub recipe: R,
    /// What each epoch measured.
    pub history: Vec<Epoch>,
    /// The command line that started the run; absent in older files and in networks made elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Checksum of the images that it is trained with and their labels; absent in older files and in networks made elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_checksum: Option<u32>,
    /// What an import assumed of the preprocessing, if nothing determined it: an export repeats it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guess: Option<String>,
}

/// What stands for the data set of a network that was imported without one.
pub const NO_DATA: &str = "none";

impl Meta {
    /// Data set that the network was trained on; nothing if it was imported without one.
    pub fn data_name(&self) -> Option<&str> {
        (self.data != NO_DATA).then_some(&*self.data)
    }

    /// The recipe that divided this data set into images that were trained on and images that were held out; nothing if the
    /// network was trained elsewhere or on other data.
    pub fn recipe_for(&self, data: &Dataset) -> Option<&Recipe> {
        (!self.history.is_empty() && self.data == data.name).then_some(&self.recipe)
    }
}
