//! Why a checkpoint cannot be written or read.

use crate::spec::SpecError;
use safetensors::SafeTensorError;
use std::path::{Path, PathBuf};

/// Why a checkpoint cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file cannot be read.
    #[error("checkpoint {}: {}", path.display(), unread(source))]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file cannot be written.
    #[error("checkpoint {}: {source}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a safetensors file.
    #[error(
        "checkpoint {}: expected a safetensors file of denselet's, found a damaged file or one of another kind ({source}); \
         name a run's folder or its checkpoint",
        path.display()
    )]
    Format {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: SafeTensorError,
    },
    /// The network it describes is none.
    #[error("checkpoint {}: {source}", path.display())]
    Spec {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: SpecError,
    },
    /// A field or tensor is not what it should be.
    #[error("checkpoint {}: `{field}`: expected {expected}, found {found}", path.display())]
    Field {
        /// Which file.
        path: PathBuf,
        /// Which field or tensor.
        field: String,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
}

/// Why a file cannot be read; of one that is absent, what to name instead.
fn unread(source: &std::io::Error) -> String {
    if source.kind() == std::io::ErrorKind::NotFound {
        return "expected a file, found none; name a checkpoint, or a run's folder after its first epoch"
            .to_owned();
    }
    source.to_string()
}

impl CheckpointError {
    pub(crate) fn field(path: &Path, field: &str, expected: &str, found: String) -> Self {
        Self::Field {
            path: path.to_owned(),
            field: field.to_owned(),
            expected: expected.to_owned(),
            found,
        }
    }
}
