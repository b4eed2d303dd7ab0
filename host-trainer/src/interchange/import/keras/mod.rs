//! Reads Keras models: `.keras` archives of Keras 3 and models in one HDF5 file of Keras 2 and 3.

mod calls;
mod config;
mod functions;
mod h5;
mod layers;
mod settings;
mod weighted;
mod weights;

use super::error::Problem;
use super::graph::Graph;
use super::options::{Format, KINDS};
use crate::spec::Input;
use h5::H5;
use std::io::{Cursor, Read};
use weights::Weights;
use zip::ZipArchive;

/// Bytes of a model's description.
const LARGEST_CONFIG: u64 = 64 << 20;
/// Bytes of its weights.
const LARGEST_WEIGHTS: u64 = 2 << 30;
/// Bytes that one byte of an archive may become, beyond [`FREE`]: weights hardly shrink, and Keras does not pack them.
const LARGEST_RATIO: u64 = 64;
/// Bytes that any archive may become.
const FREE: u64 = 16 << 20;

/// What a zip archive is.
pub(super) fn format_of_archive(bytes: &[u8]) -> Result<Format, Problem> {
    let archive = open(bytes)?;
    let names: Vec<_> = archive.file_names().filter_map(Result::ok).collect();
    let has = |name: &str| names.iter().any(|found| found == name);
    if has("config.json") && has("model.weights.h5") {
        return Ok(Format::Keras);
    }
    let found = if names.iter().any(|name| name.ends_with("data.pkl")) {
        "a PyTorch pickle: save with safetensors.torch.save_file(model.state_dict(), ...) or torch.onnx.export"
    } else if names.iter().any(|name| name.ends_with(".npy")) {
        "a NumPy archive: reference vectors go to --check"
    } else {
        "a zip archive without config.json and model.weights.h5"
    };
    Err(Problem::kind(KINDS, found))
}

/// Reads a `.keras` archive.
pub(super) fn read_archive(bytes: &[u8], input: Option<Input>) -> Result<Graph, Problem> {
    let mut archive = open(bytes)?;
    let most = (bytes.len() as u64)
        .saturating_mul(LARGEST_RATIO)
        .saturating_add(FREE);
    let config = entry(&mut archive, "config.json", LARGEST_CONFIG.min(most))?;
    let config =
        String::from_utf8(config).map_err(|_| Problem::kind("UTF-8 in config.json", "other bytes"))?;
    let model = config::parse(&config)?;
    let weights = Weights::numbered(entry(
        &mut archive,
        "model.weights.h5",
        LARGEST_WEIGHTS.min(most),
    )?)?;
    layers::read(&model, &weights, input)
}

/// Reads a model in one HDF5 file.
pub(super) fn read_h5(bytes: &[u8], input: Option<Input>) -> Result<Graph, Problem> {
    let file = H5::open(bytes.to_vec())?;
    let Some(config) = file.text("", "model_config") else {
        return Err(Problem::field(
            "model_config",
            "the description of a Keras model (save the whole model with model.save, not its weights alone)",
            "none",
        ));
    };
    let model = config::parse(&config)?;
    layers::read(&model, &Weights::named(file), input)
}

fn open(bytes: &[u8]) -> Result<ZipArchive<Cursor<&[u8]>>, Problem> {
    ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| Problem::kind("a .keras archive", format!("a damaged zip file: {error}")))
}

fn entry(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str, most: u64) -> Result<Vec<u8>, Problem> {
    let bad = |found: String| Problem::field(name, "a part of the .keras archive", found);
    let file = archive.by_name(name).map_err(|error| bad(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| bad(error.to_string()))?;
    if bytes.len() as u64 > most {
        return Err(Problem::field(name, format!("at most {most} bytes"), "more"));
    }
    Ok(bytes)
}
