//! Why a network cannot be exported.

use crate::quantise::QuantiseError;
use denselet::format::WriteError;
use half::f16;
use thiserror::Error;

/// Why a network cannot be exported.
#[derive(Debug, Error, PartialEq)]
pub enum ExportError {
    /// It cannot be quantised.
    #[error(transparent)]
    Quantise(#[from] QuantiseError),
    /// A number does not fit the format.
    #[error("network does not fit the blob format: {0}")]
    Write(#[from] WriteError),
    /// A scale passes what the blob can hold.
    #[error(
        "stage {stage}: a channel needs a scale of {scale}, the blob holds at most {}: its values are too large; was training stable?",
        f16::MAX
    )]
    Scale {
        /// The stage, 0 for the stem.
        stage: usize,
        /// What it would need.
        scale: f32,
    },
    /// What is known about the network does not belong to it.
    #[error("what the blob tells about its network, {field}: expected {expected}, found {found}")]
    About {
        /// Which part.
        field: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The blob that was written is refused by its reader.
    #[error("network cannot run on a device: {0}")]
    Refused(#[from] denselet::FormatError),
}
