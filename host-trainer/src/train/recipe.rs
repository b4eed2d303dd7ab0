//! How a network is trained, as data.

use super::{Aside, ClassWeights, Distil, Epoch, Finetuning, Rule, best};
use crate::data::{Augment, Dataset};
use serde::{Deserialize, Serialize};

/// Names of the optimisers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Stochastic gradient descent with Nesterov momentum.
    #[default]
    Sgd,
    /// Adam with decoupled weight decay; its betas are 0.9 and 0.999.
    #[value(name = "adamw")]
    AdamW,
}

/// How the learning rate goes through a run, after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Falls to zero along half a cosine.
    #[default]
    Cosine,
    /// A tenth after half of the run, a hundredth after three quarters.
    Step,
    /// Rises from a 25th along half a cosine for 30 % of the run, then falls to zero along another.
    OneCycle,
}

/// Everything that decides a run besides network and data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// Times every image is seen.
    pub epochs: usize,
    /// Images per step, of all ranks together.
    pub batch: usize,
    /// Whether batch norm takes its statistics over all ranks of a run; otherwise each takes its own.
    pub sync_batch_norm: bool,
    /// How the weights follow their gradients.
    pub optimiser: Method,
    /// Learning rate at its highest.
    pub rate: f32,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Epochs, or a part of one, in which the rate rises to its highest.
    pub warm_up: f32,
    /// Nesterov momentum; `sgd` alone has it.
    pub momentum: f32,
    /// Weight decay of convolutions and head.
    pub decay: f32,
    /// Share of the labels spread over all classes.
    pub smoothing: f32,
    /// Longest gradient, as one vector; longer ones are shortened to it; 0: any length.
    pub clip: f32,
    /// Epochs without a better held-out accuracy, or an equal one with a lower held-out loss, after which the run ends early;
    /// 0: it never does.
    pub patience: usize,
    /// Share that a moving average of the weights keeps at a step; the average is what is measured and exported. None: the
    /// weights themselves are.
    pub average: Option<f32>,
    /// Share of values dropped after each convolution of a layer; none: the share in the network's file.
    pub dropout: Option<f32>,
    /// What an image of each class counts; none: all count 1.
    pub class_weights: Option<ClassWeights>,
    /// A network to take after.
    pub distil: Distil,
    /// What may happen to training images.
    pub augment: Augment,
    /// How the device's integers are trained on from the run's network; none: they are not.
    pub finetune: Option<Finetuning>,
    /// Share of the training split that is not trained on but measured after every epoch: whole people where the data set
    /// knows them. If it has a validation split, any share above 0 measures that one. 0: nothing is measured.
    pub held_out: f32,
    /// Decides the weights at birth, the order of images, augmentation and dropout.
    pub seed: u64,
}

impl Default for Recipe {
    /// What the paper does, without augmentation: 0.1, 0.9, 1e-4, for 30 epochs of batches of 64.
    fn default() -> Self {
        Self {
            epochs: 30,
            batch: 64,
            sync_batch_norm: false,
            optimiser: Method::Sgd,
            rate: 0.1,
            schedule: Schedule::Cosine,
            warm_up: 0.0,
            momentum: 0.9,
            decay: 1e-4,
            smoothing: 0.0,
            clip: 0.0,
            patience: 0,
            average: None,
            dropout: None,
            class_weights: None,
            distil: Distil::default(),
            augment: Augment::default(),
            finetune: None,
            held_out: 0.0,
            seed: 1,
        }
    }
}

impl Recipe {
    /// A sensible recipe for a data set: by its name for those that are known, by its size for others.
    pub fn for_data(data: &Dataset) -> Self {
        let for_images = Self {
            augment: Augment {
                shift: data.width / 8,
                flip: true,
                ..Augment::default()
            },
            held_out: 0.1,
            ..Self::default()
        };
        match data.name.as_str() {
            // A digit's place and side are part of what it is; so few images want more decay.
            "digits" => Self {
                epochs: 60,
                batch: 32,
                decay: 1e-3,
                augment: Augment::default(),
                ..for_images
            },
            "fashion-mnist" => Self {
                epochs: 10,
                augment: Augment {
                    shift: 2,
                    flip: true,
                    ..Augment::default()
                },
                ..for_images
            },
            // A spectrogram's bands and a sensor's direction of time are part of what they are.
            _ if data.height == 1 || !data.validation.is_empty() => Self {
                augment: Augment::default(),
                ..for_images
            },
            _ => for_images,
        }
    }

