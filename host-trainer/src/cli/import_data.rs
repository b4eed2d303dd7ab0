//! Reads the data set of `denselet import --data` and infers the preprocessing from its values.

use super::data_flags::DataFlags;
use crate::about::About;
use crate::data::{Dataset, Reading};
use crate::interchange::import::{Imported, Preprocess};
use crate::suit::{self, Takes, ranges};
use anyhow::{Context, ensure};

/// Reads the data set `name` for an imported network. Arrays that are not bytes are inputs of the file's network; the returned
/// preprocessing converts their bytes back to these inputs. `given` is the user's preprocessing.
///
/// # Errors
///
/// Returns an error if the data does not fit the network, or if it is not bytes and the user gives a preprocessing of bytes.
pub fn load(
    name: &str,
    imported: &Imported,
    given: Option<&Preprocess>,
    flags: &DataFlags,
) -> anyhow::Result<(Dataset, Option<Preprocess>)> {
    let spec = &imported.network.spec;
    let reading = Reading {
        input: Some(spec.input),
        ..flags.reading()
    };
    let mut data = Dataset::load(name, &reading).with_context(|| format!("data set `{name}`"))?;
    let mut inferred = None;
    if let Some(encoding) = data.encoding.clone() {
        let file_takes_bytes = imported.preprocess_is_known;
        if data.are_unit_bytes && file_takes_bytes {
            data.encoding = None;
            data.notes.push(format!(
                "{name}: every value is a byte divided by 255: the bytes are used"
            ));
        } else if given.is_none() {
            inferred = Some(Preprocess::of(&encoding));
            let values = ranges(&encoding);
            data.notes.push(format!(
                "{name}: values are not bytes ({values}): they are inputs of the file's network, without preprocessing"
            ));
        } else {
            ensure!(
                data.encoding_is_fixed,
                "data set `{name}`: values: expected bytes, because --preprocess converts bytes to inputs, found other values ({}): \
                 leave --preprocess out if the values are inputs of the network, or give bytes",
                ranges(&encoding)
            );
        }
    }
    let takes = Takes {
        network: spec.name.clone(),
        input: spec.input,
        classes: spec.classes,
        about: About {
            encoding: data.encoding.clone(),
            ..About::default()
        },
        encoding_is_known: true,
    };
    Ok((suit::suit(data, &takes)?, inferred))
}
