//! Reads a data set for a network: checks that its shape and values fit the network, and converts its labels to the network's
//! class numbers.

mod classes;

use crate::about::About;
use crate::data::{DataError, Dataset, Encoding, Reading, Split};
use crate::spec::Input;
use serde::{Deserialize, Serialize};

/// Properties of a network that data is read for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Takes {
    /// The network's file, for messages.
    pub network: String,
    /// Shape of an image.
    pub input: Input,
    /// Number of classes.
    pub classes: usize,
    /// Names of the classes, and the encoding of measurements.
    pub about: About,
    /// Whether an absent encoding means that the network reads bytes; otherwise the encoding is unknown.
    pub encoding_is_known: bool,
}

/// Returns the error with the data set's name; the error of a missing data set contains it already.
fn named(name: &str, source: &DataError) -> String {
    match source {
        DataError::Missing { .. } => source.to_string(),
        _ => format!("data set `{name}`: {source}"),
    }
}

/// Reasons for which a data set cannot be used with a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuitError {
    /// The data set cannot be read.
    #[error("{}", named(.name, .source))]
    Data {
        /// Name or path of the data set, as the user gave it.
        name: String,
        /// Error of the reader.
        source: DataError,
    },
    /// The images have another shape.
    #[error(
        "data set `{name}`: images: expected {expected}, the input of {network}, found {found}: {advice}"
    )]
    Shape {
        /// Name or path of the data set, as the user gave it.
        name: String,
        /// The network's file.
        network: String,
        /// Shape of the network's input.
        expected: Input,
        /// Shape of the images.
        found: Input,
        /// Advice.
        advice: &'static str,
    },
    /// The classes differ from the network's.
    #[error("data set `{name}`: classes: expected those of {network} ({expected}), found {found}: {advice}")]
    Classes {
        /// Name or path of the data set, as the user gave it.
        name: String,
        /// The network's file.
        network: String,
        /// Classes of the network.
        expected: String,
        /// Classes of the data set.
        found: String,
        /// Advice.
        advice: String,
    },
    /// The values differ from those that the network reads.
    #[error("data set `{name}`: values: expected {expected}, found {found}: {advice}")]
    Values {
        /// Name or path of the data set, as the user gave it.
        name: String,
        /// Values that the network reads.
        expected: String,
        /// Values of the data set.
        found: String,
        /// Advice.
        advice: &'static str,
    },
}

/// Reads the data set `name` for a network. Its labels are the network's class numbers, `classes` has a name for each of them,
/// and `notes` has a note for each inference. `reading` contains the permissions of the user.
///
/// # Errors
///
/// Returns an error if the data set cannot be read, or if its shape, its classes or its values do not fit the network.
pub fn load(name: &str, network: &Takes, reading: Reading) -> Result<Dataset, SuitError> {
    let reading = Reading {
        input: Some(network.input),
        encoding: network.about.encoding.clone(),
        ..reading
    };
    let data = Dataset::load(name, &reading).map_err(|source| SuitError::Data {
        name: name.to_owned(),
        source,
    })?;
    suit(data, network)
}

/// Checks a data set against a network and converts its labels, as [`load`] does.
///
/// # Errors
///
/// Returns an error if its shape, its classes or its values do not fit the network.
pub fn suit(mut data: Dataset, network: &Takes) -> Result<Dataset, SuitError> {
    check_shape(&data, network)?;
    check_values(&mut data, network)?;
    match_classes(&mut data, network)?;
    Ok(data)
}

fn check_shape(data: &Dataset, network: &Takes) -> Result<(), SuitError> {
    let (expected, found) = (network.input, data.shape());
    if expected == found {
        return Ok(());
    }
    let are_images = [expected, found]
        .iter()
        .all(|shape| matches!(shape.channels, 1 | 3));
    Err(SuitError::Shape {
        name: data.name.clone(),
        network: network.network.clone(),
        expected,
        found,
        advice: if are_images && found.height > 1 {
            "give --resize to resize every image"
        } else {
            "give data of this shape"
        },
    })
}

/// Checks that the data has the network's encoding.
fn check_values(data: &mut Dataset, network: &Takes) -> Result<(), SuitError> {
    let refused = |expected: String, found: String, advice| {
        Err(SuitError::Values {
            name: data.name.clone(),
            expected,
            found,
            advice,
        })
    };
    match (&network.about.encoding, &data.encoding) {
        (None, None) => Ok(()),
        (Some(_), None) => {
            let note = format!(
                "{}: the images are bytes: they are read as measurements in the network's encoding",
                data.name
            );
            // The reader of arrays adds a similar note.
            if !data.notes.iter().any(|note| note.contains("network's encoding")) {
                data.notes.push(note);
            }
            Ok(())
        }
        (Some(expected), Some(found)) if expected == found => Ok(()),
        (Some(expected), Some(found)) => refused(
            format!(
                "the encoding that {} was trained with ({})",
                network.network,
                ranges(expected)
            ),
            ranges(found),
            "give measurements as arrays or a table: the network's encoding converts them to bytes",
        ),
        (None, Some(_)) if data.are_unit_bytes => {
            data.encoding = None;
            data.notes.push(format!(
                "{}: every value is a byte divided by 255: the bytes are used",
                data.name
            ));
            Ok(())
        }
        (None, Some(_)) if data.encoding_is_fixed && !network.encoding_is_known => Ok(()),
        (None, Some(found)) if network.encoding_is_known => refused(
            format!(
                "bytes (whole numbers from 0 to 255), as {} was trained on",
                network.network
            ),
            format!("other values ({})", ranges(found)),
            "give the images as bytes, or as bytes divided by 255",
        ),
        (None, Some(found)) => refused(
            format!(
                "bytes, because {} contains no encoding of measurements",
                network.network
            ),
            format!("measurements ({})", ranges(found)),
            "give the folder of the run instead, or export the network again",
        ),
    }
}

