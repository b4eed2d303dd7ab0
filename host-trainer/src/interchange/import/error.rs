//! What can be wrong with a network made elsewhere.

use std::path::PathBuf;

/// Why a file is not imported: which file, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct ImportError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It cannot be read.
    #[error("{0}")]
    Read(#[from] std::io::Error),
    /// The network that was found is none of the family after all.
    #[error("{0}")]
    Spec(#[from] crate::spec::SpecError),
    /// It is of another kind, or damaged.
    #[error("expected {expected}, found {found}")]
    Kind {
        /// What it must be.
        expected: String,
        /// What it is, and what would make it work.
        found: String,
    },
    /// One of its parts is not what it should be.
    #[error("`{field}`: expected {expected}, found {found}")]
    Field {
        /// Which part.
        field: String,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A node that no network of the family has at this place.
    #[error("node `{name}` is {what}: {why}; {advice}")]
    Node {
        /// The node's name in the file.
        name: String,
        /// What it is, in the file's words.
        what: String,
        /// Why it cannot be.
        why: String,
        /// What would make it work.
        advice: String,
    },
}

impl Problem {
    pub(super) fn kind(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Kind {
            expected: expected.into(),
            found: found.into(),
        }
    }

    pub(super) fn field(field: impl Into<String>, expected: impl Into<String>, found: impl ToString) -> Self {
        Self::Field {
            field: field.into(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }

    pub(super) fn node(
        name: impl Into<String>,
        what: impl Into<String>,
        why: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::Node {
            name: name.into(),
            what: what.into(),
            why: why.into(),
            advice: advice.into(),
        }
    }
}
