//! Quantisation-aware fine-tuning: the integer network is trained, bit for bit the one that the device runs. Comes after
//! `quantise`, before `pack`.
//!
//! The forward pass is `core`'s arithmetic; gradients go straight through rounding and stop at saturation. What is trained
//! are the float values that the integers are rounded from: [`Parameters`]. `FINETUNING.md` has the formulas. The same seed
//! gives the same bits on any number of threads, and a run that was interrupted goes on as if it had not been.

pub mod checkpoint;
mod finite;
mod gate;
mod gradient;
#[cfg(test)]
mod gradient_check;
mod head;
mod integers;
mod lattice;
mod layer;
mod memory;
mod parameters;
mod pass;
mod place;
mod product;
mod quantiser;
mod recipe;
mod stem;
mod transition;

pub use parameters::{Parameters, Stored};
pub use place::{Place, finetune_at, finetune_in, recorded};
pub use recipe::Recipe;

use crate::blob::Blob;
use crate::data::{Dataset, Draws, Ground, Split};
use crate::evaluate::{self, Confusion};
use crate::export::{self, ExportError};
use crate::net::{self, Loss, Network, Score, Teacher, Tensor};
use crate::quantise::QuantiseError;
use crate::train::checkpoint::CheckpointError;
use crate::train::{
    self, AUGMENT_STREAM, Epoch, Optimiser, Position, Progress, Rule, TrainError, generator, resume, shuffle,
};
use checkpoint::{Finetuned, Meta};
use denselet::layout::Order;
use integers::Integers;
use pass::Pass;
use std::time::Instant;

/// Why fine-tuning stopped without a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FinetuneError {
    /// Network, data set and recipe do not fit together, or the loss diverged, or a run cannot be gone on with.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The network cannot be quantised.
    #[error(transparent)]
    Quantise(#[from] QuantiseError),
    /// The network cannot be exported.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A filter is so long that its sums cannot be computed exactly here.
    #[error("stage {index}: its filters are too long to be fine-tuned; export the float network instead")]
    TooWide {
        /// The stage, 0 for the stem.
        index: usize,
    },
}

impl From<CheckpointError> for FinetuneError {
    fn from(error: CheckpointError) -> Self {
        Self::Train(error.into())
    }
}

/// Fine-tunes a trained network on the data set's training split, without a folder.
///
/// # Errors
///
/// As [`finetune_in`], without those of files.
pub fn finetune(
    network: &Network,
    data: &Dataset,
    recipe: &Recipe,
    progress: &mut dyn Progress,
) -> Result<Finetuned, FinetuneError> {
    Run::new(network, data, recipe)?.finish(data, progress)
}

/// The same, from parameters that the caller has calibrated.
///
/// # Errors
///
/// As [`finetune`].
pub fn finetune_from(
    parameters: Parameters,
    network: &Network,
    data: &Dataset,
    recipe: &Recipe,
    progress: &mut dyn Progress,
) -> Result<Finetuned, FinetuneError> {
    Run::from(parameters, network, data, recipe)?.finish(data, progress)
}

/// Checks that network, data set and recipe fit together.
///
/// # Errors
///
/// The first thing that does not.
pub fn check(network: &Network, data: &Dataset, recipe: &Recipe) -> Result<(), TrainError> {
    train::fits(&network.spec.name, &network.spec, data)?;
    recipe.check(data.train.len())
}

/// How the parameters' integers, run by `core`, classify a split.
///
/// # Errors
///
/// When the network cannot be exported.
///
/// # Panics
///
/// When the split's pictures are not what the network takes.
pub fn confusion(
    parameters: &Parameters,
    split: &Split,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Confusion, FinetuneError> {
    let bytes = export::write(&parameters.quantise()?, Order::Plain, None)?;
    let blob = Blob::new(&bytes).map_err(ExportError::from)?;
    let logits = evaluate::logits(&blob, &split.images, done).expect("pictures of the network's shape");
    Ok(Confusion::new(
        &logits,
        &split.labels,
        parameters.folded.spec.classes,
    ))
}

/// A run between two epochs.
struct Run<'n> {
    state: Finetuned,
    /// The float network, which the integers take after.
    teacher: &'n Network,
    said: net::Pass,
    pass: Pass,
    /// Whether it goes on for more epochs than it was started with.
    is_longer: bool,
}

