//! Loads a data set by its name or its path.

use super::error::DataError;
use super::reading::Reading;
use super::set::Dataset;
use super::{cifar, digits, files, folder, har, keywords, mnist, numpy, table};
use std::path::{Path, PathBuf};

/// Variable of a folder that is searched for named data sets.
const FOLDER_VARIABLE: &str = "DENSELET_DATA";

impl Dataset {
    /// Reads the data set `name`: `digits`, `fashion-mnist`, `cifar10`, `har`, `keywords`, or a file or folder that contains
    /// one of the last four, images by class, arrays or tables.
    ///
    /// # Errors
    ///
    /// Returns an error if the data set is missing, with how to get it; if it is broken, with the file and the field.
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
                .push("`--resize` has no effect: the input of the network follows the data".into());
        }
        if let Some(shape) = reading.input.filter(|_| reading.resize) {
            if (set.height == 1) != (shape.height == 1) {
                let expected =
                    format!("images of {shape}: `--resize` does not convert between images and single rows");
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
}

/// Reads the data set in a file or a folder.
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

/// Returns the first folder that contains the data set: in the folder of the variable, then in the usual places.
fn find(name: &str, usual: &[&str], advice: &str, is_here: fn(&Path) -> bool) -> Result<PathBuf, DataError> {
    let mut places: Vec<PathBuf> = usual.iter().map(PathBuf::from).collect();
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        let folder = PathBuf::from(folder);
        // By its name, then by the usual names of its folder.
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
            "{advice}, or put it into the folder that {FOLDER_VARIABLE} names, or give its folder instead of its name"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Input;

    #[test]
    fn errors_of_missing_sets_advise_how_to_get_them() {
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
    fn resizing_is_noted() {
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
}