    /// Makes the batch a quarter of the training images, and a multiple of the ranks, if it is larger than all of `count`
    /// that are not held out. Returns a sentence about it.
    pub fn fit_batch(&mut self, count: usize, ranks: usize) -> Option<String> {
        let trained = self.trained(count);
        if self.batch <= trained {
            return None;
        }
        let usual = self.batch;
        // Batch norm wants two images at least.
        let per_rank = (trained / 4 / ranks.max(1)).max(2);
        self.batch = (per_rank * ranks).min(trained).max(1);
        Some(format!(
            "the batch is {} instead of {usual}, as only {trained} images are trained on",
            self.batch
        ))
    }

    /// Number of training images that are not held out, of `count`.
    pub(super) fn trained(&self, count: usize) -> usize {
        count - self.aside().count(count).min(count)
    }

    /// How the weights follow their gradients.
    pub fn rule(&self) -> Rule {
        match self.optimiser {
            Method::Sgd => Rule::Sgd {
                momentum: self.momentum,
                decay: self.decay,
            },
            Method::AdamW => Rule::AdamW {
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
                decay: self.decay,
            },
        }
    }

    /// This recipe with what a TOML text says of it.
    ///
    /// # Errors
    ///
    /// Returns an error with line and field if the text is not a recipe.
    pub fn with(&self, text: &str) -> Result<Self, toml::de::Error> {
        // Read alone first: its errors show the line.
        toml::from_str::<Self>(text)?;
        let mut all = toml::Table::try_from(self).map_err(serde::de::Error::custom)?;
        merge(&mut all, toml::from_str(text)?);
        all.try_into()
    }

    /// The best epoch of a run that ends because no epoch after it was better for as long as the recipe waits.
    pub fn stopped_early(&self, history: &[Epoch]) -> Option<usize> {
        best(history).filter(|best| self.patience > 0 && history.len().saturating_sub(*best) >= self.patience)
    }

    /// Whether a run with this history has been patient enough.
    pub(super) fn is_enough(&self, history: &[Epoch]) -> bool {
        self.stopped_early(history).is_some()
    }

    /// Learning rate of step `at` of `total`, with `steps` in an epoch.
    pub(super) fn rate_at(&self, at: usize, total: usize, steps: usize) -> f32 {
        let rise = self.warm_up * steps as f32;
        if (at as f32) < rise {
            return self.rate * (at + 1) as f32 / rise.ceil();
        }
        let done = (at as f32 - rise) / (total as f32 - rise).max(1.0);
        let fall = |done: f32| 0.5 * (1.0 + (core::f32::consts::PI * done).cos());
        match self.schedule {
            Schedule::Cosine => self.rate * 0.5 * (1.0 + (core::f32::consts::PI * done).cos()),
            Schedule::Step if done < 0.5 => self.rate,
            Schedule::Step if done < 0.75 => self.rate * 0.1,
            Schedule::Step => self.rate * 0.01,
            Schedule::OneCycle if done < 0.3 => self.rate * (1.0 - 0.96 * fall(done / 0.3)),
            Schedule::OneCycle => self.rate * fall((done - 0.3) / 0.7),
        }
    }

    /// The images that are not trained on.
    pub fn aside(&self) -> Aside {
        Aside {
            share: self.held_out,
            seed: self.seed,
        }
    }
}

