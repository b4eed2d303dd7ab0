//! A folder of PNG and JPEG pictures, one sub-folder per class; belongs to `data`.
//!
//! Either `train/CLASS/*` and `test/CLASS/*`, or `CLASS/*`, of which every sixth picture of a seeded order tests.

use super::{DataError, Dataset, Split};
use crate::spec::Input;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::path::{Path, PathBuf};

/// One of this many pictures of each class is held out.
const HELD_OUT: usize = 6;
/// Seed of the split: the same folder always splits the same way.
const SEED: u64 = 1;

pub(super) fn load(folder: &Path, shape: Option<Input>) -> Result<Dataset, DataError> {
    let split = folder.join("train").is_dir() && folder.join("test").is_dir();
    let classes = names(&if split {
        folder.join("train")
    } else {
        folder.to_owned()
    })?;
    if classes.len() < 2 || classes.len() > usize::from(u16::MAX) {
        return Err(DataError::field(
            folder,
            "classes",
            "a sub-folder for each of two or more",
            classes.len(),
        ));
    }
    let mut reader = Reader { shape, first: None };
    let (mut train, mut test) = (Split::default(), Split::default());
    for (label, class) in (0u16..).zip(&classes) {
        if split {
            for path in pictures(&folder.join("train").join(class))? {
                reader.append(&mut train, label, &path)?;
            }
            for path in pictures(&folder.join("test").join(class))? {
                reader.append(&mut test, label, &path)?;
            }
        } else {
            let mut paths = pictures(&folder.join(class))?;
            shuffle(&mut paths, SEED.wrapping_add(u64::from(label)));
            for (at, path) in paths.iter().enumerate() {
                let to = if at % HELD_OUT == HELD_OUT - 1 {
                    &mut test
                } else {
                    &mut train
                };
                reader.append(to, label, path)?;
            }
        }
    }
    let Some(shape) = reader.first.filter(|_| !test.is_empty() && !train.is_empty()) else {
        return Err(DataError::field(
            folder,
            "pictures",
            "PNG or JPEG files for training and for testing",
            format!("{} and {}", train.len(), test.len()),
        ));
    };
    Ok(Dataset {
        name: folder.display().to_string(),
        height: shape.height,
        width: shape.width,
        channels: shape.channels,
        classes,
        train,
        test,
        ..Dataset::default()
    })
}

fn shuffle(paths: &mut [PathBuf], seed: u64) {
    let mut bits = ChaCha8Rng::seed_from_u64(seed);
    for last in (1..paths.len()).rev() {
        let at = bits.next_u64() % (last as u64 + 1);
        paths.swap(last, usize::try_from(at).unwrap_or(0));
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut list = std::fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|e| e.path()))
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(DataError::read(folder))?;
    list.sort();
    Ok(list)
}

/// Names of the sub-folders, in order.
fn names(folder: &Path) -> Result<Vec<String>, DataError> {
    let name = |path: PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(entries(folder)?
        .into_iter()
        .filter(|path| path.is_dir())
        .filter_map(name)
        .collect())
}

/// Paths of the pictures, in order; other files are left alone.
fn pictures(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let is_picture = |path: &PathBuf| {
        let end = path
            .extension()
            .map(|end| end.to_string_lossy().to_ascii_lowercase());
        matches!(end.as_deref(), Some("png" | "jpg" | "jpeg"))
    };
    Ok(entries(folder)?.into_iter().filter(is_picture).collect())
}

struct Reader {
    /// What every picture becomes, if asked for.
    shape: Option<Input>,
    /// Shape of the first picture; all must have it.
    first: Option<Input>,
}

