//! The 8x8 digits that denselet contains.

use super::error::DataError;
use super::files::Budget;
use super::idx;
use super::set::{Dataset, Split};
use std::path::Path;

const IMAGES: &[u8] = include_bytes!("../../data/digits/digits-images.idx3-ubyte.gz");
const LABELS: &[u8] = include_bytes!("../../data/digits/digits-labels.idx1-ubyte.gz");
/// Images of the training split; the rest, mostly by other writers, is the test split.
const TRAINING: usize = 1437;

pub(super) fn load() -> Result<Dataset, DataError> {
    let images = Path::new("digits-images.idx3-ubyte.gz");
    let labels = Path::new("digits-labels.idx1-ubyte.gz");
    let mut budget = Budget::default();
    let (pixels, mut train_labels) = idx::pair(
        (images, &budget.unpack(images, IMAGES)?),
        (labels, &budget.unpack(labels, LABELS)?),
        10,
    )?;
    let (height, width) = (pixels.sides[1], pixels.sides[2]);
    let mut train = pixels.values;
    let test = train.split_off(TRAINING * height * width);
    let test_labels = train_labels.split_off(TRAINING);
    Ok(Dataset {
        name: "digits".into(),
        height,
        width,
        channels: 1,
        classes: (0..10).map(|digit| digit.to_string()).collect(),
        train: Split {
            images: train,
            labels: train_labels,
        },
        test: Split {
            images: test,
            labels: test_labels,
        },
        ..Dataset::default()
    })
}