impl<'n> Run<'n> {
    fn new(network: &'n Network, data: &Dataset, recipe: &Recipe) -> Result<Self, FinetuneError> {
        check(network, data, recipe)?;
        let parameters = Parameters::calibrated(network, data, recipe);
        Self::from(parameters, network, data, recipe)
    }

    fn from(
        mut parameters: Parameters,
        network: &'n Network,
        data: &Dataset,
        recipe: &Recipe,
    ) -> Result<Self, FinetuneError> {
        check(network, data, recipe)?;
        let units = parameters.units(&parameters.quantise()?);
        let lengths: Vec<usize> = trained(&mut parameters)
            .map(|tensor| tensor.values.len())
            .collect();
        let meta = Meta {
            epoch: 0,
            data: data.name.clone(),
            classes: data.classes.clone(),
            encoding: data.encoding.clone(),
            recipe: recipe.clone(),
            history: Vec::new(),
            guess: None,
            data_checksum: Some(data.checksum()),
        };
        let state = Finetuned {
            optimiser: Optimiser::new(RULE, &lengths),
            parameters,
            units,
            meta,
        };
        Self::with(state, network)
    }

    fn resume(
        mut state: Finetuned,
        network: &'n Network,
        data: &Dataset,
        recipe: &Recipe,
    ) -> Result<Self, FinetuneError> {
        check(network, data, recipe)?;
        resume::same("network", &state.parameters.folded.spec, &network.spec)?;
        resume::same("data set", &state.meta.data, &data.name)?;
        resume::same_data(state.meta.data_checksum, data)?;
        recipe.check_resume(&state.meta.recipe)?;
        let is_longer = state.meta.recipe != *recipe;
        state.meta.recipe = recipe.clone();
        Ok(Self {
            is_longer,
            ..Self::with(state, network)?
        })
    }

    fn with(state: Finetuned, teacher: &'n Network) -> Result<Self, FinetuneError> {
        let parameters = &state.parameters;
        let spec = &parameters.folded.spec;
        let integers = Integers::new(&parameters.folded, &parameters.quantise()?)?;
        Ok(Self {
            pass: Pass::new(spec, &integers),
            said: net::Pass::inference(spec, state.meta.recipe.batch),
            teacher,
            state,
            is_longer: false,
        })
    }

    fn finish(mut self, data: &Dataset, progress: &mut dyn Progress) -> Result<Finetuned, FinetuneError> {
        while let Some(done) = self.epoch(data, progress)? {
            progress.epoch(&done);
        }
        Ok(self.state)
    }

    /// One more epoch; `None` when all are done.
    fn epoch(&mut self, data: &Dataset, progress: &mut dyn Progress) -> Result<Option<Epoch>, FinetuneError> {
        let recipe = self.state.meta.recipe.clone();
        let epoch = self.state.meta.epoch;
        if epoch >= recipe.finetune.epochs {
            return Ok(None);
        }
        let mut bits = generator(recipe.seed, epoch as u64);
        let mut order: Vec<usize> = (0..data.train.len()).collect();
        shuffle(&mut order, &mut bits);
        let size = data.image_len();
        let steps = order.len() / recipe.batch;
        let mut more = generator(recipe.seed, AUGMENT_STREAM + epoch as u64);
        let ground = Ground::new(data, &self.teacher.input);
        let mut images = vec![0; recipe.batch * size];
        let mut labels = vec![0; recipe.batch];
        let mut sum = Score::default();
        let mut rate = 0.0;
        let start = Instant::now();
        for (step, picked) in order.chunks_exact(recipe.batch).enumerate() {
            for ((image, label), &at) in images.chunks_exact_mut(size).zip(&mut labels).zip(picked) {
                let from = &data.train.images[at * size..][..size];
                let draws = Draws {
                    place: &mut bits,
                    rest: &mut more,
                };
                recipe.augment.apply(&ground, draws, from, image);
                *label = data.train.labels[at];
            }
            rate = recipe.rate_at(epoch * steps + step, recipe.finetune.epochs * steps);
            let diverged = |what: String| {
                FinetuneError::from(TrainError::Diverged {
                    epoch: epoch + 1,
                    step: step + 1,
                    what,
                    rate: recipe.finetune.rate,
                    advice: "a smaller --lr, in another --out",
                })
            };
            let (score, broken) = self.step(&images, &labels, rate)?;
            if let Some(what) = broken {
                return Err(diverged(what));
            }
            sum.loss += score.loss;
            sum.correct += score.correct;
            let seen = (step + 1) * recipe.batch;
            if !sum.loss.is_finite() {
                return Err(diverged("the loss".into()));
            }
            progress.step(&Position {
                epoch: epoch + 1,
                epochs: recipe.finetune.epochs,
                step: step + 1,
                steps,
                batch: recipe.batch,
                loss: sum.loss / seen as f64,
                accuracy: sum.correct as f64 / seen as f64,
                images_per_second: seen as f64 / start.elapsed().as_secs_f64().max(1e-9),
            });
        }
        let seen = (steps * recipe.batch) as f64;
        let seconds = start.elapsed().as_secs_f64();
        let done = Epoch {
            number: epoch + 1,
            loss: sum.loss / seen,
            accuracy: sum.correct as f64 / seen,
            held_out_accuracy: None,
            held_out_loss: None,
            rate,
            images_per_second: seen / seconds.max(1e-9),
            seconds,
        };
        self.state.meta.epoch += 1;
        self.state.meta.history.push(done);
        Ok(Some(done))
    }

