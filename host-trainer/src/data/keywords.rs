//! Reads spoken words as log-mel spectrograms, `[frame][band]`.

use super::error::DataError;
use super::files::{self, Budget};
use super::idx;
use super::set::{Dataset, Split};
use crate::input_file;
use std::path::Path;

pub(super) const USUAL: &[&str] = &["data/arabic_speech_commands", "data/keywords"];
pub(super) const ADVICE: &str = "get it as IDX files (train_logmel.idx and train_y.idx, the same with val and test, also \
     as .gz or .xz) with classes.txt";

pub(super) fn is_here(folder: &Path) -> bool {
    files::variant(folder, "train_logmel.idx").is_some()
}

pub(super) fn load(folder: &Path) -> Result<Dataset, DataError> {
    let path = folder.join("classes.txt");
    let file = input_file::open(&path);
    let text = file
        .and_then(std::io::read_to_string)
        .map_err(DataError::read(&path))?;
    let classes: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(String::from)
        .collect();
    if classes.len() < 2 {
        let expected = "a name for each of two or more classes";
        return Err(DataError::field(&path, "lines", expected, classes.len()));
    }
    let mut budget = Budget::default();
    let mut split = |part: &str| {
        let (images, image_bytes) = budget.read(folder, &format!("{part}_logmel.idx"))?;
        let (labels, label_bytes) = budget.read(folder, &format!("{part}_y.idx"))?;
        let (spectrograms, labels) =
            idx::pair((&images, &image_bytes), (&labels, &label_bytes), classes.len())?;
        let sides = (spectrograms.sides[1], spectrograms.sides[2]);
        Ok((
            images,
            sides,
            Split {
                images: spectrograms.values,
                labels,
            },
        ))
    };
    let (_, (height, width), train) = split("train")?;
    let mut same = |part| {
        let (path, sides, split) = split(part)?;
        if sides == (height, width) {
            return Ok(split);
        }
        let expected = format!("{height}x{width}");
        Err(DataError::field(
            &path,
            "sides",
            expected,
            format!("{}x{}", sides.0, sides.1),
        ))
    };
    Ok(Dataset {
        name: "keywords".into(),
        height,
        width,
        channels: 1,
        train,
        validation: same("val")?,
        test: same("test")?,
        classes: classes.clone(),
        ..Dataset::default()
    })
}
