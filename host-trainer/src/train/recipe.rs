//! How a network is trained, as data; belongs to `train`.

use super::{Rule, TrainError};
use crate::data::{Augment, Dataset};
use serde::{Deserialize, Serialize};

/// Everything that decides a run besides network and data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Times every picture is seen.
    pub epochs: usize,
    /// Pictures per step.
    pub batch: usize,
    /// Learning rate at its highest; it falls to zero along half a cosine.
    pub rate: f32,
    /// Epochs, or a part of one, in which the rate rises to its highest.
    pub warm_up: f32,
    /// Nesterov momentum.
    pub momentum: f32,
    /// Weight decay of convolutions and head.
    pub decay: f32,
    /// Share of the labels spread over all classes.
    pub smoothing: f32,
    /// Random shift and flip.
    pub augment: Augment,
    /// Share of the training split that is not trained on but measured after every epoch.
    pub held_out: f32,
    /// Decides the weights at birth, the order of pictures, augmentation and dropout.
    pub seed: u64,
}

impl Default for Recipe {
    /// What the paper does, without augmentation: 0.1, 0.9, 1e-4, for 30 epochs of batches of 64.
    fn default() -> Self {
        Self {
            epochs: 30,
            batch: 64,
            rate: 0.1,
            warm_up: 0.0,
            momentum: 0.9,
            decay: 1e-4,
            smoothing: 0.0,
            augment: Augment::default(),
            held_out: 0.0,
            seed: 1,
        }
    }
}

impl Recipe {
    /// A sensible recipe for a data set: by its name for those that are known, by its size for others.
    pub fn for_data(data: &Dataset) -> Self {
        let pictures = Self {
            epochs: 30,
            batch: 64,
            rate: 0.1,
            warm_up: 0.0,
            momentum: 0.9,
            decay: 1e-4,
            smoothing: 0.0,
            augment: Augment {
                shift: data.width / 8,
                flip: true,
            },
            held_out: 0.0,
            seed: 1,
        };
        match data.name.as_str() {
            // A digit's place and side are part of what it is; so few pictures want more decay.
            "digits" => Self {
                epochs: 60,
                batch: 32,
                decay: 1e-3,
                augment: Augment::default(),
                ..pictures
            },
            "fashion-mnist" => Self {
                epochs: 10,
                augment: Augment { shift: 2, flip: true },
                ..pictures
            },
            _ if data.height == 1 => Self {
                augment: Augment::default(),
                ..pictures
            },
            _ => pictures,
        }
    }

    /// How the weights follow their gradients.
    pub fn rule(&self) -> Rule {
        Rule::Sgd {
            momentum: self.momentum,
            decay: self.decay,
        }
    }

    /// Learning rate of step `at` of `total`, with `steps` in an epoch.
    pub(super) fn rate_at(&self, at: usize, total: usize, steps: usize) -> f32 {
        let rise = self.warm_up * steps as f32;
        if (at as f32) < rise {
            return self.rate * (at + 1) as f32 / rise.ceil();
        }
        let done = (at as f32 - rise) / (total as f32 - rise).max(1.0);
        self.rate * 0.5 * (1.0 + (core::f32::consts::PI * done).cos())
    }

    /// Pictures of `count` that are not trained on.
    pub(super) fn held_out(&self, count: usize) -> usize {
        (self.held_out * count as f32) as usize
    }

    /// Checks every number against a training split of `count` pictures.
    ///
    /// # Errors
    ///
    /// The first one that makes no training.
    pub fn check(&self, count: usize) -> Result<(), TrainError> {
        let ensure = |right: bool, field, expected, found: &dyn ToString| {
            if right {
                Ok(())
            } else {
                Err(TrainError::Recipe {
                    field,
                    expected,
                    found: found.to_string(),
                })
            }
        };
        ensure(self.epochs > 0, "epochs", "at least 1", &self.epochs)?;
        let share = 0.0..1.0;
        ensure(
            share.contains(&self.held_out),
            "held_out",
            "from 0 to below 1",
            &self.held_out,
        )?;
        let trained = count - self.held_out(count).min(count);
        ensure(
            self.batch > 0 && self.batch <= trained,
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
            self.warm_up >= 0.0 && self.warm_up <= self.epochs as f32,
            "warm_up",
            "from 0 to the epochs",
            &self.warm_up,
        )?;
        ensure(
            share.contains(&self.momentum),
            "momentum",
            "from 0 to below 1",
            &self.momentum,
        )?;
        ensure(
            share.contains(&self.decay),
            "decay",
            "from 0 to below 1",
            &self.decay,
        )?;
        ensure(
            share.contains(&self.smoothing),
            "smoothing",
            "from 0 to below 1",
            &self.smoothing,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_rises_then_falls_to_zero() {
        let data = Dataset::load("digits", None).unwrap();
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
