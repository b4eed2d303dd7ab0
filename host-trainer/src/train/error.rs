//! Why training stops without a network.

use super::checkpoint_error::CheckpointError;
use super::folder_error::FolderError;
use crate::spec::Input;
use std::path::PathBuf;

/// Why training stopped without a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The run's folder is another's, or another process writes there.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The data set's images are not what the network takes.
    #[error(
        "network `{network}` takes {}x{}x{} images, data set `{data}` has {}x{}x{}",
        expected.height, expected.width, expected.channels, found.height, found.width, found.channels
    )]
    Shape {
        /// The network.
        network: String,
        /// The data set.
        data: String,
        /// What the network takes.
        expected: Input,
        /// What the data set has.
        found: Input,
    },
    /// The data set's classes are not those of the network.
    #[error("network `{network}` has {expected} classes, data set `{data}` has {found}")]
    Classes {
        /// The network.
        network: String,
        /// The data set.
        data: String,
        /// Classes of the network.
        expected: usize,
        /// Classes of the data set.
        found: usize,
    },
    /// The teacher was trained on other classes or other values.
    #[error("teacher {}: {what}: expected {expected}, as the data has, found {found}: {advice}", path.display())]
    Teacher {
        /// Its run.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the data has.
        expected: String,
        /// What the teacher was trained on.
        found: String,
        /// What to do.
        advice: String,
    },
    /// A number of the recipe makes no training.
    #[error("recipe field `{field}`: expected {expected}, found {found}")]
    Recipe {
        /// Which one.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A number of a step is not finite any more.
    #[error(
        "epoch {epoch}, step {step}: expected finite numbers, found {what} infinite or NaN at a learning rate of {rate}; \
         {}; try {advice}",
        kept(*epoch)
    )]
    Diverged {
        /// Epoch, from 1.
        epoch: usize,
        /// Step of the epoch, from 1.
        step: usize,
        /// What was not finite.
        what: String,
        /// Learning rate of the recipe, at its highest.
        rate: f32,
        /// What to try.
        advice: &'static str,
    },
    /// The run to go on with was started differently.
    #[error(
        "cannot resume: {what}: expected {expected}, as the run was started, found {found}; leave out what differs, or start \
         another run in another --out"
    )]
    Resume {
        /// What differs.
        what: String,
        /// What the run was started with.
        expected: String,
        /// What was asked for.
        found: String,
    },
    /// A checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The processes of a run cannot be told apart.
    #[error("ranks: {0}")]
    Ranks(String),
    /// A rank does not train the same network on the same images.
    #[error(
        "rank {rank} has another {what} than rank 0: every rank needs the same program and the same files"
    )]
    Apart {
        /// Which one.
        rank: usize,
        /// What differs.
        what: &'static str,
    },
    /// Another rank failed, and says why.
    #[error("rank {rank} failed")]
    Elsewhere {
        /// Which one.
        rank: usize,
    },
    /// The recipe in the run's folder cannot be written or read.
    #[error("recipe {}: {problem}", path.display())]
    RecipeFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// The log cannot be written.
    #[error("log: {0}")]
    Log(std::io::Error),
}

/// What is left of a run that stops in an epoch, for a message.
fn kept(epoch: usize) -> String {
    match epoch.saturating_sub(1) {
        0 => "no epoch was finished".into(),
        last => format!("what was saved after epoch {last} is kept"),
    }
}
