//! Pictures with labels, as raw bytes. First stage beside `spec`; `train` and `calibrate` come after.

mod arrays;
mod augment;
mod cifar;
mod classes;
mod columns;
mod digits;
mod files;
mod folder;
mod folder_plan;
mod folder_tree;
mod har;
mod idx;
mod image_file;
mod image_files;
mod keywords;
mod measured;
mod mnist;
mod npy;
mod numpy;
mod resize;
mod sample;
mod shapes;
mod splits;
mod table;
mod values;

pub(crate) use augment::mix;
pub use augment::{Augment, Fill, Ground};
pub use image_files::image_files;
pub use sample::{SAMPLE_SEED, Sample};

use crate::net::Normalisation;
use crate::spec::Input;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Why a data set cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file holds something else than it should.
    #[error("{}: `{field}`: expected {expected}, found {found}", path.display())]
    Field {
        /// Which file.
        path: PathBuf,
        /// Which part of it.
        field: String,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A picture cannot be decoded.
    #[error("{}: {source}", path.display())]
    Picture {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: image::ImageError,
    },
    /// The data set is not on this machine.
    #[error("data set `{name}` was not found: {advice}")]
    Missing {
        /// What was asked for.
        name: String,
        /// How to get it.
        advice: String,
    },
}

impl DataError {
    fn field(path: &Path, field: &str, expected: impl ToString, found: impl ToString) -> Self {
        Self::Field {
            path: path.to_owned(),
            field: field.to_owned(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }
}

/// Pictures and labels of one part of a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Raw bytes, NHWC.
    pub images: Vec<u8>,
    /// Class numbers, one per picture, each below the number of classes.
    pub labels: Vec<u16>,
}

impl Split {
    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// A data set: pictures of one shape, in two splits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    /// As it was asked for.
    pub name: String,
    /// Rows of a picture.
    pub height: usize,
    /// Columns of a picture.
    pub width: usize,
    /// Bytes per pixel.
    pub channels: usize,
    /// Names of the classes; labels are their numbers.
    pub classes: Vec<String>,
    /// For training and calibration.
    pub train: Split,
    /// For nothing but the last measurement.
    pub test: Split,
    /// For measuring while training; empty where the data set brings none.
    pub validation: Split,
    /// Whom or what each training picture is of, where that is known: what is held out is held out whole.
    pub groups: Vec<u16>,
    /// How bytes were made of measurements; absent where the data set is bytes.
    pub encoding: Option<Encoding>,
    /// Whether `encoding` is part of what the data set is; otherwise it was given, or inferred from the values.
    pub encoding_is_fixed: bool,
    /// Whether every value was a byte divided by 255; `encoding` is 0 to 1 then.
    pub are_unit_bytes: bool,
    /// What was inferred or left out while reading, a sentence each: the command prints them.
    pub notes: Vec<String>,
}

/// How a data set is to be read: what is known of the network that it is read for, and what the user allowed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Input of the network, if there is one: flat rows of as many values become images of this shape.
    pub input: Option<Input>,
    /// Whether images of another shape are resized to `input` (`--resize`); otherwise they keep their shape.
    pub resize: bool,
    /// How the network's measurements become bytes: measurements go through it instead of their own range.
    pub encoding: Option<Encoding>,
    /// Whether damaged files are counted and left out (`--skip-damaged`); otherwise one is an error.
    pub skip_damaged: bool,
    /// Name of a table's label column (`--label`), if it was given.
    pub label: Option<String>,
}

/// How measurements become bytes: byte = (value - low) * 255 / (high - low), rounded half away from zero, then clipped
/// to 0..=255. Whoever feeds a device does the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Encoding {
    /// What becomes 0, one per channel, in the channel's unit.
    pub low: Vec<f32>,
    /// What becomes 255, one per channel.
    pub high: Vec<f32>,
}

impl Encoding {
    /// Values from 0 to 1: a byte is 255 times its value.
    pub fn unit(channels: usize) -> Self {
        Self {
            low: vec![0.0; channels],
            high: vec![1.0; channels],
        }
    }

    /// The byte of a measurement in this channel.
    ///
    /// # Panics
    ///
    /// When there is no such channel.
    pub fn byte(&self, channel: usize, value: f32) -> u8 {
        let (low, high) = (self.low[channel], self.high[channel]);
        // A cast from float saturates.
        ((value - low) * 255.0 / (high - low)).round() as u8
    }
}

/// Where named data sets are looked for besides their usual places.
const FOLDER_VARIABLE: &str = "DENSELET_DATA";

