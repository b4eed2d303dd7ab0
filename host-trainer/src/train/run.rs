//! One run, epoch after epoch: which images are trained on, in which order, and the steps.

use super::checkpoint::{Checkpoint, Meta};
use super::epoch::Course;
use super::step::{ADVICE, Steps};
use super::{Epoch, Optimiser, Progress, Recipe, TrainError, fits, resume, share, teacher, trained_lengths};
use crate::data::{Dataset, Ground};
use crate::net::{Network, Pass, Ranks};
use crate::spec::Spec;
use std::sync::Arc;
use std::time::Instant;

/// A run between two epochs.
pub(super) struct Run {
    pub(super) state: Checkpoint,
    pass: Pass,
    gradient: Network,
    teacher: Option<Network>,
    ranks: Arc<dyn Ranks>,
    /// Whether it goes on for more epochs, or with another patience, than it was started with.
    pub(super) is_longer: bool,
}

impl Run {
    pub(super) fn new(
        spec: &Spec,
        data: &Dataset,
        recipe: &Recipe,
        ranks: &Arc<dyn Ranks>,
    ) -> Result<Self, TrainError> {
        let network = Network::new(&with_dropout(spec, recipe), data.normalisation(), recipe.seed);
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
        Self::from(
            Checkpoint {
                raw: recipe.average.is_some().then(|| network.clone()),
                network,
                optimiser: None,
                meta,
            },
            data,
            ranks,
        )
    }

    pub(super) fn resume(
        mut state: Checkpoint,
        spec: &Spec,
        data: &Dataset,
        recipe: &Recipe,
        ranks: &Arc<dyn Ranks>,
    ) -> Result<Self, TrainError> {
        resume::same("network", &state.network.spec, &with_dropout(spec, recipe))?;
        resume::same("data set", &state.meta.data, &data.name)?;
        resume::same_data(state.meta.data_checksum, data)?;
        resume::check(&state.meta.recipe, recipe)?;
        let is_longer = state.meta.recipe != *recipe;
        state.meta.recipe = recipe.clone();
        Ok(Self {
            is_longer,
            ..Self::from(state, data, ranks)?
        })
    }

    fn from(state: Checkpoint, data: &Dataset, ranks: &Arc<dyn Ranks>) -> Result<Self, TrainError> {
        let spec = &state.network.spec;
        let recipe = &state.meta.recipe;
        check(spec, data, recipe, &**ranks)?;
        Ok(Self {
            teacher: recipe.distil.teacher(data)?,
            pass: Pass::training(spec, recipe.batch / ranks.count())
                .among(ranks.clone(), recipe.sync_batch_norm),
            ranks: ranks.clone(),
            gradient: state.network.clone(),
            state,
            is_longer: false,
        })
    }

    /// Trains one more epoch; `None` when all are done.
    pub(super) fn epoch(
        &mut self,
        data: &Dataset,
        progress: &mut dyn Progress,
    ) -> Result<Option<Epoch>, TrainError> {
        let Checkpoint {
            network: kept_network,
            raw,
            optimiser,
            meta,
        } = &mut self.state;
        let recipe = &meta.recipe;
        if meta.epoch >= recipe.epochs || recipe.is_enough(&meta.history) {
            return Ok(None);
        }
        let (network, mut averaged) = match raw {
            Some(raw) => (raw, Some(kept_network)),
            None => (kept_network, None),
        };
        let optimiser =
            optimiser.get_or_insert_with(|| Optimiser::new(recipe.rule(), &trained_lengths(network)));
        let (order, aside) = recipe.aside().divide(data);
        let ranks = &*self.ranks;
        let count = order.len() / recipe.batch;
        let mut steps = Steps {
            recipe,
            ranks,
            network,
            averaged: averaged.as_deref_mut(),
            optimiser,
            pass: &mut self.pass,
            gradient: &mut self.gradient,
            teacher: self.teacher.as_ref(),
            class_weights: recipe
                .class_weights
                .as_ref()
                .map(|weights| weights.of(data, &order)),
            epoch: meta.epoch,
            count,
        };
        let course = Course {
            data,
            ground: Ground::new(data, &steps.network.input),
            images: order,
            batch: recipe.batch,
            augment: recipe.augment,
            seed: recipe.seed,
            epoch: meta.epoch,
            epochs: recipe.epochs,
            has_keys: true,
            losses: 1,
        };
        let start = Instant::now();
        let trained = course.run(&mut steps, progress)?;
        let mut networks: Vec<&mut Network> = [Some(network), averaged].into_iter().flatten().collect();
        share::level(ranks, recipe.sync_batch_norm, &mut networks, optimiser);
        // The average is measured if there is one.
        let kept = match networks.last() {
            Some(network) if recipe.held_out > 0.0 && !data.validation.is_empty() => {
                Some(share::measure(ranks, network, &data.validation))
            }
            Some(network) if !aside.is_empty() => {
                Some(share::measure(ranks, network, &data.train.pick(&aside)))
            }
            _ => None,
        };
        if kept.is_some_and(|(_, loss)| !loss.is_finite()) {
            return Err(TrainError::Diverged {
                epoch: meta.epoch + 1,
                step: count,
                what: "the held-out loss".into(),
                rate: recipe.rate,
                advice: ADVICE,
            });
        }
        meta.epoch += 1;
        let done = Epoch {
            held_out_accuracy: kept.map(|(accuracy, _)| accuracy),
            held_out_loss: kept.map(|(_, loss)| loss),
            seconds: start.elapsed().as_secs_f64(),
            ..trained
        };
        meta.history.push(done);
        Ok(Some(done))
    }
}

/// Checks that network, data set, recipe and ranks fit together.
pub(super) fn check(
    spec: &Spec,
    data: &Dataset,
    recipe: &Recipe,
    ranks: &dyn Ranks,
) -> Result<(), TrainError> {
    fits(&spec.name, spec, data)?;
    recipe.check(data.train.len())?;
    teacher::check(recipe, data)?;
    recipe.check_ranks(ranks.count())
}

/// The spec with the recipe's dropout, if it has one.
fn with_dropout(spec: &Spec, recipe: &Recipe) -> Spec {
    Spec {
        dropout: recipe.dropout.unwrap_or(spec.dropout),
        ..spec.clone()
    }
}
