//! Splits of numbers as a data set of bytes: which split tests, and how numbers become bytes.

use super::classes::check_coverage;
use super::splits::divide;
use super::values::Values;
use super::{DataError, Dataset, Encoding, Reading, Split};
use ndarray::{ArrayView4, Axis};
use std::path::Path;

/// Channels whose ranges a note lists.
const LISTED: usize = 4;
/// Share of whole numbers outside of a network's range that makes bytes of them more likely than measurements.
const OUTSIDE: f64 = 0.01;
/// Share of measurements outside of the network's range from which they are taken for another unit.
const MOST_CLIPPED: f64 = 0.5;

/// One split as it was read: values, and a class for each image.
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

/// The splits that a data set has.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) train: Part,
    pub(super) validation: Option<Part>,
    pub(super) test: Option<Part>,
}

/// Returns a data set of these splits.
///
/// A validation split tests if there is no test split; without either, some images of each class do. Whole numbers from 0 to
/// 255 stay as they are; others become bytes by the network's [`Encoding`], or by one that spans each channel's training values.
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
            return Err(DataError::field(
                path,
                &field,
                format!("{shape}, as the training images"),
                found,
            ));
        }
    }
    let mut all = vec![&train.values];
    all.extend(others.iter().map(|(_, part)| &part.values));
    let encoding = encoding(path, &all, reading.encoding.as_ref(), &mut notes)?;
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

/// Checks that every value is a number, which is named by its place in the file otherwise.
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
        "a finite number: fill or leave out such values",
        value,
    ))
}

/// Decides how the values of all splits, the training split first, become bytes; nothing if they are bytes.
fn encoding(
    path: &Path,
    all: &[&Values],
    network: Option<&Encoding>,
    notes: &mut Vec<String>,
) -> Result<Option<Encoding>, DataError> {
    let channels = all[0].shape().channels;
    let are_bytes = all.iter().all(|values| values.are_bytes());
    let are_stored_as_bytes = all.iter().all(|values| values.are_stored_as_bytes());
    let Some(network) = network else {
        let largest = all.iter().map(|values| values.largest()).fold(0.0, f32::max);
        if are_bytes && largest == 1.0 {
            if !are_stored_as_bytes {
                notes.push("every value is 0 or 1: 0 to 1 becomes 0 to 255".into());
                return Ok(Some(Encoding::unit(channels)));
            }
            notes.push("every value is 0 or 1: they are taken as the bytes 0 and 1 of 0 to 255".into());
        }
        if are_bytes {
            return Ok(None);
        }
        if all.iter().all(|values| values.are_unit_bytes()) {
            notes.push("values are bytes divided by 255: 0 to 1 becomes 0 to 255".into());
            return Ok(Some(Encoding::unit(channels)));
        }
        let encoding = span(path, all[0])?;
        let ranges = encoding.low.iter().zip(&encoding.high).take(LISTED);
        let ranges: Vec<String> = ranges.map(|(low, high)| format!("{low} to {high}")).collect();
        let more = if channels > LISTED { ", ..." } else { "" };
        notes.push(format!(
            "values are not bytes: the range of each channel's training values becomes 0 to 255 ({}{more})",
            ranges.join(", ")
        ));
        return Ok(Some(encoding));
    };
    network.check(path, channels)?;
    if are_stored_as_bytes {
        notes.push("values are stored as bytes: they are taken as the network's encoding makes them".into());
        return Ok(None);
    }
    let outside = all.iter().map(|values| outside(values, network)).sum::<usize>();
    let count: usize = all.iter().map(|values| values.count()).sum();
    let share = outside as f64 / count.max(1) as f64;
    if are_bytes && share > OUTSIDE {
        let expected = format!(
            "measurements in the network's range ({} to {} in the first channel): store bytes as uint8 arrays, or clip the \
             measurements",
            network.low[0], network.high[0]
        );
        let found = format!(
            "whole numbers from 0 to 255, {:.0} % of them outside",
            100.0 * share
        );
        return Err(DataError::field(path, "values", expected, found));
    }
    if share > MOST_CLIPPED {
        let expected = format!(
            "measurements in the network's range ({} to {} in the first channel): give them in the unit of the data that the \
             network was trained on",
            network.low[0], network.high[0]
        );
        let found = format!("{:.0} % of them outside", 100.0 * share);
        return Err(DataError::field(path, "values", expected, found));
    }
    let clipped = match outside {
        0 => String::new(),
        _ => format!(
            ", {:.2} % of them are outside of its range and are clipped",
            100.0 * share
        ),
    };
    notes.push(format!(
        "values are measurements: they become bytes by the network's encoding{clipped}"
    ));
    Ok(Some(network.clone()))
}

/// Number of values outside of an encoding's range.
fn outside(values: &Values, encoding: &Encoding) -> usize {
    let is_outside = |channel: usize, value: f32| {
        let (low, high) = (encoding.low[channel], encoding.high[channel]);
        value < low.min(high) || value > low.max(high)
    };
    match values {
        Values::Bytes(array) => {
            let values = array.indexed_iter();
            values
                .filter(|((.., c), value)| is_outside(*c, f32::from(**value)))
                .count()
        }
        Values::Numbers(array) => {
            let values = array.indexed_iter();
            values.filter(|((.., c), value)| is_outside(*c, **value)).count()
        }
    }
}

