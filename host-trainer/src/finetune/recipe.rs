//! How a network is fine-tuned, as data.

use crate::data::Augment;
use crate::train::{self, Finetuning, TrainError, resume};
use serde::{Deserialize, Serialize};

/// Everything that decides a run besides the float network and the data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// How the integers are trained.
    pub finetune: Finetuning,
    /// Images per step.
    pub batch: usize,
    /// What may happen to training images.
    pub augment: Augment,
    /// Decides the order of images and augmentation.
    pub seed: u64,
}

impl Recipe {
    /// The fine-tuning of a run's recipe, or the default if the recipe has none. Images are not mixed: the float network's
    /// answers already interpolate.
    pub fn after(run: &train::Recipe) -> Self {
        Self {
            finetune: run.finetune.unwrap_or_default(),
            batch: run.batch,
            augment: Augment {
                mixup: 0.0,
                cutmix: 0.0,
                ..run.augment
            },
            seed: run.seed,
        }
    }

    /// Learning rate of step `at` of `total`.
    pub(super) fn rate_at(&self, at: usize, total: usize) -> f32 {
        let done = at as f32 / total.max(1) as f32;
        self.finetune.rate * 0.5 * (1.0 + (core::f32::consts::PI * done).cos())
    }

    /// Checks that a run that was started with `before` can go on as this one: it may last for more epochs.
    pub(super) fn check_resume(&self, before: &Self) -> Result<(), TrainError> {
        let epochs = self.finetune.epochs;
        resume::longer("finetune.epochs", before.finetune.epochs, epochs)?;
        let allowed = Self {
            finetune: Finetuning {
                epochs,
                ..before.finetune
            },
            ..before.clone()
        };
        resume::same("recipe", &allowed, self)
    }

    /// Checks every number against a training split of `count` images.
    ///
    /// # Errors
    ///
    /// Returns an error for the first one that is out of range.
    pub fn check(&self, count: usize) -> Result<(), TrainError> {
        self.finetune.check()?;
        if (1..=count).contains(&self.batch) {
            return Ok(());
        }
        Err(TrainError::Recipe {
            field: "batch",
            expected: "from 1 to the number of training images",
            found: self.batch.to_string(),
        })
    }
}
