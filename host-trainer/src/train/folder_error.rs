//! Why a folder cannot be written as a run's.

use std::io;
use std::path::PathBuf;

/// Why a folder cannot be written as a run's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// It holds something else.
    #[error(
        "{}: expected an empty folder or a folder of denselet's, found {found}; choose another --out, or empty it yourself",
        folder.display()
    )]
    Foreign {
        /// Which folder.
        folder: PathBuf,
        /// Some of what it holds.
        found: String,
    },
    /// Another process writes there.
    #[error(
        "{}: another denselet process writes in this folder; wait until it ends, or choose another --out",
        folder.display()
    )]
    Busy {
        /// Which folder.
        folder: PathBuf,
    },
    /// It is not a folder.
    #[error("{}: expected a folder or a free name, found {found}; choose another --out", path.display())]
    NotAFolder {
        /// Which path.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// It cannot be read, made or locked.
    #[error("{}: {source}; choose another --out, in a folder that can be read and written", path.display())]
    Io {
        /// The folder or a file in it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
