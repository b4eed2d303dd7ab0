//! Errors of reading a data set.

use std::path::{Path, PathBuf};

/// Why a data set cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file's content is not as expected.
    #[error("{}: `{field}`: expected {expected}, found {found}", path.display())]
    Field {
        /// Which file.
        path: PathBuf,
        /// Which part of it.
        field: String,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An image cannot be decoded.
    #[error("{}: {source}", path.display())]
    Image {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: image::ImageError,
    },
    /// The data set is not on this machine.
    #[error("data set `{name}` was not found: {advice}")]
    Missing {
        /// As the user gave it.
        name: String,
        /// How to get it.
        advice: String,
    },
}

impl DataError {
    pub(super) fn field(path: &Path, field: &str, expected: impl ToString, found: impl ToString) -> Self {
        Self::Field {
            path: path.to_owned(),
            field: field.to_owned(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    pub(super) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }
}

#[cfg(test)]
#[track_caller]
pub(super) fn assert_contains(message: &str, parts: &[&str]) {
    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
}
