//! Quantisation-aware fine-tuning: the integer network is trained, bit for bit the one that the device runs. Comes after
//! `quantise`, before `pack`.
//!
//! The forward pass is `core`'s arithmetic; gradients go straight through rounding and stop at saturation. What is trained
//! are the float values that the integers are rounded from: [`Parameters`]. `FINETUNING.md` has the formulas. The same seed
//! gives the same bits on any number of threads, and a run that was interrupted goes on as if it had not been.

pub mod checkpoint;
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
mod rate;
mod recipe;
mod requantise;
mod stem;
mod transition;

pub use parameters::{Parameters, Stored};
pub use place::{Place, finetune_at, recorded};
pub use rate::Cost;
pub use recipe::Recipe;

use crate::blob::Blob;
use crate::code::Coding;
use crate::data::{Dataset, Ground, Split};
use crate::evaluate::{self, Confusion};
use crate::export::{self, ExportError, Form};
use crate::net::{self, Loss, Network, Role, Score, Teacher, Tensor};
use crate::quantise::QuantiseError;
use crate::train::batch::Batch;
use crate::train::checkpoint::CheckpointError;
use crate::train::epoch::{Course, Learner};
use crate::train::finite::first_broken;
use crate::train::{self, Epoch, Meta, Optimiser, Progress, Rule, TrainError, resume};
use checkpoint::Finetuned;
use denselet::layout::Order;
use integers::Integers;
use pass::Pass;
use rate::Pull;

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
/// As [`finetune_at`], without those of files.
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
    recipe.check(recipe.aside.divide(data).0.len())
}

/// The order of the blob whose bytes an epoch measures: that of the board that `export` writes for by default.
pub const ORDER: Order = Order::Pairs;

/// How the parameters' integers, run by `core`, classify a split.
///
/// # Errors
///
/// Returns an error if the network cannot be exported.
///
/// # Panics
///
/// If the split's images are not what the network takes.
pub fn confusion(
    parameters: &Parameters,
    split: &Split,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Confusion, FinetuneError> {
    Ok(Confusion::new(
        &logits(parameters, split, done)?.0,
        &split.labels,
        parameters.folded.spec.classes,
    ))
}

/// Share of a split that the parameters' integers classify correctly, and their mean cross-entropy.
fn measure(parameters: &Parameters, split: &Split) -> Result<(f64, f64), FinetuneError> {
    let (logits, scale) = logits(parameters, split, &|_| {})?;
    let mut values: Vec<f32> = logits.iter().map(|&logit| scale * logit as f32).collect();
    let score = Loss::default().take(&mut values, &split.labels);
    Ok((score.correct as f64 / split.len() as f64, score.loss))
}

/// What `core` answers to the images of a split, and what a logit of 1 stands for.
fn logits(
    parameters: &Parameters,
    split: &Split,
    done: &(dyn Fn(usize) + Sync),
) -> Result<(Vec<i32>, f32), FinetuneError> {
    // Raw weights run fastest here, and give the same bits.
    let form = Form {
        order: Order::Plain,
        coding: Coding::Raw,
    };
    let bytes = export::write(&parameters.quantise()?, form, None)?;
    let blob = Blob::new(&bytes).map_err(ExportError::from)?;
    let logits = evaluate::logits(&blob, &split.images, done).expect("images of the network's shape");
    let scale = blob.model().map_err(ExportError::from)?.header().scale;
    Ok((logits, scale.to_f32()))
}

/// A run between two epochs.
struct Run<'n> {
    state: Finetuned,
    /// The float network, from which the integers are distilled.
    teacher: &'n Network,
    predicted: net::Pass,
    pass: Pass,
    /// Whether it goes on for more epochs than it was started with.
    is_longer: bool,
    /// Training images by number.
    images: Vec<usize>,
    /// Images that are held out.
    aside: Option<Split>,
}

