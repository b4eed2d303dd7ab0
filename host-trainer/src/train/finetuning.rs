//! What a recipe says of the fine-tuning behind a run; belongs to `train`, beside `recipe`. `finetune` does it.

use super::TrainError;
use serde::{Deserialize, Serialize};

/// How the device's integers are trained on from the run's network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Finetuning {
    /// Times every picture is seen.
    pub epochs: usize,
    /// Learning rate at its highest, in steps of quantisation; it falls to zero along half a cosine.
    pub rate: f32,
    /// Share of the loss that is the distance from the float network's answers, 0 to 1; the rest is cross-entropy.
    pub distillation: f32,
    /// Divides both networks' logits in that distance.
    pub temperature: f32,
    /// Training pictures that calibrate before the first step.
    pub calibration: usize,
}

impl Default for Finetuning {
    fn default() -> Self {
        Self {
            epochs: 2,
            rate: 0.01,
            distillation: 0.5,
            temperature: 2.0,
            calibration: crate::calibrate::IMAGES,
        }
    }
}

impl Finetuning {
    /// Checks every number.
    ///
    /// # Errors
    ///
    /// The first one that makes no training.
    pub fn check(&self) -> Result<(), TrainError> {
        let ensure = |right: bool, field, expected, found: &dyn ToString| {
            let found = found.to_string();
            right.then_some(()).ok_or(TrainError::Recipe {
                field,
                expected,
                found,
            })
        };
        ensure(self.epochs > 0, "finetune.epochs", "at least 1", &self.epochs)?;
        ensure(
            self.rate > 0.0 && self.rate.is_finite(),
            "finetune.rate",
            "above 0",
            &self.rate,
        )?;
        ensure(
            (0.0..=1.0).contains(&self.distillation),
            "finetune.distillation",
            "from 0 to 1",
            &self.distillation,
        )?;
        ensure(
            self.temperature > 0.0 && self.temperature.is_finite(),
            "finetune.temperature",
            "above 0",
            &self.temperature,
        )?;
        ensure(
            self.calibration > 0,
            "finetune.calibration",
            "at least 1",
            &self.calibration,
        )
    }
}
