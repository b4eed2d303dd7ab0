//! A fine-tuned network as one safetensors file, written whole or not at all; belongs to `finetune`.
//!
//! The float values that the integers are rounded from carry their names; beside them lie their units under `unit.`, and
//! what the optimiser remembers under `mean.` and `square.`. Everything else is one JSON text in the file's metadata.

use super::{Parameters, RULE, Recipe, Stored, trained};
use crate::blob::Blob;
use crate::export::{self, ExportError};
use crate::fold::{FoldedStage, fold};
use crate::net::{Network, Normalisation};
use crate::spec::Spec;
use crate::train::checkpoint::CheckpointError;
use crate::train::{Epoch, Optimiser};
use crate::whole_file;
use denselet::layout::Order;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Name of a fine-tuned network in its run's folder.
pub const FILE_NAME: &str = "finetuned.safetensors";
/// Key of the metadata.
const KEY: &str = "denselet-finetuned";
/// Counts changes of the metadata.
const VERSION: u32 = 1;

/// What is known about a run besides its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// Epochs done.
    pub epoch: usize,
    /// Data set, as it was asked for.
    pub data: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// How it is fine-tuned; holds the seed.
    pub recipe: Recipe,
    /// What each epoch brought.
    pub history: Vec<Epoch>,
}

/// A fine-tuned network between two epochs, and all it takes to go on but the float network that it takes after.
#[derive(Clone, Debug, PartialEq)]
pub struct Finetuned {
    /// What the integers are rounded from.
    pub parameters: Parameters,
    /// What one step of quantisation is worth to each parameter: see [`Parameters`].
    pub(super) units: Parameters,
    pub(super) optimiser: Optimiser,
    /// Everything else.
    pub meta: Meta,
}

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    spec: Spec,
    /// Of the optimiser.
    steps: u64,
    meta: Meta,
}

/// The fine-tuned network's file that `path` means: itself, if it is one, or that of a run's folder.
pub fn find(path: &Path) -> Option<PathBuf> {
    let file = if path.is_dir() {
        path.join(FILE_NAME)
    } else {
        path.to_owned()
    };
    let is_named = file.file_name().is_some_and(|name| name == FILE_NAME);
    (is_named && file.is_file()).then_some(file)
}

/// Whether a folder holds a fine-tuned network.
pub fn is_here(folder: &Path) -> bool {
    folder.join(FILE_NAME).is_file()
}

/// Loads a fine-tuned network from its file or from the folder of its run.
///
/// # Errors
///
/// Names the file, and the field or tensor that is wrong.
pub fn load(path: &Path) -> Result<Finetuned, CheckpointError> {
    let path = if path.is_dir() {
        path.join(FILE_NAME)
    } else {
        path.to_owned()
    };
    let bytes = std::fs::read(&path).map_err(|source| CheckpointError::Read {
        path: path.clone(),
        source,
    })?;
    read(&path, &bytes)
}

impl Finetuned {
    /// The integers as a blob.
    ///
    /// # Errors
    ///
    /// When they do not fit the format.
    pub fn blob(&self, order: Order) -> Result<Blob, ExportError> {
        let bytes = export::write(&self.parameters.quantise()?, order)?;
        Ok(Blob::new(&bytes)?)
    }

    /// Writes it into a run's folder, whole or not at all.
    ///
    /// # Errors
    ///
    /// When the folder or the file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), CheckpointError> {
        let path = folder.join(FILE_NAME);
        let bytes = self.to_bytes().map_err(|source| CheckpointError::Format {
            path: path.clone(),
            source,
        })?;
        whole_file::write(&path, &bytes).map_err(|source| CheckpointError::Write { path, source })
    }

    fn to_bytes(&self) -> Result<Vec<u8>, SafeTensorError> {
        let header = Header {
            version: VERSION,
            spec: self.parameters.folded.spec.clone(),
            steps: self.optimiser.steps(),
            meta: self.meta.clone(),
        };
        let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let mut list: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
        let parameters = &mut self.parameters.clone();
        for tensor in parameters.tensors() {
            list.push((tensor.name, tensor.shape, bytes(tensor.values)));
        }
        for tensor in trained(&mut self.units.clone()) {
            list.push((
                format!("{UNIT}{}", tensor.name),
                tensor.shape,
                bytes(tensor.values),
            ));
        }
        for (memory, slices) in self.optimiser.memory() {
            list.extend(
                trained(parameters).zip(slices).map(|(tensor, values)| {
                    (format!("{memory}.{}", tensor.name), tensor.shape, bytes(values))
                }),
            );
        }
        let views = list
            .iter()
            .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)));
        let views = views.collect::<Result<Vec<_>, SafeTensorError>>()?;
        let text = serde_json::to_string(&header)
            .map_err(|error| SafeTensorError::IoError(std::io::Error::other(error)))?;
        safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), text)])))
    }
}

