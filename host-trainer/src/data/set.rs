//! A data set in memory: images as raw bytes, labels, and notes of the reader.

use super::encoding::Encoding;
use crate::net::Normalisation;
use crate::spec::Input;

/// Images and labels of one split of a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Raw bytes, `[image][row][column][channel]`.
    pub images: Vec<u8>,
    /// Class numbers, one per image, each below the number of classes.
    pub labels: Vec<u16>,
}

impl Split {
    /// Returns the number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether the split has no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// A data set: images of one shape, in two or three splits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    /// Name or path, as the user gave it.
    pub name: String,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Bytes per pixel.
    pub channels: usize,
    /// Names of the classes; labels are their numbers.
    pub classes: Vec<String>,
    /// Split for training and calibration.
    pub train: Split,
    /// Split for the final evaluation only.
    pub test: Split,
    /// Split for evaluation during training; empty if the data set has none.
    pub validation: Split,
    /// Group of each training image, such as a person, if groups are known; groups are held out as a whole.
    pub groups: Vec<u16>,
    /// Encoding of the measurements; absent if the data set contains bytes.
    pub encoding: Option<Encoding>,
    /// Whether `encoding` belongs to the data set; otherwise it was given, or inferred from the values.
    pub encoding_is_fixed: bool,
    /// Whether every value is a byte divided by 255; `encoding` is then 0 to 1.
    pub are_unit_bytes: bool,
    /// One note for each inference of the reader; the command prints them.
    pub notes: Vec<String>,
}

impl Dataset {
    /// Returns a checksum of the images, labels and groups of the training and validation splits.
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

    /// Returns the number of bytes of one image.
    pub fn image_len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Returns the shape of an image.
    pub fn shape(&self) -> Input {
        Input {
            height: self.height,
            width: self.width,
            channels: self.channels,
        }
    }

    /// Adds the validation split to the training split, for a run without a held-out split.
    pub fn train_on_everything(&mut self) {
        let validation = core::mem::take(&mut self.validation);
        if validation.is_empty() {
            return;
        }
        if !self.groups.is_empty() {
            // The groups of the validation split are unknown, but differ from those of the training split.
            let next = self.groups.iter().max().map_or(0, |largest| largest + 1);
            self.groups.extend(validation.labels.iter().map(|_| next));
        }
        self.train.images.extend(validation.images);
        self.train.labels.extend(validation.labels);
    }

    /// Returns the mean and the standard deviation of each channel over the training split, in bytes.
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
            // A constant channel keeps its scale.
            std.push(if variance > 1e-6 {
                variance.sqrt() as f32
            } else {
                1.0
            });
        }
        Normalisation { mean, std }
    }
}

#[cfg(test)]
impl Dataset {
    #[track_caller]
    pub(super) fn check_note(&self, text: &str) {
        assert!(self.notes.concat().contains(text), "{:?}", self.notes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Reading;

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
    fn everything_includes_the_validation_split() {
        let mut set = Dataset::load("digits", &Reading::default()).unwrap();
        set.validation = set.test.sample(10);
        set.train_on_everything();
        assert_eq!((set.train.len(), set.validation.len()), (1447, 0));
        assert_eq!(set.train.images.len(), 1447 * 64);
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
