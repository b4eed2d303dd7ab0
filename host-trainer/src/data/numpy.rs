//! Data sets as NumPy arrays: one `.npz`, or a folder of `.npy`; belongs to `data`.

use super::measured::{self, Part};
use super::{DataError, Dataset};
use ndarray::{ArrayD, ArrayViewD};
use ndarray_npy::{ViewElement, ViewNpyError, ViewNpyExt};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes one array may have, unpacked.
const LARGEST: u64 = 1 << 31;

/// Whether a folder holds arrays.
pub(super) fn is_here(folder: &Path) -> bool {
    ["x_train.npy", "x.npy"]
        .iter()
        .any(|name| folder.join(name).is_file())
}

/// Reads `x_train`, `y_train`, `x_test`, `y_test`, or `x` and `y`.
pub(super) fn load(path: &Path) -> Result<Dataset, DataError> {
    let mut source = Source::open(path)?;
    let (train, test) = if source.has("x_train") {
        let train = source.part(path, "x_train", "y_train")?;
        (train, Some(source.part(path, "x_test", "y_test")?))
    } else {
        (source.part(path, "x", "y")?, None)
    };
    let labels = train
        .labels
        .iter()
        .chain(test.iter().flat_map(|test| &test.labels));
    let classes = labels.max().map_or(0, |largest| usize::from(*largest) + 1);
    measured::dataset(
        path,
        train,
        test,
        (0..classes).map(|class| class.to_string()).collect(),
    )
}

enum Source {
    Archive(zip::ZipArchive<File>),
    Folder(PathBuf),
}

impl Source {
    fn open(path: &Path) -> Result<Self, DataError> {
        if path.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        let file = File::open(path).map_err(DataError::read(path))?;
        let archive = zip::ZipArchive::new(file)
            .map_err(|error| DataError::field(path, "file", "an .npz archive", error))?;
        Ok(Self::Archive(archive))
    }

    /// Whether it has this array.
    fn has(&self, name: &str) -> bool {
        match self {
            Self::Archive(archive) => archive.index_for_name(&format!("{name}.npy")).is_some(),
            Self::Folder(folder) => folder.join(format!("{name}.npy")).is_file(),
        }
    }

    fn part(&mut self, path: &Path, x: &str, y: &str) -> Result<Part, DataError> {
        let values = measured::pictures(path, x, self.array(path, x)?)?;
        let labels = self.array(path, y)?;
        let count = values.dim().0;
        if labels.len() != count {
            return Err(DataError::field(
                path,
                y,
                format!("{count} classes, one for each picture"),
                labels.len(),
            ));
        }
        let labels = labels.iter().map(|&label| {
            let is_class = (0.0..f32::from(u16::MAX)).contains(&label) && label.fract() == 0.0;
            if is_class {
                Ok(label as u16)
            } else {
                Err(DataError::field(path, y, "classes counted from 0", label))
            }
        });
        Ok(Part {
            labels: labels.collect::<Result<_, _>>()?,
            values,
        })
    }

    fn array(&mut self, path: &Path, name: &str) -> Result<ArrayD<f32>, DataError> {
        let file = format!("{name}.npy");
        let mut bytes = Vec::new();
        let read = match self {
            Self::Folder(folder) => {
                let path = folder.join(&file);
                File::open(&path)
                    .map_err(DataError::read(&path))?
                    .take(LARGEST)
                    .read_to_end(&mut bytes)
            }
            Self::Archive(archive) => {
                let entry = archive
                    .by_name(&file)
                    .map_err(|error| DataError::field(path, name, "an array of this name", error))?;
                entry.take(LARGEST).read_to_end(&mut bytes)
            }
        };
        read.map_err(DataError::read(path))?;
        parse(&bytes).map_err(|error| DataError::field(path, name, "an array of numbers", error))
    }
}

