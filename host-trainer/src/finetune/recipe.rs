//! How a network is fine-tuned, as data; belongs to `finetune`.

use crate::data::{Augment, Dataset};
use crate::train::{self, TrainError};
use serde::{Deserialize, Serialize};

/// Everything that decides a run besides the float network and the data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Times every picture is seen.
    pub epochs: usize,
    /// Pictures per step.
    pub batch: usize,
    /// Learning rate at its highest, in steps of quantisation; it falls to zero along half a cosine.
    pub rate: f32,
    /// Share of the loss that is the distance from the float network's answers, 0 to 1; the rest is cross-entropy.
    pub distillation: f32,
    /// Divides both networks' logits in that distance.
    pub temperature: f32,
    /// Training pictures that calibrate before the first step.
    pub calibration: usize,
    /// Random shift and flip.
    pub augment: Augment,
    /// Decides the order of pictures and augmentation.
    pub seed: u64,
}

impl Recipe {
    /// A sensible recipe for a data set; its augmentation is that of training.
    pub fn for_data(data: &Dataset) -> Self {
        let trained = train::Recipe::for_data(data);
        Self {
            epochs: 2,
            batch: trained.batch,
            rate: 0.01,
            distillation: 0.5,
            temperature: 2.0,
            calibration: 256,
            augment: trained.augment,
            seed: 1,
        }
    }

    /// Learning rate of step `at` of `total`.
    pub(super) fn rate_at(&self, at: usize, total: usize) -> f32 {
        let done = at as f32 / total.max(1) as f32;
        self.rate * 0.5 * (1.0 + (core::f32::consts::PI * done).cos())
    }

    /// Checks every number against a training split of `count` pictures.
    ///
    /// # Errors
    ///
    /// The first one that makes no training.
    pub fn check(&self, count: usize) -> Result<(), TrainError> {
        let ensure = |right: bool, field, expected, found: &dyn ToString| {
            let found = found.to_string();
            right.then_some(()).ok_or(TrainError::Recipe {
                field,
                expected,
                found,
            })
        };
        ensure(self.epochs > 0, "epochs", "at least 1", &self.epochs)?;
        let batches = 1..=count;
        ensure(
            batches.contains(&self.batch),
            "batch",
            "from 1 to the number of training pictures",
            &self.batch,
        )?;
        ensure(
            self.rate > 0.0 && self.rate.is_finite(),
            "rate",
            "above 0",
            &self.rate,
        )?;
        ensure(
            (0.0..=1.0).contains(&self.distillation),
            "distillation",
            "from 0 to 1",
            &self.distillation,
        )?;
        ensure(
            self.temperature > 0.0 && self.temperature.is_finite(),
            "temperature",
            "above 0",
            &self.temperature,
        )?;
        ensure(
            self.calibration > 0,
            "calibration",
            "at least 1",
            &self.calibration,
        )
    }
}
