//! Writes tensors and one JSON text to a safetensors file, and reads them, for checkpoints of training and fine-tuning.

use super::checkpoint_error::CheckpointError;
use super::{Optimiser, Rule, finite};
use crate::input_file;
use crate::net::Tensor;
use crate::spec::Spec;
use crate::whole_file;
use denselet::limits;
use safetensors::{Dtype, SafeTensorError, SafeTensors, View};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Bytes of a file: sixteen `f32` for each parameter that a network may have.
const LARGEST_FILE: u64 = 64 * limits::PARAMETERS;

/// Path and bytes of a file, or of the file `name` where `path` is a folder.
pub(crate) fn load(path: &Path, name: &str) -> Result<(PathBuf, Vec<u8>), CheckpointError> {
    let path = if path.is_dir() {
        path.join(name)
    } else {
        path.to_owned()
    };
    match input_file::read(&path, LARGEST_FILE) {
        Ok(bytes) => Ok((path, bytes)),
        Err(source) => Err(CheckpointError::Read { path, source }),
    }
}

/// Writes a file, whole or not at all, after `read` has found nothing wrong with its bytes: what is written can be read.
pub(crate) fn save<T>(
    path: PathBuf,
    bytes: Result<Vec<u8>, SafeTensorError>,
    read: impl Fn(&Path, &[u8]) -> Result<T, CheckpointError>,
) -> Result<(), CheckpointError> {
    match bytes {
        Ok(bytes) => {
            read(&path, &bytes)?;
            whole_file::write(&path, &bytes).map_err(|source| CheckpointError::Write { path, source })
        }
        Err(source) => Err(CheckpointError::Format { path, source }),
    }
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: PathBuf) -> Result<(), CheckpointError> {
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(CheckpointError::Write { path, source })
        }
        _ => Ok(()),
    }
}

/// A file's bytes: tensors by name, and the header as JSON in the metadata, under `key`.
pub(crate) fn to_bytes(
    tensors: Vec<(String, Out)>,
    key: &str,
    header: &impl Serialize,
) -> Result<Vec<u8>, SafeTensorError> {
    let text = serde_json::to_string(header)
        .map_err(|error| SafeTensorError::IoError(std::io::Error::other(error)))?;
    safetensors::serialize(tensors, Some(HashMap::from([(key.to_owned(), text)])))
}

/// A file's tensors and the header under `key`, which is that of `what`.
pub(crate) fn open<'b, H: DeserializeOwned>(
    path: &Path,
    bytes: &'b [u8],
    key: &str,
    what: &str,
) -> Result<(SafeTensors<'b>, H), CheckpointError> {
    let format = |source| CheckpointError::Format {
        path: path.to_owned(),
        source,
    };
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(format)?;
    let file = SafeTensors::deserialize(bytes).map_err(format)?;
    let text = metadata.metadata().as_ref().and_then(|map| map.get(key));
    let text =
        text.ok_or_else(|| CheckpointError::field(path, key, "metadata written by denselet", "none".into()))?;
    let header = serde_json::from_str(text).map_err(|error| {
        CheckpointError::field(path, key, &format!("the metadata of {what}"), error.to_string())
    })?;
    Ok((file, header))
}

/// Checks what a header of either kind says of the network, in a file of `bytes`.
pub(crate) fn check(
    path: &Path,
    bytes: &[u8],
    spec: &Spec,
    classes: &[String],
) -> Result<(), CheckpointError> {
    spec.check().map_err(|source| CheckpointError::Spec {
        path: path.to_owned(),
        source,
    })?;
    if classes.len() != spec.classes {
        let expected = format!("{} names", spec.classes);
        return Err(CheckpointError::field(
            path,
            "classes",
            &expected,
            classes.len().to_string(),
        ));
    }
    let mut names = HashSet::new();
    if let Some(twice) = classes.iter().find(|name| !names.insert(*name)) {
        let found = format!("`{twice}` twice");
        return Err(CheckpointError::field(path, "classes", "different names", found));
    }
    // What the file's tensors weigh bounds what the spec may ask for.
    if spec.parameters() > bytes.len() {
        let expected = format!("at most the file's {} bytes", bytes.len());
        let found = format!("{} parameters", spec.parameters());
        return Err(CheckpointError::field(path, "spec", &expected, found));
    }
    Ok(())
}

/// One tensor on its way to a file.
pub(crate) struct Out {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Out {
    pub(crate) fn new(shape: Vec<usize>, values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { shape, bytes }
    }
}

impl View for Out {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Name and shape of a tensor.
pub(crate) struct Form {
    name: String,
    shape: Vec<usize>,
}

/// Names and shapes of tensors.
pub(crate) fn forms<'t>(tensors: impl IntoIterator<Item = Tensor<'t>>) -> Vec<Form> {
    let tensors = tensors.into_iter();
    tensors
        .map(|Tensor { name, shape, .. }| Form { name, shape })
        .collect()
}

/// What an optimiser remembers of `trained` tensors, as tensors of a file.
pub(crate) fn memory(optimiser: &Optimiser, trained: &[Form]) -> Vec<(String, Out)> {
    let memories = optimiser.memory();
    memories
        .flat_map(|(memory, slices)| {
            trained.iter().zip(slices).map(move |(form, values)| {
                let name = format!("{memory}.{}", form.name);
                (name, Out::new(form.shape.clone(), values))
            })
        })
        .collect()
}

/// Reads what an optimiser remembers of `trained` tensors from a file.
pub(crate) fn optimiser(
    (path, file): (&Path, &SafeTensors<'_>),
    rule: Rule,
    steps: u64,
    trained: &[Form],
) -> Result<Optimiser, CheckpointError> {
    let mut memories = Vec::new();
    for memory in rule.memories() {
        let mut slices = Vec::new();
        for Form { name, shape } in trained {
            let mut values = vec![0.0; shape.iter().product()];
            fill(path, file, &format!("{memory}.{name}"), shape, &mut values)?;
            slices.push(values);
        }
        memories.push(slices);
    }
    Ok(Optimiser::restored(rule, steps, memories))
}

/// Reads one tensor of the file.
pub(crate) fn fill(
    path: &Path,
    file: &SafeTensors<'_>,
    name: &str,
    shape: &[usize],
    values: &mut [f32],
) -> Result<(), CheckpointError> {
    let field = |expected: String, found: String| CheckpointError::field(path, name, &expected, found);
    let view = file
        .tensor(name)
        .map_err(|_| field("a tensor".into(), "none".into()))?;
    if view.dtype() != Dtype::F32 || view.shape() != shape {
        let sides = |shape: &[usize]| shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        let found = format!("{} of {}", view.dtype(), sides(view.shape()));
        return Err(field(format!("F32 of {}", sides(shape)), found));
    }
    for (value, bytes) in values.iter_mut().zip(view.data().as_chunks::<4>().0) {
        *value = f32::from_le_bytes(*bytes);
    }
    if finite::is_finite(values) {
        return Ok(());
    }
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(field("finite numbers".into(), value.to_string())),
        None => Ok(()),
    }
}
