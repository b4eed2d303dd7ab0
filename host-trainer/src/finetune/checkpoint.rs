//! A fine-tuned network as one safetensors file, written whole or not at all.
//!
//! The float values that the integers are rounded from carry their names; beside them lie their units under `unit.`, and
//! what the optimiser remembers under `mean.` and `square.`. Everything else is one JSON text in the file's metadata.

use super::rate::Pull;
use super::{Parameters, RULE, Recipe, Stored, trained};
use crate::about::{About, Origin};
use crate::blob::Blob;
use crate::export::{self, ExportError};
use crate::fold::fold;
use crate::grid::Grid;
use crate::net::{Network, Normalisation};
use crate::spec::Spec;
use crate::stages::Stage;
use crate::train::checkpoint::CheckpointError;
use crate::train::tensor_file::{self, Out, forms};
use crate::train::{Meta, Optimiser};
use denselet::layout::Order;
use safetensors::{SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Name of a fine-tuned network in its run's folder: that of the last epoch.
pub const FILE_NAME: &str = "finetuned.safetensors";
/// Name of the best network: see [`Recipe::best`].
pub const BEST_NAME: &str = "finetuned-best.safetensors";
/// Key of the metadata.
const KEY: &str = "denselet-finetuned";
/// Counts changes of the metadata.
const VERSION: u32 = 1;

/// A fine-tuned network between two epochs, with everything that a resumed run needs except the float network, its teacher.
#[derive(Clone, Debug, PartialEq)]
pub struct Finetuned {
    /// What the integers are rounded from.
    pub parameters: Parameters,
    /// What one step of quantisation is worth to each parameter: see [`Parameters`].
    pub(super) units: Parameters,
    pub(super) optimiser: Optimiser,
    /// What holds the bits of the weights at their target, if there is one.
    pub(super) pull: Option<Pull>,
    /// Everything else.
    pub meta: Meta<Recipe>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    spec: Spec,
    /// Of the optimiser.
    steps: u64,
    /// See [`Pull::lambda`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lambda: Option<f64>,
    meta: Meta<Recipe>,
}

/// The fine-tuned network's file that `path` means: itself, if it is one, or that of a run's folder: the best network if there
/// is one and not the last is asked for.
pub fn find(path: &Path, last: bool) -> Option<PathBuf> {
    let names = [BEST_NAME, FILE_NAME];
    if !path.is_dir() {
        let is_named = names
            .iter()
            .any(|name| path.file_name().is_some_and(|own| own == *name));
        return (is_named && path.is_file()).then(|| path.to_owned());
    }
    let files = names.into_iter().skip(usize::from(last));
    files.map(|name| path.join(name)).find(|file| file.is_file())
}

/// Whether a folder holds a fine-tuned network.
pub fn is_here(folder: &Path) -> bool {
    folder.join(FILE_NAME).is_file()
}

/// Removes the best network of a run that starts again.
pub(super) fn remove_best(folder: &Path) -> Result<(), CheckpointError> {
    tensor_file::remove(folder.join(BEST_NAME))
}

/// Loads a fine-tuned network from its file or from the folder of its run.
///
/// # Errors
///
/// Names the file, and the field or tensor that is wrong.
pub fn load(path: &Path) -> Result<Finetuned, CheckpointError> {
    let (path, bytes) = tensor_file::load(path, FILE_NAME)?;
    read(&path, &bytes)
}

impl Finetuned {
    /// The integers as a blob.
    ///
    /// # Errors
    ///
    /// Returns an error if they do not fit the format.
    pub fn blob(&self, order: Order) -> Result<Blob, ExportError> {
        let bytes = export::write(&self.parameters.quantise()?, order.into(), Some(&self.about()))?;
        Ok(Blob::new(&bytes)?)
    }

    /// What the network's inputs and answers mean.
    pub fn about(&self) -> About {
        let Meta {
            data,
            classes,
            encoding,
            ..
        } = &self.meta;
        let origin = Origin {
            data: Some(data),
            epochs: self.meta.epoch,
            seed: self.meta.recipe.seed,
            is_finetuned: true,
        };
        About::of(&self.parameters.folded.spec, classes, encoding.as_ref(), origin)
    }

    /// Writes it into a run's folder, whole or not at all.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder or the file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), CheckpointError> {
        tensor_file::save(folder.join(FILE_NAME), self.to_bytes(), read)
    }

    /// Writes it as the best network so far, whole or not at all.
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save).
    pub(super) fn save_best(&self, folder: &Path) -> Result<(), CheckpointError> {
        tensor_file::save(folder.join(BEST_NAME), self.to_bytes(), read)
    }

    fn to_bytes(&self) -> Result<Vec<u8>, SafeTensorError> {
        let header = Header {
            version: VERSION,
            spec: self.parameters.folded.spec.clone(),
            steps: self.optimiser.steps(),
            lambda: self.pull.map(|pull| pull.lambda),
            meta: self.meta.clone(),
        };
        let parameters = &mut self.parameters.clone();
        let mut tensors: Vec<(String, Out)> = (parameters.tensors().into_iter())
            .map(|tensor| (tensor.name, Out::new(tensor.shape, tensor.values)))
            .collect();
        tensors.extend(trained(&mut self.units.clone()).map(|tensor| {
            (
                format!("{UNIT}{}", tensor.name),
                Out::new(tensor.shape, tensor.values),
            )
        }));
        tensors.extend(tensor_file::memory(&self.optimiser, &forms(trained(parameters))));
        tensor_file::to_bytes(tensors, KEY, &header)
    }
}