/// Prefix of units.
const UNIT: &str = "unit.";

fn read(path: &Path, bytes: &[u8]) -> Result<Finetuned, CheckpointError> {
    let format = |source| CheckpointError::Format {
        path: path.to_owned(),
        source,
    };
    let field = |field: &str, expected: &str, found: String| CheckpointError::Field {
        path: path.to_owned(),
        field: field.to_owned(),
        expected: expected.to_owned(),
        found,
    };
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(format)?;
    let file = SafeTensors::deserialize(bytes).map_err(format)?;
    let text = (metadata.metadata().as_ref())
        .and_then(|map| map.get(KEY))
        .ok_or_else(|| field(KEY, "metadata written by denselet", "none".into()))?;
    let header: Header = serde_json::from_str(text)
        .map_err(|error| field(KEY, "the metadata of a fine-tuned network", error.to_string()))?;
    if header.version != VERSION {
        return Err(field("version", &VERSION.to_string(), header.version.to_string()));
    }
    let Header {
        spec, steps, meta, ..
    } = header;
    spec.check().map_err(|source| CheckpointError::Spec {
        path: path.to_owned(),
        source,
    })?;
    if meta.classes.len() != spec.classes {
        let expected = format!("{} names", spec.classes);
        return Err(field("classes", &expected, meta.classes.len().to_string()));
    }
    // What the file's tensors weigh bounds what the spec may ask for.
    if spec.parameters() > bytes.len() {
        let expected = format!("at most the file's {} bytes", bytes.len());
        let found = format!("{} parameters", spec.parameters());
        return Err(field("spec", &expected, found));
    }
    let reader = Reader { path, file: &file };
    let mut parameters = blank(&spec);
    reader.fill(&mut parameters, "", false)?;
    let mut units = parameters.clone();
    reader.fill(&mut units, UNIT, true)?;
    let mut memory = Vec::new();
    for name in RULE.memories() {
        let mut slices = parameters.clone();
        reader.fill(&mut slices, &format!("{name}."), true)?;
        memory.push(
            trained(&mut slices)
                .map(|tensor| tensor.values.to_vec())
                .collect(),
        );
    }
    let all = parameters.tensors().len();
    let expected = all + (1 + RULE.memories().len()) * trained(&mut parameters).count();
    if file.len() != expected {
        return Err(field("tensors", &expected.to_string(), file.len().to_string()));
    }
    Ok(Finetuned {
        optimiser: Optimiser::restored(RULE, steps, memory),
        parameters,
        units,
        meta,
    })
}

/// Parameters of a spec's shapes that say nothing yet.
fn blank(spec: &Spec) -> Parameters {
    let channels = spec.input.channels;
    let input = Normalisation {
        mean: vec![0.0; channels],
        std: vec![1.0; channels],
    };
    let folded = fold(&Network::new(spec, input, 0));
    let maps = spec.maps();
    let mut stored: Vec<Stored> = (spec.blocks.iter().zip(&maps.blocks))
        .map(|(block, map)| Stored::new(map.channels, block.layers.len()))
        .collect();
    let ends_in_transition = matches!(
        folded.stages.iter().rev().nth(1),
        Some(FoldedStage::Transition { .. })
    );
    stored.extend(ends_in_transition.then(|| Stored::new(maps.head.channels, 0)));
    Parameters { folded, stored }
}

struct Reader<'r> {
    path: &'r Path,
    file: &'r SafeTensors<'r>,
}

impl Reader<'_> {
    fn fill(
        &self,
        parameters: &mut Parameters,
        prefix: &str,
        only_trained: bool,
    ) -> Result<(), CheckpointError> {
        let tensors = parameters.tensors().into_iter();
        for tensor in tensors.filter(|tensor| tensor.is_trained() || !only_trained) {
            let name = format!("{prefix}{}", tensor.name);
            let field = |expected: String, found: String| CheckpointError::Field {
                path: self.path.to_owned(),
                field: name.clone(),
                expected,
                found,
            };
            let view = (self.file.tensor(&name)).map_err(|_| field("a tensor".into(), "none".into()))?;
            if view.dtype() != Dtype::F32 || view.shape() != tensor.shape {
                let found = format!("{:?} {:?}", view.dtype(), view.shape());
                return Err(field(format!("F32 {:?}", tensor.shape), found));
            }
            for (value, bytes) in tensor.values.iter_mut().zip(view.data().as_chunks::<4>().0) {
                *value = f32::from_le_bytes(*bytes);
            }
            if let Some(value) = tensor.values.iter().find(|value| !value.is_finite()) {
                return Err(field("finite numbers".into(), value.to_string()));
            }
        }
        Ok(())
    }
}
