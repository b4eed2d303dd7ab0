//! Reads CIFAR-10 in its binary version.

use super::error::DataError;
use super::files::{self, Budget};
use super::set::{Dataset, Split};
use std::path::Path;

pub(super) const USUAL: &[&str] = &[
    "data/cifar10",
    "data/cifar-10-batches-bin",
    "cifar10",
    "cifar-10-batches-bin",
];
pub(super) const ADVICE: &str =
    "get its binary version (data_batch_1.bin to data_batch_5.bin and test_batch.bin, also as .gz or .xz)";

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
/// Bytes of a record: one label, then the red, the green and the blue plane.
const RECORD: usize = 1 + 3 * PLANE;
const CLASSES: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

pub(super) fn is_here(folder: &Path) -> bool {
    files::variant(folder, "data_batch_1.bin").is_some()
}

pub(super) fn load(folder: &Path) -> Result<Dataset, DataError> {
    let mut budget = Budget::default();
    let mut train = Split::default();
    for batch in 1..=5 {
        let (path, bytes) = budget.read(folder, &format!("data_batch_{batch}.bin"))?;
        append(&mut train, &path, &bytes)?;
    }
    let mut test = Split::default();
    let (path, bytes) = budget.read(folder, "test_batch.bin")?;
    append(&mut test, &path, &bytes)?;
    Ok(Dataset {
        name: "cifar10".into(),
        height: SIDE,
        width: SIDE,
        channels: 3,
        classes: CLASSES.map(String::from).to_vec(),
        train,
        test,
        ..Dataset::default()
    })
}

/// Appends the records of one file; converts planes to pixels.
fn append(split: &mut Split, path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(RECORD) {
        let expected = format!("records of {RECORD} bytes");
        return Err(DataError::field(
            path,
            "length",
            expected,
            format!("{} bytes", bytes.len()),
        ));
    }
    for (at, record) in bytes.chunks_exact(RECORD).enumerate() {
        let (label, planes) = (record[0], &record[1..]);
        if usize::from(label) >= CLASSES.len() {
            return Err(DataError::field(path, &format!("label {at}"), "below 10", label));
        }
        split.labels.push(u16::from(label));
        let (red, rest) = planes.split_at(PLANE);
        let (green, blue) = rest.split_at(PLANE);
        let pixels = red.iter().zip(green).zip(blue);
        split.images.extend(pixels.flat_map(|((r, g), b)| [*r, *g, *b]));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_become_pixels() {
        let mut record = vec![7u8];
        for plane in [1u8, 2, 3] {
            record.extend([plane; PLANE]);
        }
        record[2] = 9;
        let mut split = Split::default();
        append(&mut split, Path::new("x"), &record).unwrap();
        assert_eq!(split.labels, [7]);
        assert_eq!(split.images[..6], [1, 2, 3, 9, 2, 3]);
    }

    #[test]
    fn bad_files_are_named() {
        let mut split = Split::default();
        let error = append(&mut split, Path::new("batch"), &[0; 5])
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "batch: `length`: expected records of 3073 bytes, found 5 bytes"
        );
        let error = append(&mut split, Path::new("batch"), &[10; RECORD])
            .unwrap_err()
            .to_string();
        assert!(error.contains("`label 0`"), "{error}");
    }
}
