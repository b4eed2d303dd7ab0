//! The meaning of a network's inputs and answers: kept by checkpoints and blobs, and compared with every data set that is read
//! for the network.

use crate::data::Encoding;
use crate::spec::Spec;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::Path;

/// What the numbers that enter and leave a network stand for. Every part is empty or absent if it is not known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Name of the network.
    pub name: String,
    /// Names of the classes, in the order of the logits; empty if they are not known.
    pub classes: Vec<String>,
    /// What the input's bytes are: `grey`, `RGB`, `log-mel`, a sensor.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub input: String,
    /// How the blob was made.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub provenance: String,
    /// The accuracy that was measured when it was made.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub accuracy: String,
    /// How measurements become bytes; absent if the network reads bytes as they are.
    pub encoding: Option<Encoding>,
}

/// How a network was made, as a blob says it.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'o> {
    /// Data set, as it was asked for; absent for a network made elsewhere.
    pub data: Option<&'o str>,
    /// Epochs of training.
    pub epochs: usize,
    /// Seed of the training.
    pub seed: u64,
    /// Whether the integers were trained.
    pub is_finetuned: bool,
}

impl About {
    /// The description of a trained network.
    pub fn of(spec: &Spec, classes: &[String], encoding: Option<&Encoding>, origin: Origin<'_>) -> Self {
        // A path tells more than a name: where its owner keeps it.
        let data = origin.data.map(|data| {
            let name = Path::new(data).file_name().map(|name| name.to_string_lossy());
            name.map_or_else(|| data.to_owned(), Cow::into_owned)
        });
        let trained = match &data {
            Some(data) => format!("{data}, {} epochs, seed {}", origin.epochs, origin.seed),
            None => "imported".to_owned(),
        };
        let finetuned = if origin.is_finetuned {
            ", int8 fine-tuned"
        } else {
            ""
        };
        Self {
            name: spec.name.clone(),
            classes: classes.to_vec(),
            input: input(data.as_deref(), spec.input.channels, encoding.is_some()).to_owned(),
            provenance: format!("denselet {}: {trained}{finetuned}", env!("CARGO_PKG_VERSION")),
            accuracy: String::new(),
            encoding: encoding.cloned(),
        }
    }
}

/// What the input's bytes are.
fn input(data: Option<&str>, channels: usize, is_measured: bool) -> &'static str {
    match (data, channels, is_measured) {
        (Some("keywords"), ..) => "log-mel spectrogram",
        (Some("har"), ..) => "accelerometer and gyroscope",
        (_, _, true) => "measurements",
        // Readers of images make RGB of colours, and grey of the rest.
        (Some(_), 1, false) => "grey",
        (Some(_), 3, false) => "RGB",
        _ => "",
    }
}
