//! One step of a run: forward and backward pass of a batch, the gradients of every rank, the optimiser.

use super::batch::Batch;
use super::epoch::Learner;
use super::finite::first_broken;
use super::{Optimiser, Recipe, TrainError, agree, average, norm, parameters, share};
use crate::net::{Loss, Network, Pass, Ranks, Score, Step};

/// What to try when a number is not finite.
pub(super) const ADVICE: &str =
    "a smaller --lr, a longer --warm-up, --clip 1, or smaller class weights, in another --out";

/// What the steps of an epoch change, and what they go by.
pub(super) struct Steps<'r> {
    pub(super) recipe: &'r Recipe,
    pub(super) ranks: &'r dyn Ranks,
    pub(super) network: &'r mut Network,
    pub(super) averaged: Option<&'r mut Network>,
    pub(super) optimiser: &'r mut Optimiser,
    pub(super) pass: &'r mut Pass,
    pub(super) gradient: &'r mut Network,
    pub(super) teacher: Option<&'r Network>,
    pub(super) class_weights: Option<Vec<f32>>,
    /// Epochs done.
    pub(super) epoch: usize,
    /// Steps of an epoch.
    pub(super) count: usize,
}

impl Learner for Steps<'_> {
    type Error = TrainError;

    fn step(&mut self, at: usize, batch: &Batch) -> Result<(Score, f32), TrainError> {
        let recipe = self.recipe;
        let own = batch.part(self.ranks.rank(), self.ranks.count());
        let predicted = self
            .teacher
            .map(|teacher| teacher.logits(own.images, own.labels.len()));
        let step = Step {
            images: own.images,
            labels: own.labels,
            key: batch.key,
            loss: Loss {
                smoothing: recipe.smoothing,
                shares: own.shares,
                class_weights: self.class_weights.as_deref(),
                teacher: predicted
                    .as_deref()
                    .map(|predicted| recipe.distil.lesson(predicted)),
            },
        };
        let score = self.pass.step(self.network, step, self.gradient);
        let score = share::whole_score(self.ranks, score);
        if !score.loss.is_finite() {
            return Err(self.diverged(at, "the loss".into()));
        }
        share::add_gradients(self.ranks, self.gradient);
        let done = self.epoch * self.count + at;
        let rate = recipe.rate_at(done, recipe.epochs * self.count, self.count);
        let slices = parameters(self.network, self.gradient);
        let share = match recipe.clip {
            0.0 => 1.0,
            clip => {
                (f64::from(clip) / norm(slices.iter().map(|slice| slice.gradient)).max(1e-12)).min(1.0) as f32
            }
        };
        self.optimiser.step(slices, rate, share);
        if let (Some(averaged), Some(decay)) = (&mut self.averaged, recipe.average) {
            average::follow(averaged, self.network, decay, done);
        }
        let broken = first_broken(
            self.gradient.tensors(),
            self.network.tensors(),
            self.averaged.as_deref_mut().map_or(Vec::new(), Network::tensors),
            self.optimiser,
        );
        // Batch-norm statistics may be each rank's own: if one breaks, all stop.
        agree(
            self.ranks,
            broken.map_or(Ok(()), |what| Err(self.diverged(at, what))),
        )?;
        Ok((score, rate))
    }
}

impl Steps<'_> {
    fn diverged(&self, at: usize, what: String) -> TrainError {
        TrainError::Diverged {
            epoch: self.epoch + 1,
            step: at + 1,
            what,
            rate: self.recipe.rate,
            advice: ADVICE,
        }
    }
}
