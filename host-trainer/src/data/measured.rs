//! Makes a data set of bytes from splits of numbers.

use super::classes::check_coverage;
use super::encoding_choice;
use super::error::DataError;
use super::reading::Reading;
use super::set::{Dataset, Split};
use super::splits::{Role, divide};
use super::values::Values;
use std::collections::BTreeMap;
use std::path::Path;

/// Values and class numbers of one split.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) values: Values,
    pub(super) labels: Vec<u16>,
}

impl Part {
    fn select(&self, picked: &[usize]) -> Self {
        Self {
            values: self.values.select(picked),
            labels: picked.iter().map(|&at| self.labels[at]).collect(),
        }
    }
}

/// The splits of a data set.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) train: Part,
    pub(super) validation: Option<Part>,
    pub(super) test: Option<Part>,
}

impl Parts {
    /// Returns the splits with these values and class numbers; nothing without a training split.
    pub(super) fn new(values: Vec<(Role, Values)>, labels: Vec<Vec<u16>>) -> Option<Self> {
        let parts = values.into_iter().zip(labels);
        let mut parts: BTreeMap<Role, Part> = parts
            .map(|((role, values), labels)| (role, Part { values, labels }))
            .collect();
        Some(Self {
            train: parts.remove(&Role::Train)?,
            validation: parts.remove(&Role::Validation),
            test: parts.remove(&Role::Test),
        })
    }
}

/// Returns a data set of these splits.
///
/// Without a test split, the validation split becomes the test split; without either, some images of each class do. Whole
/// numbers from 0 to 255 are bytes. Other numbers become bytes by the network's encoding, or by one that spans the training
/// values of each channel.
pub(super) fn dataset(
    path: &Path,
    parts: Parts,
    classes: Vec<String>,
    reading: &Reading,
    mut notes: Vec<String>,
) -> Result<Dataset, DataError> {
    let Parts {
        mut train,
        mut validation,
        mut test,
    } = parts;
    let read = [
        ("", Some(&train)),
        ("test ", test.as_ref()),
        ("validation ", validation.as_ref()),
    ];
    for (split, part) in read {
        part.map_or(Ok(()), |part| check_finite(path, split, &part.values))?;
    }
    if test.is_none() && validation.is_some() {
        notes.push("no test split was found: the validation split is the test split".into());
        test = validation.take();
    }
    let test = match test {
        Some(test) => test,
        None => {
            let (trained, tested) = divide(&train.labels, &classes, &mut notes);
            let test = train.select(&tested);
            train = train.select(&trained);
            test
        }
    };
    for (split, labels) in [("training", &train.labels), ("test", &test.labels)] {
        if labels.is_empty() {
            let expected = "at least one image, or two images of a class if there is no test split";
            return Err(DataError::field(
                path,
                &format!("{split} split"),
                expected,
                "none",
            ));
        }
    }
    let mut others: Vec<(&str, &Part)> = vec![("test", &test)];
    others.extend(validation.iter().map(|part| ("validation", part)));
    let labels: Vec<(&str, &[u16])> = others
        .iter()
        .map(|(split, part)| (*split, &part.labels[..]))
        .collect();
    check_coverage(path, &classes, &train.labels, &labels, &mut notes)?;
    let shape = train.values.shape();
    for (split, part) in &others {
        let found = part.values.shape();
        if found != shape {
            let field = format!("images of the {split} split");
            let expected = format!("{shape}, as in the training split");
            return Err(DataError::field(path, &field, expected, found));
        }
    }
    let mut all = vec![&train.values];
    all.extend(others.iter().map(|(_, part)| &part.values));
    let encoding = encoding_choice::choose(path, &all, reading.encoding.as_ref(), &mut notes)?;
    let is_binary = all.iter().all(|values| values.are_bytes());
    let are_unit_bytes = encoding.is_some() && !is_binary && all.iter().all(|values| values.are_unit_bytes());
    let split = |part: Part| Split {
        images: part.values.encode(encoding.as_ref()),
        labels: part.labels,
    };
    Ok(Dataset {
        height: shape.height,
        width: shape.width,
        channels: shape.channels,
        classes,
        train: split(train),
        test: split(test),
        validation: validation.map(split).unwrap_or_default(),
        encoding,
        are_unit_bytes,
        notes,
        ..Dataset::default()
    })
}

/// Checks that every value is finite; the error names the position of the first one that is not.
fn check_finite(path: &Path, split: &str, values: &Values) -> Result<(), DataError> {
    let Values::Numbers(array) = values else {
        return Ok(());
    };
    let Some(((image, row, column, channel), value)) =
        array.indexed_iter().find(|(_, value)| !value.is_finite())
    else {
        return Ok(());
    };
    let field = format!("{split}image {image}, row {row}, column {column}, channel {channel}");
    Err(DataError::field(
        path,
        &field,
        "a finite number: replace or remove such values",
        value,
    ))
}

#[cfg(test)]
mod tests {
    use super::super::encoding::Encoding;
    use super::super::error::assert_contains;
    use super::*;

    use ndarray::Array4;

    fn numbers(values: &[f32], labels: &[u16]) -> Part {
        let shape = (labels.len(), 1, values.len() / labels.len(), 1);
        Part {
            values: Values::Numbers(Array4::from_shape_vec(shape, values.to_vec()).unwrap()),
            labels: labels.to_vec(),
        }
    }

