//! The training loop: batches, steps, epochs. Comes after `data` and `net`, before `fold`.
//!
//! Everything random is drawn from the recipe's seed and the epoch's number, so the same seed gives the same weights,
//! on any number of threads, and a run that was interrupted goes on as if it had not been.

mod average;
mod batch;
pub mod checkpoint;
mod checkpoint_error;
mod events;
mod finetuning;
pub(crate) mod finite;
mod log;
mod meta;
#[cfg(feature = "mpi")]
mod mpi;
mod optimiser;
mod place;
mod ranges;
mod recipe;
pub(crate) mod recipe_file;
pub(crate) mod resume;
mod run;
mod run_folder;
mod share;
mod step;
mod target;
pub(crate) mod tensor_file;

pub use finetuning::Finetuning;
pub use optimiser::{Optimiser, Parameters, Rule, norm};
pub(crate) use place::record;
pub use place::{Place, ranks, recorded, train_among, train_in};
pub use recipe::{Method, Recipe, Schedule};
pub use run_folder::{FolderError, RunFolder};
pub use share::{agree, from_first};
pub use target::{Balance, ClassWeights, Distil};

use crate::data::{Dataset, Split};
use crate::evaluate::Confusion;
use crate::net::{Network, Role, Tensor};
use crate::spec::{Input, Spec};
use checkpoint::CheckpointError;
use place::alone;
use run::Run;
pub use run::held_out;
pub(crate) use run::{AUGMENT_STREAM, generator, shuffle};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Why training stopped without a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The run's folder is another's, or another process writes there.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The data set's pictures are not what the network takes.
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
    /// A rank does not train the same network on the same pictures.
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

/// What one epoch brought.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub number: usize,
    /// Mean training loss.
    pub loss: f64,
    /// Share of training pictures classified correctly while training, 0 to 1.
    pub accuracy: f64,
    /// Share of held-out training pictures classified correctly afterwards; absent where none are held out.
    pub held_out_accuracy: Option<f64>,
    /// Mean loss of the held-out training images afterwards, without smoothing, mixing or a teacher; absent if none are held
    /// out, and in files written before it was kept.
    #[serde(default)]
    pub held_out_loss: Option<f64>,
    /// Learning rate of the last step.
    #[serde(default)]
    pub rate: f32,
    /// Training speed; differs from run to run, so checkpoints leave it out, and 0 means that nobody knows any more.
    #[serde(skip)]
    pub images_per_second: f64,
    /// What the epoch took, with measuring; as for the speed.
    #[serde(skip)]
    pub seconds: f64,
}

/// Where a run stands, for whoever watches it.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// From 1.
    pub epoch: usize,
    /// Epochs of the whole run.
    pub epochs: usize,
    /// Steps of this epoch that are done.
    pub step: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// Pictures of one step.
    pub batch: usize,
    /// Mean training loss of this epoch so far.
    pub loss: f64,
    /// Share of this epoch's pictures classified correctly so far.
    pub accuracy: f64,
    /// Training speed of this epoch so far.
    pub images_per_second: f64,
}