impl<'n> Run<'n> {
    fn new(network: &'n Network, data: &Dataset, recipe: &Recipe) -> Result<Self, FinetuneError> {
        check(network, data, recipe)?;
        let mut parameters = Parameters::calibrated(network, data, recipe)?;
        let target = f64::from(recipe.finetune.bits_per_weight);
        if target > 0.0 {
            parameters.coarsen(target + HEADROOM)?;
        }
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
            command: None,
            data_checksum: Some(data.checksum()),
            guess: None,
        };
        let state = Finetuned {
            pull: None,
            optimiser: Optimiser::new(RULE, &lengths),
            parameters,
            units,
            meta,
        };
        Self::with(state, network, data)
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
            ..Self::with(state, network, data)?
        })
    }

    fn with(state: Finetuned, teacher: &'n Network, data: &Dataset) -> Result<Self, FinetuneError> {
        let aside = state.meta.recipe.aside;
        let parameters = &state.parameters;
        let spec = &parameters.folded.spec;
        let integers = Integers::new(&parameters.folded, &parameters.quantise()?)?;
        Ok(Self {
            pass: Pass::new(spec, &integers),
            predicted: net::Pass::inference(spec, state.meta.recipe.batch),
            teacher,
            images: match aside.share {
                0.0 => (0..data.train.len()).collect(),
                _ => aside.divide(data).0,
            },
            aside: aside.images(data),
            state,
            is_longer: false,
        })
    }

    fn finish(mut self, data: &Dataset, progress: &mut dyn Progress) -> Result<Finetuned, FinetuneError> {
        let mut best = None;
        while let Some(done) = self.epoch(data, progress)? {
            if self.is_best() {
                best = Some(self.state.clone());
            }
            progress.epoch(&done);
        }
        Ok(best.unwrap_or(self.state))
    }

    /// One more epoch; `None` when all are done.
    fn epoch(&mut self, data: &Dataset, progress: &mut dyn Progress) -> Result<Option<Epoch>, FinetuneError> {
        let recipe = self.state.meta.recipe.clone();
        let epoch = self.state.meta.epoch;
        if epoch >= recipe.finetune.epochs {
            return Ok(None);
        }
        let course = Course {
            data,
            ground: Ground::new(data, &self.teacher.input),
            images: self.images.clone(),
            batch: recipe.batch,
            augment: recipe.augment,
            seed: recipe.seed,
            epoch,
            epochs: recipe.finetune.epochs,
            has_keys: false,
            losses: recipe.batch,
        };
        let mut steps = Steps {
            first: epoch * course.steps(),
            total: recipe.finetune.epochs * course.steps(),
            run: self,
        };
        let mut done = course.run(&mut steps, progress)?;
        self.state.meta.epoch += 1;
        if recipe.finetune.bits < 8 {
            let parameters = &self.state.parameters;
            done.bits_per_weight = Some(parameters.cost(&parameters.quantise()?).per_weight());
            done.blob_bytes = Some(self.state.blob(ORDER)?.bytes().len());
        }
        if let Some(aside) = &self.aside {
            let (accuracy, loss) = measure(&self.state.parameters, aside)?;
            done.held_out_accuracy = Some(accuracy);
            done.held_out_loss = Some(loss);
        }
        self.state.meta.history.push(done);
        Ok(Some(done))
    }

    /// Whether the last epoch left the best network so far.
    fn is_best(&self) -> bool {
        let Meta { recipe, history, .. } = &self.state.meta;
        let best = recipe.best(history, self.aside.as_ref().map_or(0, Split::len));
        best.is_some() && best == history.last().map(|epoch| epoch.number)
    }

    /// One batch: the integers of the parameters as they are, forward and back, and a step of the optimiser. Returns the sum
    /// of the batch's scores, and what is not finite any more, if anything.
    fn step(&mut self, batch: &Batch, rate: f32) -> Result<(Score, Option<String>), FinetuneError> {
        let Batch {
            images,
            labels,
            shares,
            ..
        } = batch;
        let Finetuned {
            parameters,
            units,
            optimiser,
            pull,
            meta,
        } = &mut self.state;
        let quantised = parameters.quantise()?;
        let integers = Integers::new(&parameters.folded, &quantised)?;
        let classes = parameters.folded.spec.classes;
        let (weight, temperature) = (
            meta.recipe.finetune.distillation,
            meta.recipe.finetune.temperature,
        );
        let predicted = if weight > 0.0 {
            self.predicted.logits(self.teacher, images)
        } else {
            &[]
        };
        let (score, sums) = self.pass.step(&integers, images, &|n, logits, gradient| {
            gradient.copy_from_slice(logits);
            let teacher = predicted
                .get(n * classes..(n + 1) * classes)
                .map(|logits| Teacher {
                    logits,
                    temperature,
                    weight,
                });
            let shares = shares.as_deref();
            let loss = Loss {
                teacher,
                shares: shares.map(|shares| &shares[n * classes..(n + 1) * classes]),
                ..Loss::default()
            };
            loss.take(gradient, &labels[n..=n])
        });
        let mut gradient = parameters.gradient(&quantised, sums);
        let target = f64::from(meta.recipe.finetune.bits_per_weight);
        if target > 0.0 {
            let mut cost = parameters.cost_gradient(&quantised);
            let count = labels.len() as f64;
            let pull = pull.get_or_insert_with(|| {
                let [loss, cost] = [&mut gradient, &mut cost].map(|gradient| size(units, gradient));
                Pull::first(loss / count, cost)
            });
            let found = parameters.cost(&quantised).per_weight();
            pull.steer(found, target, f64::from(rate / meta.recipe.finetune.rate));
            let lambda = (pull.lambda * count) as f32;
            for (gradient, cost) in gradient.tensors().into_iter().zip(cost.tensors()) {
                for (gradient, cost) in gradient.values.iter_mut().zip(cost.values) {
                    *gradient += lambda * *cost;
                }
            }
        }
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
        let broken = first_broken(
            gradient.tensors(),
            trained(parameters).collect(),
            Vec::new(),
            optimiser,
        );
        parameters.order(units);
        Ok((score, broken))
    }
}

