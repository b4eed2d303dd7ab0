//! The training loop: batches, steps, epochs. Comes after `data` and `net`, before `fold`.
//!
//! Everything random is drawn from the recipe's seed and the epoch's number, so the same seed gives the same weights,
//! on any number of threads, and a run that was interrupted goes on as if it had not been.

mod aside;
mod average;
pub(crate) mod batch;
mod bounds;
pub mod checkpoint;
mod checkpoint_error;
pub(crate) mod epoch;
mod error;
mod events;
mod finetuning;
pub(crate) mod finite;
mod folder_error;
mod log;
mod meta;
#[cfg(feature = "mpi")]
mod mpi;
mod optimiser;
mod place;
mod progress;
mod ranges;
mod recipe;
pub(crate) mod recipe_file;
pub(crate) mod resume;
mod run;
mod run_folder;
mod share;
mod step;
mod target;
mod teacher;
pub(crate) mod tensor_file;
mod trained;
mod whole;

pub use aside::Aside;
pub use error::TrainError;
pub use finetuning::Finetuning;
pub use folder_error::FolderError;
pub use meta::Meta;
pub use optimiser::{Optimiser, Parameters, Rule, norm};
pub(crate) use place::record;
pub use place::{Place, Task, ranks, recorded, train_among, train_in};
pub use progress::{Epoch, Position, Progress, Silent, best};
pub use recipe::{Method, Recipe, Schedule};
pub use run_folder::RunFolder;
pub use share::{agree, from_first};
pub use target::{Balance, ClassWeights, Distil};
pub(crate) use trained::fits;
pub use trained::{accuracy, parameters, trained_lengths};
pub use whole::train;
