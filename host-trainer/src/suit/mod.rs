//! A data set that is read for a network: compared with what the network takes and was trained on, and brought into the
//! network's class numbers. Between `data` and every command that has a network already.

mod classes;

use crate::about::About;
use crate::data::{DataError, Dataset, Encoding, Reading, Split};
use crate::spec::Input;
use serde::{Deserialize, Serialize};

/// What is known of a network that data is read for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Takes {
    /// The network's file, for messages.
    pub network: String,
    /// Shape of an image.
    pub input: Input,
    /// Number of classes.
    pub classes: usize,
    /// Names of the classes, and how measurements become bytes.
    pub about: About,
    /// Whether an absent encoding means that the network reads bytes; otherwise the file does not say.
    pub encoding_is_known: bool,
}

/// The error with the data set's name, which it has already if the set is not there.
fn named(name: &str, source: &DataError) -> String {
    match source {
        DataError::Missing { .. } => source.to_string(),
        _ => format!("data set `{name}`: {source}"),
    }
}

/// Why a data set cannot be used with a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuitError {
    /// It cannot be read.
    #[error("{}", named(.name, .source))]
    Data {
        /// As it was asked for.
        name: String,
        /// Why.
        source: DataError,
    },
    /// Its images have another shape.
    #[error("data set `{name}`: images: expected {expected}, as {network} takes, found {found}: {advice}")]
    Shape {
        /// As it was asked for.
        name: String,
        /// The network's file.
        network: String,
        /// Shape that the network takes.
        expected: Input,
        /// Shape of the images.
        found: Input,
        /// What to do.
        advice: &'static str,
    },
    /// Its classes are not the network's.
    #[error("data set `{name}`: classes: expected those of {network} ({expected}), found {found}: {advice}")]
    Classes {
        /// As it was asked for.
        name: String,
        /// The network's file.
        network: String,
        /// Classes of the network.
        expected: String,
        /// Classes of the data set.
        found: String,
        /// What to do.
        advice: String,
    },
    /// Its values are not what the network takes.
    #[error("data set `{name}`: values: expected {expected}, found {found}: {advice}")]
    Values {
        /// As it was asked for.
        name: String,
        /// What the network takes.
        expected: String,
        /// What the data set has.
        found: String,
        /// What to do.
        advice: &'static str,
    },
}

/// Reads the data set `name` for a network. Labels are the network's class numbers afterwards, `classes` has a name for each of
/// them, and `notes` has a sentence for everything that was inferred. `reading` holds what the user allowed.
///
/// # Errors
///
/// If the data set cannot be read; if its shape, its classes or its values are not the network's.
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

/// Compares a data set that was read with a network, as [`load`] does.
///
/// # Errors
///
/// As [`load`].
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
    let are_pictures = [expected, found]
        .iter()
        .all(|shape| matches!(shape.channels, 1 | 3));
    Err(SuitError::Shape {
        name: data.name.clone(),
        network: network.network.clone(),
        expected,
        found,
        advice: if are_pictures && found.height > 1 {
            "give --resize to resize every image"
        } else {
            "give data of this shape"
        },
    })
}

/// Checks that values became bytes in the way that the network takes.
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
                "{}: the images are bytes: they are taken as the bytes that the network's encoding makes of measurements",
                data.name
            );
            // The reader of arrays has said so already.
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
            "give measurements as arrays or a table: they become bytes by the network's encoding",
        ),
        (None, Some(_)) if data.are_unit_bytes => {
            data.encoding = None;
            data.notes.push(format!(
                "{}: every value is a byte divided by 255: the bytes are what the network reads",
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
                "bytes: {} does not hold how measurements become bytes",
                network.network
            ),
            format!("measurements ({})", ranges(found)),
            "give the run's folder instead, or export the network again",
        ),
    }
}

/// The network's class number of each class of a data set, as [`load`] matches them.
///
/// # Errors
///
/// What to do if a class is not the network's.
pub fn class_numbers(network: &[String], data: &[String]) -> Result<Vec<u16>, String> {
    let present = vec![true; data.len()];
    Ok(classes::matched(network, network.len(), data, &present)?.numbers)
}

/// An encoding for people.
pub fn ranges(encoding: &Encoding) -> String {
    const SHOWN: usize = 4;
    let ranges = encoding.low.iter().zip(&encoding.high).take(SHOWN);
    let ranges: Vec<String> = ranges.map(|(low, high)| format!("{low} to {high}")).collect();
    let more = if encoding.low.len() > SHOWN { ", ..." } else { "" };
    format!("by channel {}{more}", ranges.join(", "))
}

/// Brings the labels into the network's class numbers.
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
    fn another_shape_names_the_flag_that_mends_it() {
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
    fn values_of_another_kind_are_refused_or_said() {
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
