//! The training loop: batches, steps, epochs. Comes after `data` and `net`, before `fold`.
//!
//! Everything random is drawn from the recipe's seed and the epoch's number, so the same seed gives the same weights,
//! on any number of threads, and a run that was interrupted goes on as if it had not been.

pub mod checkpoint;
mod optimiser;
mod recipe;

pub use optimiser::{Optimiser, Parameters, Rule, norm};
pub use recipe::Recipe;

use crate::data::{Dataset, Split};
use crate::net::{Loss, Network, Pass, Role, Score, Step, Tensor};
use crate::spec::{Input, Spec};
use checkpoint::{Checkpoint, CheckpointError, Meta};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Instant;

/// Why training stopped without a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The data set's pictures are not what the network takes.
    #[error(
        "network `{network}` takes {}x{}x{} pictures, data set `{data}` has {}x{}x{}",
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
    #[error("network `{network}` tells {expected} classes apart, data set `{data}` has {found}")]
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
    /// The loss is no number any more.
    #[error("the loss became {loss} in epoch {epoch}, step {step}: try a smaller learning rate than {rate}")]
    Diverged {
        /// Epoch, from 1.
        epoch: usize,
        /// Step of the epoch, from 1.
        step: usize,
        /// What the loss was.
        loss: f64,
        /// Learning rate of the recipe.
        rate: f32,
    },
    /// The run to go on with was started differently.
    #[error("cannot go on with {what} `{found}`: the run was started with `{expected}`")]
    Resume {
        /// What differs.
        what: &'static str,
        /// What the run was started with.
        expected: String,
        /// What was asked for.
        found: String,
    },
    /// A checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
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
    let mut run = Run::new(spec, data, recipe)?;
    while let Some(done) = run.epoch(data, progress)? {
        progress.epoch(&done);
    }
    Ok(run.state.network)
}

/// As [`train`], with a checkpoint in `folder` after each epoch. If one is there already and `resume` says so, the run
/// goes on from it and ends with exactly the weights it would have had.
///
/// # Errors
///
/// As [`train`]; when a checkpoint cannot be written or read; when the one that is there began differently.
pub fn train_in(
    folder: &Path,
    resume: bool,
    spec: &Spec,
    data: &Dataset,
    recipe: &Recipe,
    progress: &mut dyn Progress,
) -> Result<Checkpoint, TrainError> {
    let mut run = if resume && checkpoint::is_here(folder) {
        Run::resume(checkpoint::load(folder)?, spec, data, recipe)?
    } else {
        Run::new(spec, data, recipe)?
    };
    while let Some(done) = run.epoch(data, progress)? {
        run.state.save(folder)?;
        progress.epoch(&done);
    }
    Ok(run.state)
}

