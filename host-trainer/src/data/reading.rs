//! How a data set is to be read.

use super::encoding::Encoding;
use crate::spec::Input;

/// How a data set is to be read: what is known of the network that it is read for, and what the user allowed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Input of the network, if there is one: flat rows of as many values become images of this shape.
    pub input: Option<Input>,
    /// Whether images of another shape are resized to `input` (`--resize`); otherwise they keep their shape.
    pub resize: bool,
    /// How the network's measurements become bytes: measurements go through it instead of their own range.
    pub encoding: Option<Encoding>,
    /// Whether damaged files are counted and left out (`--skip-damaged`); otherwise one is an error.
    pub skip_damaged: bool,
    /// Name of a table's label column (`--label`), if it was given.
    pub label: Option<String>,
}