    fn set(train: Part, test: Option<Part>, encoding: Option<Encoding>) -> Result<Dataset, String> {
        let reading = Reading {
            encoding,
            ..Reading::default()
        };
        let parts = Parts {
            train,
            validation: None,
            test,
        };
        dataset(
            Path::new("x"),
            parts,
            vec!["0".into(), "1".into()],
            &reading,
            Vec::new(),
        )
        .map_err(|error| error.to_string())
    }

    #[test]
    fn bytes_stay_and_measurements_span_the_training_split() {
        let (train, test) = (numbers(&[0.0, 255.0], &[0, 1]), numbers(&[7.0], &[1]));
        let bytes = set(train, Some(test), None).unwrap();
        assert_eq!(
            (bytes.train.images, bytes.test.images, bytes.encoding),
            (vec![0, 255], vec![7], None)
        );

        let (train, test) = (numbers(&[-1.0, 1.0], &[0, 1]), numbers(&[3.0], &[1]));
        let measured = set(train, Some(test), None).unwrap();
        measured.check_note("-1 to 1");
        assert_eq!(
            (measured.train.images, measured.test.images),
            (vec![0, 255], vec![255])
        );
        assert_eq!(measured.encoding.unwrap().byte(0, 0.0), 128);
    }

    #[test]
    fn bytes_divided_by_255_become_the_bytes() {
        let unit: Vec<f32> = (0..=255u8).map(|byte| f32::from(byte) / 255.0).collect();
        let read = |values: &[f32]| {
            let part = numbers(values, &[0, 1]);
            set(part.clone(), Some(part), None).unwrap()
        };
        let bytes = read(&unit);
        assert!(bytes.are_unit_bytes && bytes.train.images.iter().copied().eq(0..=255));
        assert!(!read(&[0.1, 0.5]).are_unit_bytes);
    }

    #[test]
    fn zeros_and_ones_are_not_bytes_unless_they_are_stored_as_bytes() {
        let part = numbers(&[0.0, 1.0, 1.0, 0.0], &[0, 1]);
        let read = set(part.clone(), Some(part), None).unwrap();
        assert_eq!(read.train.images, [0, 255, 255, 0]);
        // A network may read the bytes 0 and 1 or 0 and 255: its encoding decides.
        assert!(read.encoding == Some(Encoding::unit(1)) && !read.are_unit_bytes);
        let stored = Part {
            values: Values::Bytes(Array4::from_elem((2, 1, 1, 1), 1)),
            labels: vec![0, 1],
        };
        let read = set(stored.clone(), Some(stored), None).unwrap();
        read.check_note("0 or 1");
        assert_eq!((read.train.images, read.encoding), (vec![1, 1], None));
    }

    #[test]
    fn the_encoding_of_a_network_is_kept() {
        let encoding = Encoding {
            low: vec![-1.0],
            high: vec![1.0],
        };
        let (train, test) = (numbers(&[-0.4, 0.4], &[0, 1]), numbers(&[1.5], &[1]));
        let read = |train, test| set(train, Some(test), Some(encoding.clone()));
        let measured = read(train.clone(), test.clone()).unwrap();
        measured.check_note("33.33 %");
        assert_eq!(
            (measured.train.images, measured.test.images),
            (vec![77, 179], vec![255])
        );
        assert_eq!(measured.encoding.as_ref(), Some(&encoding));

        let stored = Part {
            values: Values::Bytes(Array4::from_elem((2, 1, 1, 1), 77)),
            labels: vec![0, 1],
        };
        let bytes = read(stored.clone(), stored.clone()).unwrap();
        assert_eq!((bytes.train.images, bytes.encoding), (vec![77, 77], None));
        let error = read(numbers(&[77.0, 9.0], &[0, 1]), numbers(&[3.0], &[1])).unwrap_err();
        assert_contains(&error, &["uint8", "100 %"]);

        let two = Encoding {
            low: vec![0.0; 2],
            high: vec![1.0; 2],
        };
        let error = set(train, Some(test), Some(two)).unwrap_err();
        assert!(error.contains("`channels`: expected 2"), "{error}");
    }

    #[test]
    fn values_without_a_byte_are_named() {
        let (train, test) = (numbers(&[1.0, f32::NAN], &[0, 1]), numbers(&[7.0], &[1]));
        let error = set(train, Some(test), None).unwrap_err();
        assert_contains(&error, &["`image 1, row 0, column 0, channel 0`", "NaN"]);
        let (train, test) = (numbers(&[-3e38, 3e38], &[0, 1]), numbers(&[7.0], &[1]));
        assert!(
            set(train, Some(test), None)
                .unwrap_err()
                .contains("32-bit floats")
        );
    }

    #[test]
    fn a_validation_split_tests_if_there_is_no_other() {
        let parts = Parts {
            train: numbers(&[1.0, 2.0], &[0, 1]),
            validation: Some(numbers(&[3.0, 4.0], &[0, 1])),
            test: None,
        };
        let classes = vec!["0".into(), "1".into()];
        let set = dataset(Path::new("x"), parts, classes, &Reading::default(), Vec::new()).unwrap();
        assert_eq!((set.test.images, set.validation.len()), (vec![3, 4], 0));
        assert!(
            set.notes[0].contains("validation split is the test split"),
            "{:?}",
            set.notes
        );
    }
}
