//! The targets of logits besides labels, as fields of a recipe: class weights and distillation.

use crate::data::Dataset;
use crate::net::Teacher;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What an image of each class counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected `balanced` or a list of a number per class")]
pub enum ClassWeights {
    /// By a rule.
    By(Balance),
    /// One per class, 0 or above.
    Are(Vec<f32>),
}

/// Rules that weigh classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Balance {
    /// All classes count the same together, and an image counts 1 on average.
    Balanced,
}

impl FromStr for ClassWeights {
    type Err = String;

    /// `balanced`, or numbers with commas between them.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "balanced" {
            return Ok(Self::By(Balance::Balanced));
        }
        let numbers = text.split(',').map(|number| number.trim().parse::<f32>());
        let numbers: Result<_, _> = numbers.collect();
        numbers
            .map(Self::Are)
            .map_err(|_| format!("expected `balanced` or numbers with commas between them, found `{text}`"))
    }
}

impl fmt::Display for ClassWeights {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::By(Balance::Balanced) => to.write_str("balanced"),
            Self::Are(weights) => {
                let texts: Vec<String> = weights.iter().map(ToString::to_string).collect();
                to.write_str(&texts.join(","))
            }
        }
    }
}

/// The largest weight of a class.
const MOST_WEIGHT: f32 = 10_000.0;

impl ClassWeights {
    /// One number per class, for the training images with these numbers.
    pub(super) fn of(&self, data: &Dataset, trained: &[usize]) -> Vec<f32> {
        match self {
            Self::Are(weights) => weights.clone(),
            Self::By(Balance::Balanced) => {
                let mut counts = vec![0usize; data.classes.len()];
                for &at in trained {
                    counts[usize::from(data.train.labels[at])] += 1;
                }
                let even = trained.len() as f32 / counts.len() as f32;
                // A class without images is never asked for.
                counts.iter().map(|&count| even / count.max(1) as f32).collect()
            }
        }
    }

    /// Whether these are weights for so many classes.
    pub(super) fn fit(&self, classes: usize) -> bool {
        match self {
            Self::By(Balance::Balanced) => true,
            Self::Are(weights) => {
                weights.len() == classes
                    && weights.iter().all(|weight| (0.0..=MOST_WEIGHT).contains(weight))
                    && weights.iter().any(|weight| *weight > 0.0)
            }
        }
    }
}

/// Distillation from a trained network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Distil {
    /// Checkpoint of the teacher or the folder of its run; none: no distillation.
    pub teacher: Option<PathBuf>,
    /// Divides both networks' logits.
    pub temperature: f32,
    /// Share of the loss that is the distance from the teacher.
    pub weight: f32,
}

impl Default for Distil {
    fn default() -> Self {
        Self {
            teacher: None,
            temperature: 4.0,
            weight: 0.5,
        }
    }
}

impl Distil {
    /// What the loss takes of a teacher whose answers to a batch are `logits`.
    pub(super) fn lesson<'a>(&self, logits: &'a [f32]) -> Teacher<'a> {
        Teacher {
            logits,
            temperature: self.temperature,
            weight: self.weight,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Reading;
    use crate::net::Network;
    use crate::train::Recipe;
    use crate::train::teacher::{check, in_order};

    #[test]
    fn balanced_classes_count_the_same_together() {
        let mut data = Dataset::load("digits", &Reading::default()).unwrap();
        data.classes = ["a", "b", "c"].map(String::from).into();
        data.train.labels = vec![0, 0, 0, 1, 2, 2];
        let weights = ClassWeights::By(Balance::Balanced).of(&data, &[0, 1, 2, 3, 4, 5]);
        assert_eq!(weights, [2.0 / 3.0, 2.0, 1.0]);
        // What is held out does not count.
        let weights = ClassWeights::By(Balance::Balanced).of(&data, &[0, 3, 4]);
        assert_eq!(weights, [1.0; 3]);
    }

    #[test]
    fn logits_change_places_with_their_classes() {
        let spec = crate::spec::Spec::load("digits").unwrap();
        let data = Dataset::load("digits", &Reading::default()).unwrap();
        let network = Network::new(&spec, data.normalisation(), 1);
        let turned: Vec<u16> = (0..10).rev().collect();
        let images = &data.test.images[..64 * 3];
        let found = in_order(network.clone(), &turned).logits(images, 3);
        for (found, before) in found.chunks(10).zip(network.logits(images, 3).chunks(10)) {
            assert!(found.iter().eq(before.iter().rev()));
        }
    }

    #[test]
    fn what_does_not_fit_the_data_is_named() {
        let data = Dataset::load("digits", &Reading::default()).unwrap();
        let message = |text: &str| {
            let recipe = Recipe::default().with(text).unwrap();
            check(&recipe, &data).map_err(|error| error.to_string())
        };
        assert_eq!(
            message("class_weights = \"balanced\"\n[augment]\nmask_rows = 7"),
            Ok(())
        );
        assert!(message("class_weights = [1.0]").is_err_and(|text| text.contains("`class_weights`")));
        assert!(
            message("[augment]\nmask_columns = 8").is_err_and(|text| text.contains("`augment.mask_columns`"))
        );
    }

    #[test]
    fn weights_are_a_word_or_numbers() {
        let list = ClassWeights::Are(vec![1.0, 0.5]);
        assert_eq!("1, 0.5".parse(), Ok(list.clone()));
        assert_eq!("balanced".parse(), Ok(ClassWeights::By(Balance::Balanced)));
        assert!("balance".parse::<ClassWeights>().is_err());
        assert!(list.fit(2) && !list.fit(3));
        assert!(!ClassWeights::Are(vec![1.0, -0.5]).fit(2) && !ClassWeights::Are(vec![0.0; 2]).fit(2));
        let recipe = Recipe::default()
            .with("class_weights = \"balanced\"\n[distil]\nteacher = \"runs/big\"\n")
            .unwrap();
        assert_eq!(recipe.class_weights, Some(ClassWeights::By(Balance::Balanced)));
        assert_eq!(recipe.distil.teacher, Some("runs/big".into()));
        let text = toml::to_string(&recipe).unwrap();
        assert_eq!(Recipe::default().with(&text).unwrap(), recipe);
        let error = recipe.with("class_weights = 3").unwrap_err().to_string();
        assert!(error.contains("`balanced`"), "{error}");
    }
}
