//! The data set of `denselet import --data`: compared with the network, and what its values mean to the network.

use super::data_flags::DataFlags;
use crate::about::About;
use crate::data::{Dataset, Reading};
use crate::import::{Imported, Preprocess};
use crate::suit::{self, Takes, ranges};
use anyhow::{Context, ensure};

/// Reads the data set `name` for an imported network. Arrays that are not bytes are inputs as the file's network takes them: what
/// is returned beside the data set makes these inputs of bytes again. `given` is the user's preprocessing.
///
/// # Errors
///
/// If the data does not suit the network; if it is not bytes and the user gives a preprocessing of bytes.
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
                "{name}: every value is a byte divided by 255: taken as bytes"
            ));
        } else if given.is_none() {
            inferred = Some(Preprocess::of(&encoding));
            let values = ranges(&encoding);
            data.notes.push(format!(
                "{name}: values are not bytes ({values}): taken as inputs that the file's network takes as they are"
            ));
        } else {
            ensure!(
                data.encoding_is_fixed,
                "data set `{name}`: values: expected bytes, because --preprocess tells how bytes become inputs, found other values \
                 ({}): leave --preprocess out if they are inputs as the network takes them, or give bytes",
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
