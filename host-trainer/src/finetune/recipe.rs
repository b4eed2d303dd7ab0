//! How a network is fine-tuned, as data.

use crate::data::Augment;
use crate::train::{self, Aside, Epoch, Finetuning, TrainError, resume};
use serde::{Deserialize, Serialize};

/// How far above the bits per weight that a run is held at an epoch may end and still count as there.
const NEAR: f64 = 1.01;

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
    /// The images that choose the best network, and are not trained on.
    #[serde(default, rename = "held_out")]
    pub aside: Aside,
}

impl Recipe {
    /// The fine-tuning of a run's recipe, or the default if the recipe has none. Images are not mixed unless it is asked for: mixing takes
    /// more epochs than a fine-tuning has by default.
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
            aside: run.aside(),
        }
    }

    /// Number of the epoch that left the best network, measured on `images` held-out images: of those that keep to the target, or that
    /// are as close to it as training holds them, the last one whose held-out accuracy is within a standard error of the highest
    /// (Breiman et al. 1984, *Classification and Regression Trees*, section 3.4.3). A later network has settled further, as the
    /// learning rate falls. None if nothing is held out, or none keeps to the target.
    pub fn best(&self, history: &[Epoch], images: usize) -> Option<usize> {
        let Finetuning {
            target,
            bits_per_weight,
            ..
        } = self.finetune;
        let is_small = |epoch: &&Epoch| match (target, epoch.blob_bytes, epoch.bits_per_weight) {
            (1.., Some(bytes), _) => bytes <= target,
            (0, _, Some(bits)) if bits_per_weight > 0.0 => bits <= NEAR * f64::from(bits_per_weight),
            _ => true,
        };
        let accuracies = || {
            let small = history.iter().filter(is_small);
            small.filter_map(|epoch| Some((epoch.number, epoch.held_out_accuracy?)))
        };
        let (_, highest) = accuracies().max_by(|one, other| one.1.total_cmp(&other.1))?;
        let error = (highest * (1.0 - highest) / images as f64).sqrt();
        let (number, _) = accuracies().rfind(|(_, accuracy)| *accuracy >= highest - error)?;
        Some(number)
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

    /// Checks every number against `count` images that are trained on.
    ///
    /// # Errors
    ///
    /// Returns an error for the first one that is out of range.
    pub fn check(&self, count: usize) -> Result<(), TrainError> {
        self.finetune.check()?;
        let refuse = |field, expected, found| {
            Err(TrainError::Recipe {
                field,
                expected,
                found,
            })
        };
        let share = self.aside.share;
        if !(0.0..1.0).contains(&share) {
            return refuse("held_out", "from 0 to below 1", share.to_string());
        }
        if !(1..=count).contains(&self.batch) {
            let found = format!("{} ({count} images are trained on)", self.batch);
            return refuse("batch", "from 1 to the number of training images", found);
        }
        match self.augment.out_of_range() {
            Some(wrong) => refuse(wrong.field, wrong.expected, wrong.found.to_string()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_network_is_one_that_fits() {
        let epoch = |number, accuracy, blob_bytes, bits| Epoch {
            number,
            loss: 1.0,
            accuracy: 0.5,
            held_out_accuracy: Some(accuracy),
            held_out_loss: None,
            bits_per_weight: Some(bits),
            blob_bytes: Some(blob_bytes),
            rate: 0.1,
            images_per_second: 0.0,
            seconds: 0.0,
        };
        let history = [
            epoch(1, 0.9, 30_000, 3.0),
            epoch(2, 0.7, 20_000, 2.01),
            epoch(3, 0.8, 20_001, 2.1),
        ];
        let mut recipe = Recipe::after(&train::Recipe::default());
        let best = |recipe: &Recipe, history: &[Epoch]| recipe.best(history, 10_000);
        assert_eq!(best(&recipe, &history), Some(1));
        recipe.finetune.target = 20_000;
        assert_eq!(best(&recipe, &history), Some(2));
        recipe.finetune.target = 10_000;
        assert_eq!(best(&recipe, &history), None);
        recipe.finetune.target = 0;
        recipe.finetune.bits_per_weight = 2.0;
        assert_eq!(best(&recipe, &history), Some(2));
        let nothing_held_out = history.map(|epoch| Epoch {
            held_out_accuracy: None,
            ..epoch
        });
        assert_eq!(best(&recipe, &nothing_held_out), None);
    }

    #[test]
    fn of_networks_that_the_held_out_images_cannot_tell_apart_the_last_is_best() {
        let epoch = |number, accuracy| Epoch {
            number,
            loss: 1.0,
            accuracy: 0.5,
            held_out_accuracy: Some(accuracy),
            held_out_loss: None,
            bits_per_weight: None,
            blob_bytes: None,
            rate: 0.1,
            images_per_second: 0.0,
            seconds: 0.0,
        };
        let recipe = Recipe::after(&train::Recipe::default());
        let history = [
            epoch(1, 0.90),
            epoch(2, 0.91),
            epoch(3, 0.88),
            epoch(4, 0.90),
            epoch(5, 0.86),
        ];
        // Standard errors: 0.3, 0.9 and 2.9 points.
        assert_eq!(recipe.best(&history, 10_000), Some(2));
        assert_eq!(recipe.best(&history, 800), Some(4));
        assert_eq!(recipe.best(&history, 20), Some(5));
        // As each epoch is done, either it is the best or the best stays.
        for images in [20, 100, 800, 3000, 10_000] {
            for count in 1..history.len() {
                let [before, after] = [count, count + 1].map(|count| recipe.best(&history[..count], images));
                assert!(
                    after == before || after == Some(count + 1),
                    "{before:?} {after:?}"
                );
            }
        }
    }
}