/// Puts `over` into `table`, tables inside it field by field.
fn merge(table: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(value)) => merge(inner, value),
            (_, value) => drop(table.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Reading;

    #[test]
    fn a_batch_fits_the_images_and_the_ranks() {
        let fitted = |count, ranks| {
            let mut recipe = Recipe::default();
            let note = recipe.fit_batch(count, ranks);
            (recipe.batch, note.is_some())
        };
        assert_eq!(Recipe::default().batch, 64);
        assert_eq!(
            [fitted(64, 1), fitted(63, 1), fitted(5, 1)],
            [(64, false), (15, true), (2, true)]
        );
        assert_eq!(
            [fitted(1, 1), fitted(40, 2), fitted(40, 3)],
            [(1, true), (10, true), (9, true)]
        );
    }

    #[test]
    fn a_file_changes_what_it_names() {
        let recipe = Recipe {
            epochs: 7,
            augment: Augment {
                shift: 2,
                flip: true,
                ..Augment::default()
            },
            ..Recipe::default()
        };
        let changed = recipe
            .with("optimiser = \"adamw\"\nrate = 0.01\n[augment]\nflip = false\n")
            .unwrap();
        let expected = Recipe {
            optimiser: Method::AdamW,
            rate: 0.01,
            augment: Augment {
                shift: 2,
                flip: false,
                ..Augment::default()
            },
            ..recipe.clone()
        };
        assert_eq!(changed, expected);
        // What a run leaves is the whole recipe.
        let text = toml::to_string(&changed).unwrap();
        assert_eq!(Recipe::default().with(&text).unwrap(), changed);
        let error = recipe.with("epochs = 3\nrtae = 1\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("rtae"), "{error}");
    }

    #[test]
    fn recipes_that_ship_are_recipes() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/recipes");
        let mut read = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.to_str().unwrap();
            if name.ends_with("-net.toml") {
                crate::spec::Spec::load(name).unwrap();
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                let recipe = Recipe::default().with(&text).unwrap();
                recipe.check(1000).unwrap();
                read += 1;
            }
        }
        assert!(read >= 4, "{read}");
    }

    #[test]
    fn schedules_go_where_they_say() {
        let rate = |schedule, at| {
            let recipe = Recipe {
                rate: 1.0,
                schedule,
                ..Recipe::default()
            };
            recipe.rate_at(at, 100, 10)
        };
        assert_eq!([49, 50, 75].map(|at| rate(Schedule::Step, at)), [1.0, 0.1, 0.01]);
        let cycle = [0, 30, 99].map(|at| rate(Schedule::OneCycle, at));
        assert!(
            (cycle[0] - 0.04).abs() < 1e-6 && cycle[1] > 0.999 && cycle[2] < 0.01,
            "{cycle:?}"
        );
    }

    #[test]
    fn of_equal_accuracies_the_lower_loss_is_better() {
        let epoch = |number, accuracy, loss| Epoch {
            number,
            loss: 1.0,
            accuracy: 0.5,
            held_out_accuracy: Some(accuracy),
            held_out_loss: loss,
            bits_per_weight: None,
            blob_bytes: None,
            rate: 0.1,
            images_per_second: 1.0,
            seconds: 1.0,
        };
        let history = [
            epoch(1, 0.5, Some(0.1)),
            epoch(2, 0.7, Some(0.9)),
            epoch(3, 0.7, Some(0.8)),
            epoch(4, 0.7, Some(0.8)),
        ];
        assert_eq!(best(&history), Some(3));
        // An epoch from before losses were kept is worse than an equal one with a loss, and better than nothing.
        assert_eq!(best(&[epoch(1, 0.7, None), epoch(2, 0.7, None)]), Some(1));
        assert_eq!(best(&[epoch(1, 0.7, None), epoch(2, 0.7, Some(9.0))]), Some(2));
        let patient = Recipe {
            patience: 2,
            ..Recipe::default()
        };
        assert!(!patient.is_enough(&history));
    }

    #[test]
    fn patience_ends_at_no_better_epoch() {
        let history: Vec<Epoch> = [0.5, 0.7, 0.7, 0.6]
            .iter()
            .zip(1..)
            .map(|(accuracy, number)| Epoch {
                number,
                loss: 1.0,
                accuracy: 0.5,
                held_out_accuracy: Some(*accuracy),
                held_out_loss: None,
                bits_per_weight: None,
                blob_bytes: None,
                rate: 0.1,
                images_per_second: 1.0,
                seconds: 1.0,
            })
            .collect();
        assert_eq!(best(&history), Some(2));
        let recipe = |patience| Recipe {
            patience,
            ..Recipe::default()
        };
        assert!(recipe(2).is_enough(&history) && !recipe(2).is_enough(&history[..3]));
        assert!(!recipe(0).is_enough(&history));
    }

    #[test]
    fn rate_rises_then_falls_to_zero() {
        let data = Dataset::load("digits", &Reading::default()).unwrap();
        let recipe = Recipe {
            rate: 1.0,
            warm_up: 1.0,
            epochs: 10,
            ..Recipe::for_data(&data)
        };
        let rates: Vec<f32> = (0..100).map(|at| recipe.rate_at(at, 100, 10)).collect();
        assert_eq!(rates[0], 0.1);
        assert_eq!(rates[9], 1.0);
        assert!(rates[9..].windows(2).all(|pair| pair[1] <= pair[0]));
        assert!(rates[99] < 1e-3);
    }
}