/// An array of any kind of number. Only looked at where it lies: a shape that promises more than the file holds is an
/// error before anything is set aside for it.
fn parse(bytes: &[u8]) -> Result<ArrayD<f32>, ViewNpyError> {
    of::<u8>(bytes, f32::from)
        .or_else(|error| other(error, || of::<f32>(bytes, |value| value)))
        .or_else(|error| other(error, || of::<f64>(bytes, |value| value as f32)))
        .or_else(|error| other(error, || of::<i8>(bytes, f32::from)))
        .or_else(|error| other(error, || of::<i16>(bytes, f32::from)))
        .or_else(|error| other(error, || of::<u16>(bytes, f32::from)))
        .or_else(|error| other(error, || of::<i32>(bytes, |value| value as f32)))
        .or_else(|error| other(error, || of::<u32>(bytes, |value| value as f32)))
        .or_else(|error| other(error, || of::<i64>(bytes, |value| value as f32)))
}

fn of<T: ViewElement + Copy>(bytes: &[u8], to_float: impl Fn(T) -> f32) -> Result<ArrayD<f32>, ViewNpyError> {
    Ok(ArrayViewD::<T>::view_npy(bytes)?.mapv(to_float))
}

/// The next kind, where the array is just not of this one.
fn other(
    error: ViewNpyError,
    next: impl FnOnce() -> Result<ArrayD<f32>, ViewNpyError>,
) -> Result<ArrayD<f32>, ViewNpyError> {
    match error {
        ViewNpyError::WrongDescriptor(_) => next(),
        error => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array4};
    use ndarray_npy::WriteNpyExt;
    use std::io::Write;

    fn npy<T: ndarray_npy::WritableElement, D: ndarray::Dimension>(array: &ndarray::Array<T, D>) -> Vec<u8> {
        let mut bytes = Vec::new();
        array.write_npy(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn archives_and_folders_are_the_same_set() {
        let x = Array4::from_shape_fn((10, 2, 3, 1), |(n, ..)| n as u8);
        let y = Array1::from_iter((0..10i64).map(|n| n % 3));
        let arrays = [
            ("x_train", npy(&x)),
            ("y_train", npy(&y)),
            ("x_test", npy(&x)),
            ("y_test", npy(&y)),
        ];
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("set.npz");
        let mut archive = zip::ZipWriter::new(File::create(&file).unwrap());
        for (name, bytes) in &arrays {
            std::fs::write(folder.path().join(format!("{name}.npy")), bytes).unwrap();
            archive
                .start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default())
                .unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap();
        let set = load(&file).unwrap();
        assert_eq!((set.height, set.width, set.channels), (2, 3, 1));
        assert_eq!(set.classes, ["0", "1", "2"]);
        assert_eq!(
            (set.train.len(), set.train.images[6..12].to_vec()),
            (10, vec![1; 6])
        );
        assert!(is_here(folder.path()));
        assert_eq!(load(folder.path()).unwrap(), set);
    }

    #[test]
    fn every_kind_of_number_is_read_and_broken_ones_are_refused() {
        assert_eq!(parse(&npy(&Array1::from_vec(vec![1.5f64]))).unwrap()[[0]], 1.5);
        assert_eq!(parse(&npy(&Array1::from_vec(vec![-3i16]))).unwrap()[[0]], -3.0);
        let whole = npy(&Array1::from_vec(vec![1u8, 2, 3]));
        for len in 0..whole.len() {
            assert!(parse(&whole[..len]).is_err(), "{len}");
        }
        let text = String::from_utf8_lossy(&whole).replace("(3,)", "(9,)");
        assert!(parse(text.as_bytes()).is_err());
    }

    #[test]
    fn what_does_not_fit_together_names_the_array() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("x.npy", &npy(&Array4::from_elem((5, 2, 2, 1), 1u8)));
        write("y.npy", &npy(&Array1::from_vec(vec![0i32; 4])));
        let error = load(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("`y`") && error.contains("5 classes") && error.contains('4'),
            "{error}"
        );
        write("y.npy", &npy(&Array1::from_vec(vec![0.5f32; 5])));
        let error = load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("0.5"), "{error}");
    }
}
