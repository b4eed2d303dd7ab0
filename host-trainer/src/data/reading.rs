//! Options for reading a data set.

use super::encoding::Encoding;
use crate::spec::Input;

/// Options for reading a data set: properties of its network, if there is one, and permissions of the user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Input of the network: flat rows of as many values become images of this shape.
    pub input: Option<Input>,
    /// Whether images of another shape are resized to `input` (`--resize`); otherwise they keep their shape.
    pub resize: bool,
    /// Encoding of the network: measurements become bytes by it instead of their own range.
    pub encoding: Option<Encoding>,
    /// Whether damaged files are skipped and counted (`--skip-damaged`); otherwise a damaged file is an error.
    pub skip_damaged: bool,
    /// Name of the label column of a table (`--label`).
    pub label: Option<String>,
}