/// Somebody who watches a run. Both methods do nothing by default.
pub trait Progress {
    /// After every step.
    fn step(&mut self, _at: &Position) {}
    /// After every epoch, its checkpoint written.
    fn epoch(&mut self, _done: &Epoch) {}
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {}

/// Trains a network of `spec` on the data set's training split.
///
/// # Errors
///
/// When network, data set and recipe do not fit together, or the loss diverges.
pub fn train(
    spec: &Spec,
    data: &Dataset,
    recipe: &Recipe,
    progress: &mut dyn Progress,
) -> Result<Network, TrainError> {
    let mut run = Run::new(spec, data, recipe, &alone())?;
    while let Some(done) = run.epoch(data, progress)? {
        progress.epoch(&done);
    }
    Ok(run.state.network)
}

/// Checks that a data set has pictures and classes as the network `name` takes them.
pub(crate) fn fits(name: &str, spec: &Spec, data: &Dataset) -> Result<(), TrainError> {
    if spec.input != data.shape() {
        return Err(TrainError::Shape {
            network: name.to_owned(),
            data: data.name.clone(),
            expected: spec.input,
            found: data.shape(),
        });
    }
    if spec.classes != data.classes.len() {
        return Err(TrainError::Classes {
            network: name.to_owned(),
            data: data.name.clone(),
            expected: spec.classes,
            found: data.classes.len(),
        });
    }
    Ok(())
}

/// Number of the epoch with the highest held-out accuracy; of equal ones the one with the lowest held-out loss, of those the
/// first. None if nothing is held out.
pub fn best(history: &[Epoch]) -> Option<usize> {
    let mut best: Option<(usize, f64, f64)> = None;
    for epoch in history {
        let Some(accuracy) = epoch.held_out_accuracy else {
            continue;
        };
        let loss = epoch.held_out_loss.unwrap_or(f64::INFINITY);
        let is_better = best
            .is_none_or(|(_, highest, lowest)| accuracy > highest || (accuracy == highest && loss < lowest));
        if is_better {
            best = Some((epoch.number, accuracy, loss));
        }
    }
    best.map(|(number, ..)| number)
}

/// Share of a split's pictures that `network` classifies correctly, 0 to 1.
pub fn accuracy(network: &Network, split: &Split) -> f64 {
    let logits = network.logits(&split.images, split.len());
    Confusion::new(&logits, &split.labels, network.spec.classes).accuracy()
}

/// Lengths of a network's trained tensors, in their order.
pub fn trained_lengths(network: &mut Network) -> Vec<usize> {
    let trained = network.tensors().into_iter().filter(Tensor::is_trained);
    trained.map(|tensor| tensor.values.len()).collect()
}

/// A network's trained tensors with their gradients, as an optimiser takes them.
pub fn parameters<'a>(network: &'a mut Network, gradient: &'a mut Network) -> Vec<Parameters<'a>> {
    let pairs = network.tensors().into_iter().zip(gradient.tensors());
    pairs
        .filter(|(tensor, _)| tensor.is_trained())
        .map(|(tensor, gradient)| Parameters {
            decays: tensor.role == Role::Weight,
            weights: tensor.values,
            gradient: gradient.values,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::checkpoint::Checkpoint;
    use super::*;
    use crate::data::Reading;
    use std::path::Path;

    fn small() -> (Spec, Dataset, Recipe) {
        let spec = Spec::parse(
            "classes = 10\ngrowth = 3\nblocks = [1, 1]\nbottleneck = true\ntheta = 0.5\n\
             [input]\nheight = 8\nwidth = 8\nchannels = 1\n",
            "small",
        )
        .unwrap();
        let mut data = Dataset::load("digits", &Reading::default()).unwrap();
        data.train = data.train.sample(300);
        let recipe = Recipe {
            epochs: 3,
            batch: 32,
            ..Recipe::for_data(&data)
        };
        (spec, data, recipe)
    }

    fn place(folder: &Path, resume: bool) -> Place<'_> {
        Place {
            folder,
            resume,
            command: None,
        }
    }

    #[test]
    fn a_resumed_run_ends_with_the_same_weights() {
        let (spec, data, recipe) = small();
        let whole = train(&spec, &data, &recipe, &mut Silent).unwrap();
        let folder = tempfile::tempdir().unwrap();

        /// Stops after the first epoch, as a kill would.
        struct Stop;
        impl Progress for Stop {
            fn step(&mut self, at: &Position) {
                assert!(at.epoch == 1, "killed");
            }
        }
        let killed = std::panic::catch_unwind(|| {
            let _ = train_in(place(folder.path(), false), &spec, &data, &recipe, &mut Stop);
        });
        assert!(killed.is_err());
        assert_eq!(checkpoint::load(folder.path()).unwrap().meta.epoch, 1);
        let resumed = train_in(place(folder.path(), true), &spec, &data, &recipe, &mut Silent).unwrap();
        assert_eq!(resumed.network, whole);
        assert_eq!(checkpoint::load(folder.path()).unwrap().network, whole);

        let other = Recipe { rate: 0.5, ..recipe };
        let error = train_in(place(folder.path(), true), &spec, &data, &other, &mut Silent).unwrap_err();
        assert!(error.to_string().contains("recipe"), "{error}");
    }

    #[test]
    fn an_average_is_kept_and_gone_on_with() {
        let (spec, data, recipe) = small();
        let recipe = Recipe {
            average: Some(0.9),
            held_out: 0.1,
            dropout: Some(0.1),
            class_weights: Some(ClassWeights::By(Balance::Balanced)),
            augment: crate::data::Augment {
                cutout: 2,
                operations: 1,
                magnitude: 0.2,
                mixup: 0.2,
                cutmix: 1.0,
                ..recipe.augment
            },
            ..recipe
        };
        let folder = tempfile::tempdir().unwrap();
        let whole = train_in(place(folder.path(), false), &spec, &data, &recipe, &mut Silent).unwrap();
        assert_ne!(whole.raw.as_ref(), Some(&whole.network));
        assert_eq!(whole.network.spec.dropout, 0.1);
        assert_eq!(checkpoint::load(folder.path()).unwrap(), unmeasured(&whole));

        let mut run = Run::new(&spec, &data, &recipe, &alone()).unwrap();
        run.epoch(&data, &mut Silent).unwrap();
        let folder = tempfile::tempdir().unwrap();
        run.state.save(folder.path()).unwrap();
        let resumed = train_in(place(folder.path(), true), &spec, &data, &recipe, &mut Silent).unwrap();
        assert_eq!((resumed.network, resumed.raw), (whole.network, whole.raw));
    }

    /// Without what checkpoints leave out.
    fn unmeasured(state: &Checkpoint) -> Checkpoint {
        let mut state = state.clone();
        for epoch in &mut state.meta.history {
            (epoch.images_per_second, epoch.seconds) = (0.0, 0.0);
        }
        state
    }

    #[test]
    fn a_teacher_is_taken_after() {
        let (spec, data, recipe) = small();
        let folder = tempfile::tempdir().unwrap();
        let teacher = Recipe {
            epochs: 10,
            ..recipe.clone()
        };
        train_in(place(folder.path(), false), &spec, &data, &teacher, &mut Silent).unwrap();
        let pupil = |weight| Recipe {
            distil: Distil {
                teacher: Some(folder.path().to_owned()),
                weight,
                ..Distil::default()
            },
            epochs: 10,
            ..recipe.clone()
        };
        // With a weight of 1 labels teach nothing.
        let mut blind = data.clone();
        blind.train.labels.fill(0);
        let taught = train(&spec, &blind, &pupil(1.0), &mut Silent).unwrap();
        let found = accuracy(&taught, &data.test);
        // Who learns from labels that are all the same is right about a tenth.
        assert!(found > 0.3, "{found}");
        let mut other = data.clone();
        other.classes.pop();
        let error = Run::new(&spec, &other, &pupil(0.5), &alone())
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("classes"), "{error}");
        let nobody = Recipe {
            distil: Distil {
                teacher: Some("nosuch".into()),
                ..Distil::default()
            },
            ..recipe
        };
        let error = train(&spec, &data, &nobody, &mut Silent).unwrap_err().to_string();
        assert!(error.contains("nosuch"), "{error}");
    }

    #[test]
    fn training_learns() {
        let (spec, data, recipe) = small();
        let recipe = Recipe { epochs: 15, ..recipe };
        let network = train(&spec, &data, &recipe, &mut Silent).unwrap();
        let found = accuracy(&network, &data.test);
        assert!(found > 0.6, "{found}");
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let (spec, mut data, recipe) = small();
        let bad = Recipe {
            batch: 0,
            ..recipe.clone()
        };
        let message = |r: Result<Network, TrainError>| r.unwrap_err().to_string();
        assert!(message(train(&spec, &data, &bad, &mut Silent)).contains("`batch`"));
        let bad = Recipe {
            rate: 1e6,
            ..recipe.clone()
        };
        assert!(message(train(&spec, &data, &bad, &mut Silent)).contains("a smaller --lr"));
        data.classes.pop();
        assert!(message(train(&spec, &data, &recipe, &mut Silent)).contains("classes"));
        let spec = Spec::load("d1").unwrap();
        assert!(message(train(&spec, &data, &recipe, &mut Silent)).contains("28x28x1"));
    }
}
