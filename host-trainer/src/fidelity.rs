//! How much accuracy int8 loses against float, on images that were not trained on if there are any. Beside the main path,
//! after `export`.

use crate::blob::Blob;
use crate::calibrate::Calibration;
use crate::data::{Dataset, SAMPLE_SEED};
use crate::evaluate::{self, Confusion};
use crate::net::Network;
use crate::train::Recipe;
use serde::Serialize;

/// Images that are compared at most.
const IMAGES: usize = 1000;
/// Multiply-accumulates that a comparison may take, so that an export of a large network stays quick.
const MOST_MACS: u64 = 100_000_000_000;
/// Images that are compared at least, whatever they take.
const FEWEST: usize = 50;
/// Accuracy that int8 may lose without a warning: 2 points.
const ALLOWED: f64 = 0.02;

/// Accuracy of a network in float and in int8 on the same images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fidelity {
    /// Split that the images are of: `held-out` or `training`.
    pub split: &'static str,
    /// Number of images.
    pub images: usize,
    /// Accuracy of the float network, 0 to 1.
    pub float_accuracy: f64,
    /// Accuracy of its blob, 0 to 1.
    pub int8_accuracy: f64,
}

impl Fidelity {
    /// Runs a seeded sample of the images that `recipe` holds out through a network and its blob; of the training images if
    /// there is no recipe or it holds out fewer than 50, of which each would count 2 points.
    ///
    /// # Errors
    ///
    /// Returns an error if the images have another shape than the blob's input.
    pub fn measure(
        network: &Network,
        blob: &Blob,
        data: &Dataset,
        recipe: Option<&Recipe>,
    ) -> Result<Self, denselet::Error> {
        let affordable = usize::try_from(MOST_MACS / network.spec.macs().max(1)).unwrap_or(IMAGES);
        let count = affordable.clamp(FEWEST, IMAGES);
        let held_out = recipe.and_then(|recipe| recipe.aside().images(data));
        let (split, all) = match held_out.filter(|images| images.len() >= FEWEST) {
            Some(held_out) => ("held-out", held_out.draw(count, SAMPLE_SEED).0),
            None => ("training", data.train.draw(count, SAMPLE_SEED).0),
        };
        let classes = network.spec.classes;
        let float = match all.len() {
            0 => Vec::new(),
            count => network.logits(&all.images, count),
        };
        let int8 = evaluate::logits(blob, &all.images, &|_| ())?;
        Ok(Self {
            split,
            images: all.len(),
            float_accuracy: Confusion::new(&float, &all.labels, classes).accuracy(),
            int8_accuracy: Confusion::new(&int8, &all.labels, classes).accuracy(),
        })
    }

    /// One line for a blob's metadata.
    pub fn text(&self) -> String {
        format!(
            "{} {} images: float {:.2} %, int8 {:.2} %",
            self.images,
            self.split,
            100.0 * self.float_accuracy,
            100.0 * self.int8_accuracy
        )
    }

    /// The warning if int8 loses more than 2 points.
    pub fn warning(&self) -> Option<String> {
        (self.float_accuracy - self.int8_accuracy > ALLOWED).then(|| {
            format!(
                "int8 loses {:.2} points: {:.2} % in float, {:.2} % in int8 on {} {} images; try more calibration images \
                 (--calibration), images of every class to calibrate on (--data), or `denselet finetune`",
                100.0 * (self.float_accuracy - self.int8_accuracy),
                100.0 * self.float_accuracy,
                100.0 * self.int8_accuracy,
                self.images,
                self.split
            )
        })
    }
}

/// The warning about classes of which there is no calibration image.
pub fn calibration_warning(calibration: &Calibration) -> Option<String> {
    let missing = &calibration.missing;
    (!missing.is_empty()).then(|| {
        format!(
            "none of the {} calibration images is of {}: int8 may be wrong on {}; calibrate on images of every class (--data, \
             --calibration)",
            calibration.sample.len(),
            missing.join(", "),
            if missing.len() == 1 { "that class" } else { "those classes" },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_two_points_are_a_warning() {
        let of = |int8_accuracy| Fidelity {
            split: "held-out",
            images: 200,
            float_accuracy: 0.95,
            int8_accuracy,
        };
        assert_eq!(of(0.94).warning(), None);
        assert_eq!(of(0.97).warning(), None);
        let text = of(0.9).warning().unwrap();
        for part in ["95.00 %", "90.00 %", "200 held-out images", "finetune"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_class_that_is_not_calibrated_is_named() {
        let mut data = Dataset::load("digits", &crate::data::Reading::default()).unwrap();
        assert_eq!(calibration_warning(&Calibration::draw(&data, 64)), None);
        data.train = data.train.pick(
            &(0..data.train.len())
                .filter(|&at| data.train.labels[at] != 7)
                .collect::<Vec<_>>(),
        );
        let text = calibration_warning(&Calibration::draw(&data, 64)).unwrap();
        assert!(text.contains("is of 7:"), "{text}");
    }
}