/// From each channel's smallest value to its largest.
fn span(path: &Path, values: &Values) -> Result<Encoding, DataError> {
    match values {
        Values::Bytes(array) => span_of(path, array.mapv(f32::from).view()),
        Values::Numbers(array) => span_of(path, array.view()),
    }
}

fn span_of(path: &Path, values: ArrayView4<'_, f32>) -> Result<Encoding, DataError> {
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for channel in values.axis_iter(Axis(3)) {
        let smallest = channel.iter().copied().fold(f32::INFINITY, f32::min);
        let largest = channel.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        low.push(smallest);
        // A channel that never changes is all zeros.
        high.push(if largest > smallest {
            largest
        } else {
            smallest + smallest.abs().max(1.0)
        });
    }
    let encoding = Encoding { low, high };
    encoding.check(path, values.len_of(Axis(3)))?;
    Ok(encoding)
}

impl Encoding {
    /// Checks that it has a range for each channel, with which arithmetic stays finite.
    pub(super) fn check(&self, path: &Path, channels: usize) -> Result<(), DataError> {
        if (self.low.len(), self.high.len()) != (channels, channels) {
            let expected = format!("{} channels, as the network's encoding has", self.low.len());
            return Err(DataError::field(path, "channels", expected, channels));
        }
        for (low, high) in self.low.iter().zip(&self.high) {
            let range = (high - low) * 255.0;
            if !range.is_finite() || range == 0.0 {
                let expected = "a range of values that is above 0 and that 32-bit floats can hold";
                return Err(DataError::field(
                    path,
                    "values",
                    expected,
                    format!("{low} to {high}"),
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_in_another_unit_are_refused() {
        let network = Encoding {
            low: vec![-1.0],
            high: vec![1.0],
        };
        let in_thousandths = vec![-900.5, 20.25, 0.5, 870.75];
        let values = Values::Numbers(Array4::from_shape_vec((4, 1, 1, 1), in_thousandths).unwrap());
        let found = encoding(Path::new("x"), &[&values], Some(&network), &mut Vec::new());
        let error = found.unwrap_err().to_string();
        assert!(error.contains("-1 to 1") && error.contains("75 %"), "{error}");
    }
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
        assert_eq!(
            (measured.train.images, measured.test.images),
            (vec![0, 255], vec![255])
        );
        assert_eq!(measured.encoding.unwrap().byte(0, 0.0), 128);
        assert!(
            measured.notes.concat().contains("-1 to 1"),
            "{:?}",
            measured.notes
        );
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
        // Bytes that a network reads may be 0 and 1 or 0 and 255: it is asked, not guessed.
        assert!(read.encoding == Some(Encoding::unit(1)) && !read.are_unit_bytes);
        let stored = Part {
            values: Values::Bytes(Array4::from_elem((2, 1, 1, 1), 1)),
            labels: vec![0, 1],
        };
        let read = set(stored.clone(), Some(stored), None).unwrap();
        assert_eq!((read.train.images, read.encoding), (vec![1, 1], None));
        assert!(read.notes.concat().contains("0 and 1"), "{:?}", read.notes);
    }

    #[test]
    fn a_networks_encoding_is_not_stretched_anew() {
        let encoding = Encoding {
            low: vec![-1.0],
            high: vec![1.0],
        };
        let (train, test) = (numbers(&[-0.4, 0.4], &[0, 1]), numbers(&[1.5], &[1]));
        let read = |train, test| set(train, Some(test), Some(encoding.clone()));
        let measured = read(train.clone(), test.clone()).unwrap();
        assert_eq!(
            (measured.train.images, measured.test.images),
            (vec![77, 179], vec![255])
        );
        assert_eq!(measured.encoding.as_ref(), Some(&encoding));
        assert!(
            measured.notes.concat().contains("33.33 %"),
            "{:?}",
            measured.notes
        );

        let stored = Part {
            values: Values::Bytes(Array4::from_elem((2, 1, 1, 1), 77)),
            labels: vec![0, 1],
        };
        let bytes = read(stored.clone(), stored.clone()).unwrap();
        assert_eq!((bytes.train.images, bytes.encoding), (vec![77, 77], None));
        let error = read(numbers(&[77.0, 9.0], &[0, 1]), numbers(&[3.0], &[1])).unwrap_err();
        assert!(error.contains("uint8") && error.contains("100 %"), "{error}");

        let two = Encoding {
            low: vec![0.0; 2],
            high: vec![1.0; 2],
        };
        let error = set(train, Some(test), Some(two)).unwrap_err();
        assert!(error.contains("`channels`: expected 2"), "{error}");
    }

    #[test]
    fn values_that_no_byte_can_stand_for_are_named() {
        let (train, test) = (numbers(&[1.0, f32::NAN], &[0, 1]), numbers(&[7.0], &[1]));
        let error = set(train, Some(test), None).unwrap_err();
        assert!(
            error.contains("`image 1, row 0, column 0, channel 0`") && error.contains("NaN"),
            "{error}"
        );
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