/// Returns the network's class number of each class of a data set, as [`load`] matches them.
///
/// # Errors
///
/// Advice, if the network does not have a class.
pub fn class_numbers(network: &[String], data: &[String]) -> Result<Vec<u16>, String> {
    let present = vec![true; data.len()];
    Ok(classes::matched(network, network.len(), data, &present)?.numbers)
}

/// Returns the ranges of an encoding, for a message.
pub fn ranges(encoding: &Encoding) -> String {
    format!("by channel {}", encoding.ranges())
}

/// Converts the labels to the network's class numbers.
fn match_classes(data: &mut Dataset, network: &Takes) -> Result<(), SuitError> {
    let splits = [&data.train, &data.test, &data.validation];
    let mut present = vec![false; data.classes.len()];
    for label in splits.iter().flat_map(|split| &split.labels) {
        if let Some(present) = present.get_mut(usize::from(*label)) {
            *present = true;
        }
    }
    let matched = classes::matched(&network.about.classes, network.classes, &data.classes, &present);
    let matched = matched.map_err(|advice| SuitError::Classes {
        name: data.name.clone(),
        network: network.network.clone(),
        expected: classes::list(&network.about.classes, network.classes),
        found: classes::list(&data.classes, data.classes.len()),
        advice,
    })?;
    let renumber = |split: &mut Split| {
        for label in &mut split.labels {
            *label = matched.numbers[usize::from(*label)];
        }
    };
    [&mut data.train, &mut data.test, &mut data.validation]
        .into_iter()
        .for_each(renumber);
    data.notes
        .extend(matched.note.map(|note| format!("{}: {note}", data.name)));
    data.classes = matched.names;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(classes: &[&str], encoding: Option<Encoding>) -> Takes {
        Takes {
            network: "runs/a".into(),
            input: Input {
                height: 1,
                width: 1,
                channels: 1,
            },
            classes: classes.len(),
            about: About {
                name: "a".into(),
                classes: classes.iter().map(ToString::to_string).collect(),
                encoding,
                ..About::default()
            },
            encoding_is_known: true,
        }
    }

    fn data(classes: &[&str], labels: &[u16]) -> Dataset {
        let split = Split {
            images: vec![0; labels.len()],
            labels: labels.to_vec(),
        };
        Dataset {
            name: "new".into(),
            height: 1,
            width: 1,
            channels: 1,
            classes: classes.iter().map(ToString::to_string).collect(),
            train: split.clone(),
            test: split,
            ..Dataset::default()
        }
    }

    fn encoding(low: f32) -> Option<Encoding> {
        Some(Encoding {
            low: vec![low],
            high: vec![1.0],
        })
    }

    #[test]
    fn labels_become_the_networks_numbers() {
        let network = takes(&["apple", "leaf", "stone"], None);
        let found = suit(data(&["stone", "leaf"], &[0, 1, 1]), &network).unwrap();
        assert_eq!(
            (found.train.labels, found.test.labels),
            (vec![2, 1, 1], vec![2, 1, 1])
        );
        assert_eq!(found.classes, ["apple", "leaf", "stone"]);
        let error = suit(data(&["leaf", "moss"], &[0, 1]), &network)
            .unwrap_err()
            .to_string();
        for part in ["apple, leaf, stone", "leaf, moss", "runs/a", "`moss`"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn another_shape_names_the_flag_that_resizes() {
        let mut network = takes(&["0", "1"], None);
        network.input.height = 2;
        let wide = Dataset {
            height: 3,
            ..data(&["0", "1"], &[0, 1])
        };
        assert!(suit(wide, &network).unwrap_err().to_string().contains("--resize"));
        let sensors = Dataset {
            channels: 9,
            ..data(&["0", "1"], &[0, 1])
        };
        let error = suit(sensors, &network).unwrap_err().to_string();
        assert!(
            error.contains("2x1x1") && error.contains("1x1x9") && !error.contains("--resize"),
            "{error}"
        );
    }

    #[test]
    fn values_of_another_kind_are_refused_or_noted() {
        let measured = |low, fixed, unit| Dataset {
            encoding: encoding(low),
            encoding_is_fixed: fixed,
            are_unit_bytes: unit,
            ..data(&["0", "1"], &[0, 1])
        };
        let bytes = takes(&["0", "1"], None);
        let sensors = takes(&["0", "1"], encoding(-1.0));
        let unknown = Takes {
            encoding_is_known: false,
            ..bytes.clone()
        };
        let message = |found: Result<Dataset, SuitError>| found.unwrap_err().to_string();
        assert!(message(suit(measured(0.0, false, false), &bytes)).contains("divided by 255"));
        assert!(message(suit(measured(0.0, false, false), &unknown)).contains("export the network again"));
        assert!(message(suit(measured(0.0, false, false), &sensors)).contains("-1 to 1"));
        assert!(suit(measured(-1.0, false, false), &sensors).is_ok());
        assert!(suit(measured(0.0, true, false), &unknown).is_ok());
        let unit = suit(measured(0.0, false, true), &bytes).unwrap();
        assert!(unit.encoding.is_none() && unit.notes[0].contains("divided by 255"));
        let stored = suit(data(&["0", "1"], &[0, 1]), &sensors).unwrap();
        assert!(stored.notes[0].contains("bytes"), "{:?}", stored.notes);
    }
}
