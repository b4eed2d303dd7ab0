//! Reads the arrays of an `.npz` or of a folder of `.npy` as images and labels.

use super::classes::Labels;
use super::error::DataError;
use super::files::{self, Budget};
use super::npy::{self, Array, ArrayHeader};
use super::shapes::Shaping;
use super::values::Values;
use crate::input_file;
use ndarray::{ArrayD, Axis};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes that contain the header of any array.
const HEADER: u64 = 4096;
/// Arrays that a message lists.
const LISTED: usize = 24;

/// An `.npz` or a folder of `.npy`.
pub(super) struct Source {
    place: Place,
    /// Names of all arrays, in order.
    pub(super) names: Vec<String>,
    budget: Budget,
}

enum Place {
    Archive(Box<zip::ZipArchive<File>>),
    Folder(PathBuf),
}

impl Source {
    /// Opens an `.npz` or a folder of `.npy`.
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let place = if path.is_dir() {
            Place::Folder(path.to_owned())
        } else {
            let file = input_file::open(path).map_err(DataError::read(path))?;
            let archive = zip::ZipArchive::new(file)
                .map_err(|error| DataError::field(path, "file", "an .npz archive", error))?;
            Place::Archive(Box::new(archive))
        };
        let mut names: Vec<String> = match &place {
            Place::Archive(archive) => {
                let names = archive.file_names().filter_map(Result::ok);
                names.map(|name| name.into_owned()).collect()
            }
            Place::Folder(folder) => {
                let paths = files::entries(folder)?;
                let names = paths.iter().filter_map(|path| path.file_name());
                names.map(|name| name.to_string_lossy().into_owned()).collect()
            }
        };
        names = names
            .iter()
            .filter_map(|name| name.strip_suffix(".npy").map(str::to_owned))
            .collect();
        names.sort();
        Ok(Self {
            place,
            names,
            budget: Budget::default(),
        })
    }

    /// Returns the names and shapes of all arrays, for a message.
    pub(super) fn listing(&mut self) -> String {
        let names = self.names.clone();
        if names.is_empty() {
            return "no array".into();
        }
        let shown: Vec<String> = names
            .iter()
            .take(LISTED)
            .map(|name| self.described(name))
            .collect();
        match names.len().saturating_sub(LISTED) {
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    }

    /// Returns an array's name, shape and kind of values, for a message.
    pub(super) fn described(&mut self, name: &str) -> String {
        let file = format!("{name}.npy");
        let mut start = Vec::new();
        let read = match &mut self.place {
            Place::Folder(folder) => input_file::open(&folder.join(&file))
                .and_then(|file| file.take(HEADER).read_to_end(&mut start))
                .is_ok(),
            Place::Archive(archive) => archive
                .by_name(&file)
                .is_ok_and(|entry| entry.take(HEADER).read_to_end(&mut start).is_ok()),
        };
        match ArrayHeader::read(&start).filter(|_| read) {
            Some(header) => format!("`{name}` {:?} {}", header.shape, header.kind),
            None => format!("`{name}`"),
        }
    }

    /// Returns the images in an array.
    pub(super) fn images(&mut self, name: &str, shaping: &mut Shaping<'_>) -> Result<Values, DataError> {
        match self.array(shaping.path, name, |value| value as f32)? {
            Array::Bytes(array) => Ok(Values::Bytes(shaping.images(name, array)?)),
            Array::Numbers(array) => Ok(Values::Numbers(shaping.images(name, array)?)),
            Array::Texts(_) => Err(DataError::field(shaping.path, name, "images as numbers", "texts")),
        }
    }

    /// Returns the labels in an array, for `count` images.
    pub(super) fn labels(
        &mut self,
        path: &Path,
        name: &str,
        count: usize,
        notes: &mut Vec<String>,
    ) -> Result<Labels, DataError> {
        let array = match self.array(path, name, |value| value)? {
            Array::Bytes(array) => array.mapv(f64::from),
            Array::Numbers(array) => array,
            Array::Texts(texts) if texts.len() == count => return Ok(Labels::Names(texts)),
            Array::Texts(texts) => {
                let expected = format!("{count} labels, one for each image");
                return Err(DataError::field(path, name, expected, texts.len()));
            }
        };
        if array.len() != count && array.ndim() == 2 && array.len_of(Axis(0)) == count {
            notes.push(format!("`{name}` {:?} is read as one-hot rows", array.shape()));
            return one_hot(path, name, &array);
        }
        if array.len() != count {
            let expected = format!("{count} labels, one for each image, or {count} one-hot rows");
            return Err(DataError::field(
                path,
                name,
                expected,
                format!("shape {:?}", array.shape()),
            ));
        }
        let whole = array.iter().map(|&label| {
            if label.fract() == 0.0 && label.abs() < 1e15 {
                Ok(label as i64)
            } else {
                Err(DataError::field(path, name, "whole numbers as classes", label))
            }
        });
        Ok(Labels::Numbers(whole.collect::<Result<_, _>>()?))
    }

    /// Returns the names of the classes 0, 1, 2, ..., if the array has a text for each class.
    pub(super) fn class_names(&mut self, path: &Path, name: &str, numbers: &[String]) -> Option<Vec<String>> {
        let Ok(Array::Texts(texts)) = self.array(path, name, |value| value) else {
            return None;
        };
        let mut numbered = numbers.iter().zip(0usize..);
        let are_numbers = numbered.all(|(name, number)| *name == number.to_string());
        (are_numbers && texts.len() >= numbers.len()).then_some(texts)
    }

    fn array<T>(&mut self, path: &Path, name: &str, convert: fn(f64) -> T) -> Result<Array<T>, DataError> {
        let file = format!("{name}.npy");
        let bytes = match &mut self.place {
            Place::Folder(folder) => self.budget.read_path(&folder.join(&file))?,
            Place::Archive(archive) => {
                let entry = archive
                    .by_name(&file)
                    .map_err(|error| DataError::field(path, name, "an array that can be unpacked", error))?;
                self.budget.take(path, entry)?
            }
        };
        let header = ArrayHeader::read(&bytes);
        let header = header.filter(|header| !header.kind.ends_with("u1"));
        let count = header.map_or(0, |header| {
            header
                .shape
                .iter()
                .fold(1u64, |n, &side| n.saturating_mul(side as u64))
        });
        self.budget
            .charge(path, count.saturating_mul(size_of::<T>() as u64))?;
        npy::read(bytes, convert).map_err(|found| DataError::field(path, name, "an array of numbers", found))
    }
}

/// Returns the class of each one-hot row.
fn one_hot(path: &Path, name: &str, rows: &ArrayD<f64>) -> Result<Labels, DataError> {
    let mut labels = Vec::with_capacity(rows.len_of(Axis(0)));
    for (number, row) in rows.outer_iter().enumerate() {
        let ones: Vec<usize> = row
            .iter()
            .zip(0..)
            .filter(|(value, _)| **value == 1.0)
            .map(|(_, at)| at)
            .collect();
        match &ones[..] {
            [at] if row.iter().filter(|&&value| value != 0.0).count() == 1 => {
                labels.push(i64::try_from(*at).unwrap_or(i64::MAX));
            }
            _ => {
                let expected = "a class number, or a one-hot row: one 1 among zeros";
                return Err(DataError::field(
                    path,
                    &format!("{name} row {number}"),
                    expected,
                    row,
                ));
            }
        }
    }
    Ok(Labels::OneHot(labels, rows.len_of(Axis(1))))
}