impl Reader {
    fn append(&mut self, to: &mut Split, label: u16, path: &Path) -> Result<(), DataError> {
        let picture = |source| DataError::Picture {
            path: path.to_owned(),
            source,
        };
        let mut image = image::ImageReader::open(path)
            .and_then(image::ImageReader::with_guessed_format)
            .map_err(DataError::read(path))?
            .decode()
            .map_err(picture)?;
        if let Some(shape) = self.shape {
            let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            let filter = image::imageops::FilterType::Triangle;
            image = image.resize_exact(side(shape.width), side(shape.height), filter);
        }
        let found = Input {
            height: usize::try_from(image.height()).unwrap_or(0),
            width: usize::try_from(image.width()).unwrap_or(0),
            channels: match (self.shape, self.first) {
                (Some(shape), _) if shape.channels == 1 => 1,
                (Some(_), _) => 3,
                (None, Some(first)) => first.channels,
                (None, None) => {
                    if image.color().has_color() {
                        3
                    } else {
                        1
                    }
                }
            },
        };
        let first = *self.first.get_or_insert(found);
        if first != found {
            return Err(DataError::field(
                path,
                "size",
                format!(
                    "{}x{} as the pictures before (or ask for resizing)",
                    first.height, first.width
                ),
                format!("{}x{}", found.height, found.width),
            ));
        }
        let bytes = if first.channels == 1 {
            image.into_luma8().into_raw()
        } else {
            image.into_rgb8().into_raw()
        };
        to.images.extend(bytes);
        to.labels.push(label);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reading;
    use super::*;
    use image::{ImageFormat, Rgb, RgbImage};

    fn write(folder: &Path, name: &str, side: u32, value: u8) {
        std::fs::create_dir_all(folder).unwrap();
        let image = RgbImage::from_pixel(side, side, Rgb([value, 0, 0]));
        let format = if name.ends_with("png") {
            ImageFormat::Png
        } else {
            ImageFormat::Jpeg
        };
        image.save_with_format(folder.join(name), format).unwrap();
    }

    #[test]
    fn a_folder_without_parts_is_split_by_seed() {
        let folder = tempfile::tempdir().unwrap();
        for class in ["bee", "ant"] {
            for n in 0..6u8 {
                write(&folder.path().join(class), &format!("{n}.png"), 4, n);
            }
        }
        let name = folder.path().to_str().unwrap();
        let set = Dataset::load(name, &Reading::default()).unwrap();
        assert_eq!(set.classes, ["ant", "bee"]);
        assert_eq!((set.train.len(), set.test.len()), (10, 2));
        assert_eq!((set.height, set.width, set.channels), (4, 4, 3));
        assert_eq!(set, Dataset::load(name, &Reading::default()).unwrap());
    }

    #[test]
    fn sizes_must_agree_or_be_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        for part in ["train", "test"] {
            write(&folder.path().join(part).join("a"), "1.png", 4, 1);
            write(&folder.path().join(part).join("b"), "2.jpg", 6, 200);
        }
        let name = folder.path().to_str().unwrap();
        let error = Dataset::load(name, &Reading::default()).unwrap_err().to_string();
        assert!(error.contains("`size`: expected 4x4"), "{error}");
        let shape = Input {
            height: 5,
            width: 5,
            channels: 1,
        };
        let set = Dataset::load(
            name,
            &Reading {
                input: Some(shape),
                resize: true,
                ..Reading::default()
            },
        )
        .unwrap();
        assert_eq!((set.train.images.len(), set.shape()), (50, shape));
    }

    #[test]
    fn bad_folders_and_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().to_str().unwrap();
        assert!(
            Dataset::load(name, &Reading::default())
                .unwrap_err()
                .to_string()
                .contains("`classes`")
        );
        for class in ["a", "b"] {
            std::fs::create_dir(folder.path().join(class)).unwrap();
        }
        assert!(
            Dataset::load(name, &Reading::default())
                .unwrap_err()
                .to_string()
                .contains("`pictures`")
        );
        std::fs::write(folder.path().join("a").join("x.png"), b"not a picture").unwrap();
        assert!(
            Dataset::load(name, &Reading::default())
                .unwrap_err()
                .to_string()
                .contains("x.png")
        );
    }
}
