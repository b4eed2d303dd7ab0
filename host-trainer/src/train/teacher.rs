//! The teacher of a distillation, read and compared with the data, and what a recipe asks of a data set.

use super::{Distil, Recipe, TrainError, checkpoint, fits};
use crate::data::{Dataset, Encoding};
use crate::net::Network;
use crate::suit::{class_numbers, ranges};

impl Distil {
    /// The teacher's network, if the recipe names one.
    pub(super) fn teacher(&self, data: &Dataset) -> Result<Option<Network>, TrainError> {
        let Some(path) = &self.teacher else {
            return Ok(None);
        };
        let teacher = checkpoint::load(&checkpoint::choose(path, false))?;
        fits(&path.display().to_string(), &teacher.network.spec, data)?;
        let refused = |what, expected: String, found: String, advice: String| TrainError::Teacher {
            path: path.clone(),
            what,
            expected,
            found,
            advice,
        };
        let encoding = |encoding: &Option<Encoding>| encoding.as_ref().map_or_else(|| "bytes".into(), ranges);
        if teacher.meta.encoding != data.encoding {
            return Err(refused(
                "values",
                encoding(&data.encoding),
                encoding(&teacher.meta.encoding),
                "a teacher and its student read the same bytes".into(),
            ));
        }
        let (classes, known) = (&data.classes, &teacher.meta.classes);
        let numbers = class_numbers(known, classes)
            .map_err(|advice| refused("classes", classes.join(", "), known.join(", "), advice))?;
        Ok(Some(in_order(teacher.network, &numbers)))
    }
}

/// The network with its logits in another order: logit `n` is what logit `numbers[n]` was.
pub(super) fn in_order(mut network: Network, numbers: &[u16]) -> Network {
    let head = &mut network.head;
    let (weight, bias) = (head.weight.clone(), head.bias.clone());
    for (class, from) in numbers.iter().map(|&number| usize::from(number)).enumerate() {
        head.weight[class * head.inputs..][..head.inputs]
            .copy_from_slice(&weight[from * head.inputs..][..head.inputs]);
        head.bias[class] = bias[from];
    }
    network
}

/// Whether the recipe's class weights are for the data set's classes, and something of its images is left uncovered.
pub(super) fn check(recipe: &Recipe, data: &Dataset) -> Result<(), TrainError> {
    for (field, mask, side) in [
        ("augment.mask_rows", recipe.augment.mask_rows, data.height),
        ("augment.mask_columns", recipe.augment.mask_columns, data.width),
    ] {
        if mask > 0 && mask >= side {
            return Err(TrainError::Recipe {
                field,
                expected: "0, or fewer than an image has",
                found: mask.to_string(),
            });
        }
    }
    match &recipe.class_weights {
        Some(weights) if !weights.fit(data.classes.len()) => Err(TrainError::Recipe {
            field: "class_weights",
            expected: "`balanced` or a number for every class, from 0 to 10,000, one above 0",
            found: weights.to_string(),
        }),
        _ => Ok(()),
    }
}
