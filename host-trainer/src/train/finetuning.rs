//! The fields of a recipe for the fine-tuning after a run. `finetune` runs it.

use super::TrainError;
use super::bounds::{MOST_EPOCHS, TEMPERATURES};
use crate::grid::BITS;
use serde::{Deserialize, Serialize};

/// How the device's integers are trained on from the run's network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Finetuning {
    /// Times every image is seen.
    pub epochs: usize,
    /// Learning rate at its highest, in steps of quantisation; it falls to zero along half a cosine.
    pub rate: f32,
    /// Share of the loss that is the distance from the float network's answers, 0 to 1; the rest is cross-entropy.
    pub distillation: f32,
    /// Divides both networks' logits in that distance.
    pub temperature: f32,
    /// Training images that calibrate before the first step.
    pub calibration: usize,
    /// Bits of a weight in layers, transitions and the head; 8 for a byte's whole range.
    pub bits: u8,
    /// What a coded weight may take on average, in bits; 0 for as many as it takes.
    pub bits_per_weight: f32,
    /// Bytes that the blob may have; 0 for as many as it takes. The best network is looked for among those that fit.
    pub target: usize,
}

/// The highest learning rate, in steps of quantisation.
const MOST_RATE: f32 = 1000.0;
/// Most images that calibrate.
const MOST_CALIBRATION: usize = 1_000_000;

/// The fewest bits that a coded weight may take on average.
const LEAST_BITS: f32 = 0.5;

impl Default for Finetuning {
    fn default() -> Self {
        Self {
            epochs: 2,
            rate: 0.01,
            distillation: 0.5,
            temperature: 2.0,
            calibration: crate::calibrate::IMAGES,
            bits: 8,
            bits_per_weight: 0.0,
            target: 0,
        }
    }
}

impl Finetuning {
    /// The same for weights of few bits, which take longer to settle and need more of the float network's answers.
    pub fn few_bits(self) -> Self {
        Self {
            epochs: self.epochs.max(6),
            distillation: self.distillation.max(0.8),
            bits: if self.bits < 8 { self.bits } else { 4 },
            ..self
        }
    }

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
        ensure(
            (1..=MOST_EPOCHS).contains(&self.epochs),
            "finetune.epochs",
            "from 1 to 1,000,000",
            &self.epochs,
        )?;
        ensure(
            self.rate > 0.0 && self.rate <= MOST_RATE,
            "finetune.rate",
            "above 0, at most 1,000",
            &self.rate,
        )?;
        ensure(
            (0.0..=1.0).contains(&self.distillation),
            "finetune.distillation",
            "from 0 to 1",
            &self.distillation,
        )?;
        ensure(
            TEMPERATURES.contains(&self.temperature),
            "finetune.temperature",
            "from 0.01 to 1,000",
            &self.temperature,
        )?;
        ensure(
            (1..=MOST_CALIBRATION).contains(&self.calibration),
            "finetune.calibration",
            "from 1 to 1,000,000",
            &self.calibration,
        )?;
        ensure(
            BITS.contains(&self.bits),
            "finetune.bits",
            "from 2 to 8",
            &self.bits,
        )?;
        let bits_per_weight = self.bits_per_weight;
        ensure(
            bits_per_weight == 0.0 || (LEAST_BITS..f32::from(self.bits)).contains(&bits_per_weight),
            "finetune.bits_per_weight",
            "0, or from 0.5 to below finetune.bits",
            &bits_per_weight,
        )?;
        ensure(
            bits_per_weight == 0.0 || self.bits < 8,
            "finetune.bits",
            "below 8 where bits_per_weight is set",
            &self.bits,
        )
    }
}
