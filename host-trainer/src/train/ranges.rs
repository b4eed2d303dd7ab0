//! The range of every number of a recipe.

use super::bounds::{MOST_EPOCHS, TEMPERATURES};
use super::{Distil, Finetuning, Recipe, TrainError};

/// The highest learning rate, and the longest gradient to clip to.
const MOST_RATE: f32 = 1e6;

impl Recipe {
    /// Checks every number against a training split of `count` images.
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
        let share = 0.0..1.0;
        let below_1 = "from 0 to below 1";
        ensure(
            (1..=MOST_EPOCHS).contains(&self.epochs),
            "epochs",
            "from 1 to 1,000,000",
            &self.epochs,
        )?;
        ensure(
            share.contains(&self.held_out),
            "held_out",
            below_1,
            &self.held_out,
        )?;
        let trained = self.trained(count);
        ensure(
            self.batch > 0 && self.batch <= trained,
            "batch",
            "from 1 to the number of training images",
            &format!("{} ({trained} images are trained on)", self.batch),
        )?;
        ensure(
            (0.0..=MOST_RATE).contains(&self.clip),
            "clip",
            "from 0 to 1,000,000",
            &self.clip,
        )?;
        ensure(
            self.patience == 0 || self.held_out > 0.0,
            "patience",
            "0 if nothing is held out",
            &self.patience,
        )?;
        ensure(
            self.patience <= MOST_EPOCHS,
            "patience",
            "from 0 to 1,000,000",
            &self.patience,
        )?;
        ensure(
            self.rate > 0.0 && self.rate <= MOST_RATE,
            "rate",
            "above 0, at most 1,000,000",
            &self.rate,
        )?;
        ensure(
            self.warm_up >= 0.0 && self.warm_up <= self.epochs as f32,
            "warm_up",
            "from 0 to the epochs",
            &self.warm_up,
        )?;
        for (field, value) in [
            ("momentum", self.momentum),
            ("decay", self.decay),
            ("smoothing", self.smoothing),
            ("average", self.average.unwrap_or(0.0)),
            ("dropout", self.dropout.unwrap_or(0.0)),
        ] {
            ensure(share.contains(&value), field, below_1, &value)?;
        }
        ensure(
            i64::try_from(self.seed).is_ok(),
            "seed",
            "from 0 to 9223372036854775807",
            &self.seed,
        )?;
        let Distil {
            temperature, weight, ..
        } = self.distil;
        ensure(
            TEMPERATURES.contains(&temperature),
            "distil.temperature",
            "from 0.01 to 1,000",
            &temperature,
        )?;
        ensure(
            (0.0..=1.0).contains(&weight),
            "distil.weight",
            "from 0 to 1",
            &weight,
        )?;
        self.finetune.as_ref().map_or(Ok(()), Finetuning::check)?;
        let wrong = self.augment.out_of_range();
        wrong.map_or(Ok(()), |wrong| {
            ensure(false, wrong.field, wrong.expected, &wrong.found)
        })
    }

    /// Whether so many ranks can share a batch.
    ///
    /// # Errors
    ///
    /// Returns an error if their shares would not be equal.
    pub fn check_ranks(&self, count: usize) -> Result<(), TrainError> {
        if self.batch.is_multiple_of(count) {
            return Ok(());
        }
        Err(TrainError::Recipe {
            field: "batch",
            expected: "a multiple of the number of ranks",
            found: format!("{} on {count} ranks", self.batch),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_named() {
        for (text, field) in [
            ("average = 1.0", "average"),
            ("dropout = -0.1", "dropout"),
            ("[distil]\ntemperature = 0.0", "distil.temperature"),
            ("[distil]\nweight = 1.5", "distil.weight"),
            ("[augment]\nmixup = -1.0", "augment.mixup"),
            ("[finetune]\nepochs = 0", "finetune.epochs"),
            ("[finetune]\nrate = 0.0", "finetune.rate"),
            ("[finetune]\ndistillation = 2.0", "finetune.distillation"),
            ("[finetune]\ntemperature = -1.0", "finetune.temperature"),
            ("[finetune]\ncalibration = 0", "finetune.calibration"),
            ("[augment]\nmagnitude = 2.0", "augment.magnitude"),
            ("[augment]\noperations = 17", "augment.operations"),
            ("[augment]\nshift = 5000", "augment.shift"),
            ("[augment]\nshift_y = 5000", "augment.shift_y"),
            ("[augment]\nmask_rows = 5000", "augment.mask_rows"),
            ("[augment]\ncutout = 5000", "augment.cutout"),
            ("[augment]\ncutmix = 1e30", "augment.cutmix"),
            ("[augment]\njitter = nan", "augment.jitter"),
            ("epochs = 1000001", "epochs"),
            ("rate = 1e38", "rate"),
            ("rate = nan", "rate"),
            ("clip = inf", "clip"),
            ("momentum = 1.0", "momentum"),
            ("[finetune]\nepochs = 9000000000", "finetune.epochs"),
            ("[finetune]\ncalibration = 9000000000", "finetune.calibration"),
            ("[finetune]\nrate = 1e30", "finetune.rate"),
        ] {
            let error = Recipe::default().with(text).unwrap().check(1000).unwrap_err();
            assert!(error.to_string().contains(&format!("`{field}`")), "{error}");
        }
    }
}