/// Share of a split's pictures that `network` classifies correctly, 0 to 1.
pub fn accuracy(network: &Network, split: &Split) -> f64 {
    let logits = network.logits(&split.images, split.len());
    let classes = network.spec.classes;
    let right = logits
        .chunks_exact(classes)
        .zip(&split.labels)
        .filter(|(row, label)| {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            row.iter().position(|v| *v == largest) == Some(usize::from(**label))
        });
    right.count() as f64 / split.len().max(1) as f64
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

/// A run between two epochs.
struct Run {
    state: Checkpoint,
    pass: Pass,
    gradient: Network,
}

impl Run {
    fn new(spec: &Spec, data: &Dataset, recipe: &Recipe) -> Result<Self, TrainError> {
        let network = Network::new(spec, data.normalisation(), recipe.seed);
        let meta = Meta {
            epoch: 0,
            data: data.name.clone(),
            classes: data.classes.clone(),
            recipe: recipe.clone(),
            history: Vec::new(),
        };
        Self::from(
            Checkpoint {
                network,
                optimiser: None,
                meta,
            },
            data,
        )
    }

    fn resume(state: Checkpoint, spec: &Spec, data: &Dataset, recipe: &Recipe) -> Result<Self, TrainError> {
        let differs = |what, expected: String, found: String| {
            if expected == found {
                Ok(())
            } else {
                Err(TrainError::Resume {
                    what,
                    expected,
                    found,
                })
            }
        };
        differs(
            "network",
            format!("{:?}", state.network.spec),
            format!("{spec:?}"),
        )?;
        differs("data set", state.meta.data.clone(), data.name.clone())?;
        differs(
            "recipe",
            format!("{:?}", state.meta.recipe),
            format!("{recipe:?}"),
        )?;
        Self::from(state, data)
    }

    fn from(state: Checkpoint, data: &Dataset) -> Result<Self, TrainError> {
        let spec = &state.network.spec;
        if spec.input != data.shape() {
            return Err(TrainError::Shape {
                network: spec.name.clone(),
                data: data.name.clone(),
                expected: spec.input,
                found: data.shape(),
            });
        }
        if spec.classes != data.classes.len() {
            return Err(TrainError::Classes {
                network: spec.name.clone(),
                data: data.name.clone(),
                expected: spec.classes,
                found: data.classes.len(),
            });
        }
        let recipe = &state.meta.recipe;
        recipe.check(data.train.len())?;
        Ok(Self {
            pass: Pass::training(spec, recipe.batch),
            gradient: state.network.clone(),
            state,
        })
    }

    /// Trains one more epoch; `None` when all are done.
    fn epoch(&mut self, data: &Dataset, progress: &mut dyn Progress) -> Result<Option<Epoch>, TrainError> {
        let Checkpoint {
            network,
            optimiser,
            meta,
        } = &mut self.state;
        let recipe = &meta.recipe;
        if meta.epoch >= recipe.epochs {
            return Ok(None);
        }
        let optimiser =
            optimiser.get_or_insert_with(|| Optimiser::new(recipe.rule(), &trained_lengths(network)));
        let held_out = recipe.held_out(data.train.len());
        let mut order = shuffled(data.train.len(), recipe.seed, HELD_OUT_STREAM);
        let aside = order.split_off(order.len() - held_out);
        let mut bits = generator(recipe.seed, meta.epoch as u64);
        shuffle(&mut order, &mut bits);

        let size = data.image_len();
        let steps = order.len() / recipe.batch;
        let mut images = vec![0; recipe.batch * size];
        let mut labels = vec![0; recipe.batch];
        let mut sum = Score::default();
        let start = Instant::now();
        for (step, picked) in order.chunks_exact(recipe.batch).enumerate() {
            gather(data, picked, recipe, &mut bits, &mut images, &mut labels);
            let at = Step {
                key: bits.next_u64(),
                loss: Loss {
                    smoothing: recipe.smoothing,
                    ..Loss::default()
                },
            };
            let score = self.pass.step(network, &images, &labels, at, &mut self.gradient);
            if !score.loss.is_finite() {
                return Err(TrainError::Diverged {
                    epoch: meta.epoch + 1,
                    step: step + 1,
                    loss: score.loss,
                    rate: recipe.rate,
                });
            }
            let rate = recipe.rate_at(meta.epoch * steps + step, recipe.epochs * steps, steps);
            optimiser.step(parameters(network, &mut self.gradient), rate, 1.0);
            sum.loss += score.loss;
            sum.correct += score.correct;
            let seen = ((step + 1) * recipe.batch) as f64;
            progress.step(&Position {
                epoch: meta.epoch + 1,
                epochs: recipe.epochs,
                step: step + 1,
                steps,
                batch: recipe.batch,
                loss: sum.loss / (step + 1) as f64,
                accuracy: sum.correct as f64 / seen,
                images_per_second: seen / start.elapsed().as_secs_f64().max(1e-9),
            });
        }
        let kept = (held_out > 0).then(|| accuracy(network, &pick(&data.train, &aside, size)));
        meta.epoch += 1;
        let done = Epoch {
            number: meta.epoch,
            loss: sum.loss / steps as f64,
            accuracy: sum.correct as f64 / (steps * recipe.batch) as f64,
            held_out_accuracy: kept,
        };
        meta.history.push(done);
        Ok(Some(done))
    }
}

/// Stream that decides which pictures are held out; epochs use theirs, counted from 0.
const HELD_OUT_STREAM: u64 = u64::MAX;

fn generator(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut bits = ChaCha8Rng::seed_from_u64(seed);
    bits.set_stream(stream);
    bits
}

fn shuffled(count: usize, seed: u64, stream: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    shuffle(&mut order, &mut generator(seed, stream));
    order
}

fn shuffle(order: &mut [usize], bits: &mut ChaCha8Rng) {
    for last in (1..order.len()).rev() {
        let at = (u128::from(bits.next_u64()) * (last as u128 + 1)) >> 64;
        order.swap(last, at as usize);
    }
}

/// Copies the picked pictures, augmented, and their labels.
fn gather(
    data: &Dataset,
    picked: &[usize],
    recipe: &Recipe,
    bits: &mut ChaCha8Rng,
    images: &mut [u8],
    labels: &mut [u16],
) {
    let size = data.image_len();
    for ((image, label), &at) in images.chunks_exact_mut(size).zip(labels).zip(picked) {
        let from = &data.train.images[at * size..(at + 1) * size];
        recipe.augment.apply(from, data.shape(), bits, image);
        *label = data.train.labels[at];
    }
}

fn pick(split: &Split, picked: &[usize], size: usize) -> Split {
    let mut out = Split::default();
    for &at in picked {
        out.images
            .extend_from_slice(&split.images[at * size..(at + 1) * size]);
        out.labels.push(split.labels[at]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> (Spec, Dataset, Recipe) {
        let spec = Spec::parse(
            "classes = 10\ngrowth = 3\nblocks = [1, 1]\nbottleneck = true\ntheta = 0.5\n\
             [input]\nheight = 8\nwidth = 8\nchannels = 1\n",
            "small",
        )
        .unwrap();
        let mut data = Dataset::load("digits", None).unwrap();
        data.train = data.train.first(300);
        let recipe = Recipe {
            epochs: 3,
            batch: 32,
            ..Recipe::for_data(&data)
        };
        (spec, data, recipe)
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
            let _ = train_in(folder.path(), false, &spec, &data, &recipe, &mut Stop);
        });
        assert!(killed.is_err());
        assert_eq!(checkpoint::load(folder.path()).unwrap().meta.epoch, 1);
        let resumed = train_in(folder.path(), true, &spec, &data, &recipe, &mut Silent).unwrap();
        assert_eq!(resumed.network, whole);
        assert_eq!(checkpoint::load(folder.path()).unwrap().network, whole);

        let other = Recipe { rate: 0.5, ..recipe };
        let error = train_in(folder.path(), true, &spec, &data, &other, &mut Silent).unwrap_err();
        assert!(error.to_string().contains("recipe"), "{error}");
    }

    #[test]
    fn training_learns() {
        let (spec, data, recipe) = small();
        let recipe = Recipe { epochs: 10, ..recipe };
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
            rate: 1e30,
            ..recipe.clone()
        };
        assert!(message(train(&spec, &data, &bad, &mut Silent)).contains("smaller learning rate"));
        data.classes.pop();
        assert!(message(train(&spec, &data, &recipe, &mut Silent)).contains("classes"));
        let spec = Spec::load("d1").unwrap();
        assert!(message(train(&spec, &data, &recipe, &mut Silent)).contains("28x28x1"));
    }
}