impl Dataset {
    /// A checksum of what a run trains with: images, labels and groups of the training and validation splits.
    pub fn checksum(&self) -> u32 {
        let numbers = |sum: u32, numbers: &[u16]| {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            crc32c::crc32c_append(sum, &bytes)
        };
        let splits = [&self.train, &self.validation];
        let sum = splits.into_iter().fold(0, |sum, split| {
            numbers(crc32c::crc32c_append(sum, &split.images), &split.labels)
        });
        numbers(sum, &self.groups)
    }

    /// The data set `name`: `digits`, `fashion-mnist`, `cifar10`, `har`, `keywords`, or a folder that holds one of the last
    /// four or pictures by class.
    ///
    /// `reading` says what is known of the network that the set is read for, and what the user allowed.
    ///
    /// # Errors
    ///
    /// Tells how to get a set that is missing; names file and field of one that is broken.
    pub fn load(name: &str, reading: &Reading) -> Result<Self, DataError> {
        let mut set = match name {
            "digits" => digits::load()?,
            "fashion-mnist" => {
                mnist::load(&find(name, mnist::USUAL, mnist::ADVICE, mnist::is_here)?, reading)?
            }
            "cifar10" => cifar::load(&find(name, cifar::USUAL, cifar::ADVICE, cifar::is_here)?)?,
            "har" => har::load(&find(name, har::USUAL, har::ADVICE, har::is_here)?, reading)?,
            "keywords" => keywords::load(&find(name, keywords::USUAL, keywords::ADVICE, keywords::is_here)?)?,
            _ => from_path(name, Path::new(name), reading)?,
        };
        set.name = name.to_owned();
        if reading.resize && reading.input.is_none() {
            set.notes
                .push("`--resize` has no effect: the network takes its input from the data".into());
        }
        if let Some(shape) = reading.input.filter(|_| reading.resize) {
            if (set.height == 1) != (shape.height == 1) {
                let expected =
                    format!("images of {shape}: `--resize` makes no image of a row, and no row of an image");
                return Err(DataError::field(Path::new(name), "images", expected, set.shape()));
            }
            let before = set.shape();
            set.resize(shape);
            if set.shape() != before {
                set.notes
                    .push(format!("images of {before} are resized to {}", set.shape()));
            }
        }
        Ok(set)
    }

    /// Bytes of one picture.
    pub fn image_len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Shape of one picture.
    pub fn shape(&self) -> Input {
        Input {
            height: self.height,
            width: self.width,
            channels: self.channels,
        }
    }

    /// Adds a validation split that came with the set to the training split, for a run that holds nothing out.
    pub fn train_on_everything(&mut self) {
        let validation = core::mem::take(&mut self.validation);
        if validation.is_empty() {
            return;
        }
        if !self.groups.is_empty() {
            // Whoever they are, they are nobody of the training split.
            let next = self.groups.iter().max().map_or(0, |largest| largest + 1);
            self.groups.extend(validation.labels.iter().map(|_| next));
        }
        self.train.images.extend(validation.images);
        self.train.labels.extend(validation.labels);
    }

    /// Mean and standard deviation per channel over the training split, in raw units.
    pub fn normalisation(&self) -> Normalisation {
        let mut sums = vec![(0u64, 0u64); self.channels];
        for pixel in self.train.images.chunks_exact(self.channels) {
            for ((sum, squares), &byte) in sums.iter_mut().zip(pixel) {
                *sum += u64::from(byte);
                *squares += u64::from(byte) * u64::from(byte);
            }
        }
        let count = (self.train.images.len() / self.channels).max(1) as f64;
        let (mut mean, mut std) = (Vec::new(), Vec::new());
        for (sum, squares) in sums {
            let average = sum as f64 / count;
            let variance = squares as f64 / count - average * average;
            mean.push(average as f32);
            // A channel that never changes is left as it is.
            std.push(if variance > 1e-6 {
                variance.sqrt() as f32
            } else {
                1.0
            });
        }
        Normalisation { mean, std }
    }
}