/// Prefix of units.
const UNIT: &str = "unit.";

fn read(path: &Path, bytes: &[u8]) -> Result<Finetuned, CheckpointError> {
    let field =
        |field: &str, expected: &str, found: String| CheckpointError::field(path, field, expected, found);
    let (file, header) = tensor_file::open::<Header>(path, bytes, KEY, "a fine-tuned network")?;
    if header.version != VERSION {
        return Err(field("version", &VERSION.to_string(), header.version.to_string()));
    }
    let Header {
        spec,
        steps,
        lambda,
        meta,
        ..
    } = header;
    tensor_file::check(path, bytes, &spec, &meta.classes)?;
    let reader = Reader { path, file: &file };
    let mut parameters = blank(&spec, meta.recipe.finetune.bits);
    reader.fill(&mut parameters, "", false)?;
    let mut units = parameters.clone();
    reader.fill(&mut units, UNIT, true)?;
    let trained_forms = forms(trained(&mut parameters));
    let optimiser = tensor_file::optimiser((path, &file), RULE, steps, &trained_forms)?;
    let all = parameters.tensors().len();
    let expected = all + (1 + RULE.memories().len()) * trained_forms.len();
    if file.len() != expected {
        return Err(field("tensors", &expected.to_string(), file.len().to_string()));
    }
    Ok(Finetuned {
        pull: lambda.map(|lambda| Pull { lambda }),
        optimiser,
        parameters,
        units,
        meta,
    })
}

/// Parameters of a spec's shapes that say nothing yet.
fn blank(spec: &Spec, recipe_bits: u8) -> Parameters {
    let channels = spec.input.channels;
    let input = Normalisation {
        mean: vec![0.0; channels],
        std: vec![1.0; channels],
    };
    let mut folded = fold(&Network::new(spec, input, 0));
    for stage in &mut folded.stages {
        let is_stem = matches!(stage, Stage::Stem { .. });
        for conv in stage.convs_mut() {
            let bits = if is_stem { Grid::STEM_BITS } else { recipe_bits };
            conv.grid = (recipe_bits < 8).then(|| Grid::blank(bits, conv.outputs));
        }
    }
    let maps = spec.maps();
    let mut stored: Vec<Stored> = (spec.blocks.iter().zip(&maps.blocks))
        .map(|(block, map)| Stored::new(map.channels, block.layers.len()))
        .collect();
    let ends_in_transition = matches!(folded.stages.iter().rev().nth(1), Some(Stage::Transition { .. }));
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
            tensor_file::fill(self.path, self.file, &name, &tensor.shape, tensor.values)?;
        }
        Ok(())
    }
}