    /// One batch: the integers of the parameters as they are, forward and back, and a step of the optimiser. Returns the sum
    /// of the batch's scores, and what is not finite any more, if anything.
    fn step(
        &mut self,
        images: &[u8],
        labels: &[u16],
        rate: f32,
    ) -> Result<(Score, Option<String>), FinetuneError> {
        let Finetuned {
            parameters,
            units,
            optimiser,
            meta,
        } = &mut self.state;
        let quantised = parameters.quantise()?;
        let integers = Integers::new(&parameters.folded, &quantised)?;
        let classes = parameters.folded.spec.classes;
        let (weight, temperature) = (
            meta.recipe.finetune.distillation,
            meta.recipe.finetune.temperature,
        );
        let said = if weight > 0.0 {
            self.said.logits(self.teacher, images)
        } else {
            &[]
        };
        let (score, sums) = self.pass.step(&integers, images, &|n, logits, gradient| {
            gradient.copy_from_slice(logits);
            let teacher = said.get(n * classes..(n + 1) * classes).map(|logits| Teacher {
                logits,
                temperature,
                weight,
            });
            let loss = Loss {
                teacher,
                ..Loss::default()
            };
            loss.take(gradient, &labels[n..=n])
        });
        let mut gradient = parameters.gradient(&quantised, sums);
        // The optimiser counts in units: powers of two, so that changing to them and back rounds nothing.
        let tensors = trained(parameters)
            .zip(trained(units))
            .zip(trained(&mut gradient));
        let mut slices = Vec::new();
        for ((tensor, unit), gradient) in tensors {
            for ((value, unit), gradient) in tensor
                .values
                .iter_mut()
                .zip(&*unit.values)
                .zip(&mut *gradient.values)
            {
                *value /= unit;
                *gradient *= unit;
            }
            slices.push((tensor.values, unit.values, gradient.values));
        }
        let share = 1.0 / labels.len() as f32;
        optimiser.step(
            slices.iter_mut().map(|(weights, _, gradient)| train::Parameters {
                weights,
                gradient,
                decays: false,
            }),
            rate,
            share,
        );
        for (values, units, _) in slices {
            for (value, unit) in values.iter_mut().zip(&*units) {
                *value *= unit;
            }
        }
        // Before ranges are put in order, which would make a number of NaN.
        let broken = finite::first_broken(&mut gradient, parameters, optimiser);
        parameters.order();
        Ok((score, broken))
    }
}

/// Adam without decay.
const RULE: Rule = Rule::AdamW {
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    decay: 0.0,
};

/// The tensors that are trained, in their order.
fn trained(parameters: &mut Parameters) -> impl Iterator<Item = Tensor<'_>> {
    parameters.tensors().into_iter().filter(Tensor::is_trained)
}