/// The data set in a file or a folder.
fn from_path(name: &str, path: &Path, reading: &Reading) -> Result<Dataset, DataError> {
    if path.is_dir() {
        if cifar::is_here(path) {
            cifar::load(path)
        } else if mnist::is_here(path) {
            mnist::load(path, reading)
        } else if har::is_here(path) {
            har::load(path, reading)
        } else if keywords::is_here(path) {
            keywords::load(path)
        } else if numpy::is_here(path) {
            numpy::load(path, reading)
        } else if table::is_here(path) {
            table::load(path, reading)
        } else {
            folder::load(path, reading)
        }
    } else if path.exists() && files::ending(path) == "npz" {
        numpy::load(path, reading)
    } else if path.exists() && table::is_table(path) {
        table::load(path, reading)
    } else if path.exists() {
        let advice = files::advice(path);
        let expected =
            format!("an .npz, .csv or .tsv file (tables also as .gz or .xz), or a folder: {advice}");
        Err(DataError::field(path, "kind of file", expected, "another file"))
    } else {
        Err(DataError::Missing {
            name: name.to_owned(),
            advice: "give `digits`, `fashion-mnist`, `cifar10`, `har`, `keywords`, an .npz, .csv or .tsv file, or a folder".into(),
        })
    }
}

/// The first folder that holds the set: its usual places, then below the folder of the environment variable.
fn find(name: &str, usual: &[&str], advice: &str, is_here: fn(&Path) -> bool) -> Result<PathBuf, DataError> {
    let mut places: Vec<PathBuf> = usual.iter().map(PathBuf::from).collect();
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        let folder = PathBuf::from(folder);
        // By its name here, then by its folder's usual name.
        places.splice(
            0..0,
            usual
                .iter()
                .filter_map(|place| Path::new(place).file_name())
                .map(|end| folder.join(end)),
        );
        places.insert(0, folder.join(name));
    }
    places.into_iter().find(|place| is_here(place)).ok_or_else(|| DataError::Missing {
        name: name.to_owned(),
        advice: format!(
            "{advice}, or put it below the folder named by {FOLDER_VARIABLE}, or give its folder instead of its name"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_split_as_they_ship() {
        let set = Dataset::load("digits", &Reading::default()).unwrap();
        assert_eq!((set.train.len(), set.test.len()), (1437, 360));
        assert_eq!(set.train.images.len(), 1437 * 64);
        assert_eq!(set.classes.len(), 10);
        let all = set.train.labels.iter().chain(&set.test.labels);
        assert_eq!(all.filter(|&&label| label == 0).count(), 178);
        assert!(set.train.images.iter().all(|&v| v <= 16));
        let normalisation = set.normalisation();
        assert!((normalisation.mean[0] - 4.9).abs() < 0.1, "{normalisation:?}");
        assert!((normalisation.std[0] - 6.0).abs() < 0.2, "{normalisation:?}");
    }

    #[test]
    fn everything_is_the_validation_split_too() {
        let mut set = Dataset::load("digits", &Reading::default()).unwrap();
        set.validation = set.test.sample(10);
        set.train_on_everything();
        assert_eq!((set.train.len(), set.validation.len()), (1447, 0));
        assert_eq!(set.train.images.len(), 1447 * 64);
    }

    #[test]
    fn missing_sets_say_how_to_get_them() {
        let error = find("nothing", &["/nosuch"], "install it", cifar::is_here).unwrap_err();
        assert!(error.to_string().contains("install it"), "{error}");
        let error = Dataset::load("nosuch", &Reading::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("`digits`"), "{error}");
    }

    #[test]
    fn files_of_other_kinds_are_not_called_missing() {
        let folder = tempfile::tempdir().unwrap();
        for (name, advice) in [
            ("x.zip", "unpack"),
            ("x.tar.gz", "unpack"),
            ("x.png", "folder for each class"),
            ("x_train.npy", "its folder"),
            ("x.txt", "rename"),
            ("train-images-idx3-ubyte", "its folder"),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, b"x").unwrap();
            let found = Dataset::load(path.to_str().unwrap(), &Reading::default());
            let error = found.unwrap_err().to_string();
            assert!(error.contains(advice) && !error.contains("not found"), "{error}");
        }
    }

    #[test]
    fn resizing_is_said() {
        let input = |height, channels| Input {
            height,
            width: height,
            channels,
        };
        let notes = |input| {
            let reading = Reading {
                input,
                resize: true,
                ..Reading::default()
            };
            Dataset::load("digits", &reading).unwrap().notes.concat()
        };
        assert!(notes(Some(input(4, 3))).contains("images of 8x8x1 are resized to 4x4x3"));
        assert!(notes(Some(input(8, 1))).is_empty());
        assert!(notes(None).contains("no effect"));
    }

    #[test]
    fn a_constant_channel_keeps_its_scale() {
        let mut set = Dataset::load("digits", &Reading::default()).unwrap();
        set.train.images.fill(3);
        assert_eq!(
            set.normalisation(),
            Normalisation {
                mean: vec![3.0],
                std: vec![1.0]
            }
        );
    }
}
