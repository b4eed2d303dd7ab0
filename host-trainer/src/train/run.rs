//! One run, epoch after epoch: which images are trained on, in which order, and the steps.

use super::checkpoint::{Checkpoint, Meta};
use super::epoch::{Course, generator, shuffle};
use super::step::{ADVICE, Steps};
use super::{Epoch, Optimiser, Progress, Recipe, TrainError, fits, resume, share, teacher, trained_lengths};
use crate::data::{Dataset, Ground, Split};
use crate::net::{Network, Pass, Ranks};
use crate::spec::Spec;
use std::collections::BTreeSet;
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
        let (order, aside) = divide(data, recipe);
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
                let aside = pick(&data.train, &aside, data.image_len());
                Some(share::measure(ranks, network, &aside))
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
            bits_per_weight: None,
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

/// Stream that decides which images are held out; epochs use theirs, counted from 0.
const HELD_OUT_STREAM: u64 = u64::MAX;
/// The images that a run of this recipe does not train on: the validation split, or the part of the training split that the
/// recipe holds out; nothing if it holds out none.
pub fn held_out(data: &Dataset, recipe: &Recipe) -> Option<Split> {
    if recipe.held_out == 0.0 {
        return None;
    }
    if !data.validation.is_empty() {
        return Some(data.validation.clone());
    }
    let (_, aside) = divide(data, recipe);
    (!aside.is_empty()).then(|| pick(&data.train, &aside, data.image_len()))
}

/// Numbers of the training images in a seeded order, and of those that are held out: none if the data set has a
/// validation split, whole groups if it knows them, images otherwise.
fn divide(data: &Dataset, recipe: &Recipe) -> (Vec<usize>, Vec<usize>) {
    let mut order = shuffled(data.train.len(), recipe.seed, HELD_OUT_STREAM);
    let count = recipe.held_out(data.train.len());
    if count == 0 || !data.validation.is_empty() {
        return (order, Vec::new());
    }
    if data.groups.is_empty() {
        let aside = order.split_off(order.len() - count);
        return (order, aside);
    }
    let mut kept = BTreeSet::new();
    let mut held = 0;
    // The order is a random one of the groups too; one of them at least is trained on.
    let groups = data.groups.iter().collect::<BTreeSet<_>>().len();
    for &at in &order {
        let group = data.groups[at];
        if held >= count || kept.len() + 1 >= groups {
            break;
        }
        if kept.insert(group) {
            held += data.groups.iter().filter(|&&other| other == group).count();
        }
    }
    order
        .into_iter()
        .partition(|&at| !kept.contains(&data.groups[at]))
}

fn shuffled(count: usize, seed: u64, stream: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    shuffle(&mut order, &mut generator(seed, stream));
    order
}

/// The spec with the recipe's dropout, if it has one.
fn with_dropout(spec: &Spec, recipe: &Recipe) -> Spec {
    Spec {
        dropout: recipe.dropout.unwrap_or(spec.dropout),
        ..spec.clone()
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
    use crate::data::Reading;

    #[test]
    fn groups_are_held_out_whole() {
        let mut data = Dataset::load("digits", &Reading::default()).unwrap();
        data.train = data.train.sample(100);
        data.groups = (0..100).map(|at| at / 10).collect();
        let recipe = Recipe {
            held_out: 0.15,
            ..Recipe::for_data(&data)
        };
        let (order, aside) = divide(&data, &recipe);
        // Fifteen images are two groups of ten.
        assert_eq!((order.len(), aside.len()), (80, 20));
        assert!(
            order
                .iter()
                .all(|a| aside.iter().all(|b| data.groups[*a] != data.groups[*b]))
        );
        data.groups.clear();
        assert_eq!(divide(&data, &recipe).1.len(), 15);
        data.validation = data.test.clone();
        assert_eq!(divide(&data, &recipe).0.len(), 100);
    }
}
