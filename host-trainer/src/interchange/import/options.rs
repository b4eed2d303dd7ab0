//! What a user tells an import, and the kinds of files.

use super::assumed::Assumed;
use super::npz::Vectors;
use super::preprocess::Preprocess;
use crate::data::Encoding;
use crate::spec::Input;
use std::rc::Rc;

/// The kinds for people.
pub(super) const KINDS: &str = "a .keras, .h5, .onnx or .safetensors file";

/// What a file may leave open.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Shape of an image.
    pub input: Option<Input>,
    /// How bytes become what the network takes.
    pub preprocess: Option<Preprocess>,
    /// How the data set's measurements became bytes, if it holds measurements.
    pub encoding: Option<Encoding>,
    /// Reference vectors; their inputs tell the preprocessing.
    pub vectors: Option<Rc<Vectors>>,
    /// Largest difference from them allowed, as a share of the range; by the precision of the answers if it is absent.
    pub tolerance: Option<f64>,
    /// What a state dict does not hold.
    pub assumed: Assumed,
}

/// Where the order of a network's operations comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// The file holds the graph.
    Read,
    /// The file holds parameters by name.
    Assumed,
}

/// Kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Keras 3: `.keras`.
    Keras,
    /// Keras with HDF5: `.h5`.
    KerasH5,
    /// ONNX.
    Onnx,
    /// A PyTorch state dict as safetensors.
    Safetensors,
}

impl Format {
    /// The kind for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keras => "Keras",
            Self::KerasH5 => "Keras HDF5",
            Self::Onnx => "ONNX",
            Self::Safetensors => "PyTorch safetensors",
        }
    }
}
