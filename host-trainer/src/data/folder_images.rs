//! Reads the image files of one split: all headers first, then the pixels.

use super::error::DataError;
use super::folder_plan::Plan;
use super::folder_tree::ClassFiles;
use super::image_file::{self, ImageHeader, Pixels};
use super::listing::listed;
use super::measured::Part;
use super::values::Values;
use ndarray::Array4;
use std::path::{Path, PathBuf};

/// Damaged files that a message lists.
const LISTED: usize = 4;

/// Damaged files, which are skipped or refused.
pub(super) struct Damaged {
    pub(super) is_skipped: bool,
    pub(super) files: Vec<PathBuf>,
}

impl Damaged {
    /// Returns nothing for a damaged file that is skipped.
    fn pass<T>(&mut self, path: &Path, found: Result<T, DataError>) -> Result<Option<T>, DataError> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(DataError::Image { .. }) if self.is_skipped => {
                self.files.push(path.to_owned());
                Ok(None)
            }
            Err(DataError::Image { path, source }) => {
                let expected = "a whole image: replace the file, or skip damaged files with `--skip-damaged`";
                Err(DataError::field(&path, "image", expected, source))
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn note(&self, notes: &mut Vec<String>) {
        if !self.files.is_empty() {
            let shown = listed(self.files.iter().map(|path| path.display()), LISTED);
            let count = self.files.len();
            notes.push(format!("damaged files that are skipped: {count} ({shown})"));
        }
    }
}

/// The image files of one split.
pub(super) struct Images {
    pub(super) files: Vec<(PathBuf, ImageHeader)>,
    pub(super) labels: Vec<u16>,
}

impl Images {
    pub(super) fn list(
        classes: &ClassFiles,
        names: &[String],
        damaged: &mut Damaged,
    ) -> Result<Self, DataError> {
        let (mut files, mut labels) = (Vec::new(), Vec::new());
        for (label, name) in (0u16..).zip(names) {
            for path in classes.get(name).into_iter().flatten() {
                if let Some(header) = damaged.pass(path, image_file::header(path))? {
                    files.push((path.clone(), header));
                    labels.push(label);
                }
            }
        }
        Ok(Self { files, labels })
    }

    pub(super) fn decode(self, folder: &Path, plan: &Plan, damaged: &mut Damaged) -> Result<Part, DataError> {
        let (height, width) = plan.size;
        let channels = if plan.wanted.is_colour { 3 } else { 1 };
        let room = self.files.len() * height * width * channels;
        let too_large = |error| DataError::field(folder, "images", "images that fit memory", error);
        let (mut bytes, mut words) = (Vec::<u8>::new(), Vec::<f32>::new());
        if plan.wanted.is_deep {
            words.try_reserve_exact(room).map_err(too_large)?;
        } else {
            bytes.try_reserve_exact(room).map_err(too_large)?;
        }
        let mut labels = Vec::with_capacity(self.labels.len());
        for ((path, _), label) in self.files.iter().zip(self.labels) {
            let Some((pixels, is_transparent)) = damaged.pass(path, image_file::decode(path, plan.wanted))?
            else {
                continue;
            };
            match pixels {
                Pixels::Bytes(pixels) => bytes.extend(pixels),
                Pixels::Words(pixels) => words.extend(pixels.into_iter().map(f32::from)),
            }
            plan.transparent
                .set(plan.transparent.get() + usize::from(is_transparent));
            labels.push(label);
        }
        let sides = (labels.len(), height, width, channels);
        let broken = |error| DataError::field(folder, "images", "images of one size", error);
        let values = if plan.wanted.is_deep {
            Values::Numbers(Array4::from_shape_vec(sides, words).map_err(broken)?)
        } else {
            Values::Bytes(Array4::from_shape_vec(sides, bytes).map_err(broken)?)
        };
        Ok(Part { values, labels })
    }
}