/// The steps of an epoch.
struct Steps<'r, 'n> {
    run: &'r mut Run<'n>,
    /// Steps of the run before this epoch.
    first: usize,
    /// Steps of the whole run.
    total: usize,
}

impl Learner for Steps<'_, '_> {
    type Error = FinetuneError;

    fn step(&mut self, at: usize, batch: &Batch) -> Result<(Score, f32), FinetuneError> {
        let recipe = &self.run.state.meta.recipe;
        let rate = recipe.rate_at(self.first + at, self.total);
        let (epoch, highest) = (self.run.state.meta.epoch + 1, recipe.finetune.rate);
        let (score, broken) = self.run.step(batch, rate)?;
        let broken = broken.or_else(|| (!score.loss.is_finite()).then(|| "the loss".into()));
        match broken {
            Some(what) => Err(FinetuneError::from(TrainError::Diverged {
                epoch,
                step: at + 1,
                what,
                rate: highest,
                advice: "a smaller --lr, in another --out",
            })),
            None => Ok((score, rate)),
        }
    }
}

/// Bits per weight that a run starts above its target: what is trained first should not be the lack of bits.
const HEADROOM: f64 = 0.15;

/// Root mean square of a gradient over the weights, in their units.
fn size(units: &mut Parameters, gradient: &mut Parameters) -> f64 {
    let tensors = units.tensors().into_iter().zip(gradient.tensors());
    let weights = tensors.filter(|(unit, _)| unit.role == Role::Weight);
    let (mut sum, mut count) = (0.0, 0);
    for (unit, gradient) in weights {
        for (unit, gradient) in unit.values.iter().zip(&*gradient.values) {
            sum += f64::from(unit * gradient).powi(2);
            count += 1;
        }
    }
    (sum / f64::from(count.max(1))).sqrt()
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
