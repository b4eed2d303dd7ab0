//! A trained or half-trained network as one safetensors file, written whole or not at all.
//!
//! Tensors carry their names in the network; what the optimiser remembers lies beside them, under `velocity.` or under
//! `mean.` and `square.`; if the network is an average, the weights that steps change lie under `raw.`. Everything else is one JSON text in the file's metadata, under `denselet`.

pub use super::checkpoint_error::CheckpointError;
pub use super::meta::{Meta, NO_DATA};
use super::tensor_file::{self, Form, Out, fill, forms};
use super::{Optimiser, Recipe, TrainError};
use crate::about::{About, Origin};
use crate::net::{Conv, Network, Normalisation, Tensor};
use crate::spec::Spec;
use safetensors::{SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Name of a run's checkpoint in its folder.
pub const FILE_NAME: &str = "checkpoint.safetensors";
/// Name of the network with the highest held-out accuracy, in the same folder; not there if nothing is held out.
pub const BEST_NAME: &str = "best.safetensors";
/// Key of the metadata.
const KEY: &str = "denselet";
/// Counts changes of the metadata.
const VERSION: u32 = 1;
/// In front of the names of tensors that steps change if the others are their average.
const RAW: &str = "raw.";
/// Ends the names of batch norms' variances.
const VARIANCE: &str = ".var";

/// A network between two epochs, and all it takes to go on.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The network, as it is measured and exported.
    pub network: Network,
    /// What steps change, where `network` is its moving average.
    pub raw: Option<Network>,
    /// The optimiser, for the network's trained tensors in their order; networks made elsewhere have none.
    pub optimiser: Option<Optimiser>,
    /// Everything else.
    pub meta: Meta,
}

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    spec: Spec,
    normalisation: Normalisation,
    /// Of the optimiser.
    #[serde(default)]
    steps: u64,
    meta: Meta,
}

/// Whether a folder holds a run's checkpoint.
pub fn is_here(folder: &Path) -> bool {
    folder.join(FILE_NAME).is_file()
}

/// The file to take of a run: the network with the highest held-out accuracy if there is one and not the last is asked
/// for, else the last. A file stands for itself.
pub fn choose(run: &Path, last: bool) -> PathBuf {
    let best = run.join(BEST_NAME);
    if !run.is_dir() {
        run.to_owned()
    } else if !last && best.is_file() {
        best
    } else {
        run.join(FILE_NAME)
    }
}

/// The network that [`choose`] names, with what the last checkpoint knows of the whole run.
///
/// # Errors
///
/// As [`load`].
pub fn load_chosen(run: &Path, last: bool) -> Result<Checkpoint, CheckpointError> {
    let whole = load(run)?;
    let chosen = choose(run, last);
    if chosen == choose(run, true) {
        return Ok(whole);
    }
    Ok(Checkpoint {
        network: load(&chosen)?.network,
        ..whole
    })
}

/// Takes away what an earlier run in the folder left as its best.
pub(super) fn remove_best(folder: &Path) -> Result<(), CheckpointError> {
    tensor_file::remove(folder.join(BEST_NAME))
}

/// Loads a checkpoint from its file or from the folder of its run.
///
/// # Errors
///
/// Names the file, and the field or tensor that is wrong.
pub fn load(path: &Path) -> Result<Checkpoint, CheckpointError> {
    let (path, bytes) = tensor_file::load(path, FILE_NAME)?;
    read(&path, &bytes)
}

impl Meta {
    /// Whether the run has ended before its last epoch, because no epoch had a better held-out accuracy for as long as the
    /// recipe's patience. [`best`](super::best()) of the history is the epoch that it kept.
    pub fn stopped_early(&self) -> bool {
        self.epoch < self.recipe.epochs && self.recipe.is_enough(&self.history)
    }
}

impl Checkpoint {
    /// What the network's inputs and answers mean.
    pub fn about(&self) -> About {
        let Meta {
            classes, encoding, ..
        } = &self.meta;
        let origin = Origin {
            data: self.meta.data_name(),
            epochs: self.meta.epoch,
            seed: self.meta.recipe.seed,
            is_finetuned: false,
        };
        About::of(&self.network.spec, classes, encoding.as_ref(), origin)
    }

    /// Writes the checkpoint of a run into its folder, whole or not at all.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder or the file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), CheckpointError> {
        self.save_as(folder.join(FILE_NAME))
    }

    /// Writes the network alone as the folder's best.
    pub(super) fn save_best(&self, folder: &Path) -> Result<(), CheckpointError> {
        let alone = Self {
            network: self.network.clone(),
            raw: None,
            optimiser: None,
            meta: self.meta.clone(),
        };
        alone.save_as(folder.join(BEST_NAME))
    }

    /// Writes what [`load`] will read: the reader looks at the bytes first.
    fn save_as(&self, path: PathBuf) -> Result<(), CheckpointError> {
        tensor_file::save(path, self.to_bytes(), read)
    }

    fn to_bytes(&self) -> Result<Vec<u8>, SafeTensorError> {
        let header = Header {
            version: VERSION,
            spec: self.network.spec.clone(),
            normalisation: self.network.input.clone(),
            steps: self.optimiser.as_ref().map_or(0, Optimiser::steps),
            meta: self.meta.clone(),
        };
        let network = &mut self.network.clone();
        let mut tensors: Vec<(String, Out)> = (network.tensors().into_iter())
            .map(|tensor| (tensor.name, Out::new(tensor.shape, tensor.values)))
            .collect();
        let mut raw = self.raw.clone();
        for tensor in raw.iter_mut().flat_map(Network::tensors) {
            tensors.push((
                format!("{RAW}{}", tensor.name),
                Out::new(tensor.shape, tensor.values),
            ));
        }
        if let Some(optimiser) = &self.optimiser {
            tensors.extend(tensor_file::memory(optimiser, &trained(network)));
        }
        tensor_file::to_bytes(tensors, KEY, &header)
    }
}

/// Checks a recipe's numbers, but for the size of a data set that is not known here.
fn check_recipe(path: &Path, recipe: &Recipe) -> Result<(), CheckpointError> {
    match recipe.check(usize::MAX) {
        Err(TrainError::Recipe {
            field,
            expected,
            found,
        }) => Err(CheckpointError::field(
            path,
            &format!("recipe.{field}"),
            expected,
            found,
        )),
        _ => Ok(()),
    }
}

pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
    let field =
        |field: &str, expected: &str, found: String| CheckpointError::field(path, field, expected, found);
    let (file, header) = tensor_file::open::<Header>(path, bytes, KEY, "a checkpoint")?;
    if header.version != VERSION {
        return Err(field("version", &VERSION.to_string(), header.version.to_string()));
    }
    let Header {
        spec,
        normalisation,
        steps,
        meta,
        ..
    } = header;
    tensor_file::check(path, bytes, &spec, &meta.classes)?;
    check_recipe(path, &meta.recipe)?;
    let channels = spec.input.channels;
    if normalisation.mean.len() != channels || normalisation.std.len() != channels {
        let found = format!(
            "{} means, {} deviations",
            normalisation.mean.len(),
            normalisation.std.len()
        );
        return Err(field("normalisation", &format!("{channels} of each"), found));
    }
    if normalisation
        .std
        .iter()
        .any(|std| !(*std > 0.0 && std.is_normal()))
    {
        return Err(field(
            "normalisation.std",
            "numbers above 0",
            normalisation
                .std
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
        ));
    }
    let mut network = Network::new(&spec, normalisation, 0);
    add_biases(&mut network, &file);
    let tensors = network.tensors();
    let mut expected = tensors.len();
    for tensor in tensors {
        fill(path, &file, &tensor.name, &tensor.shape, tensor.values)?;
        let negative = tensor.values.iter().find(|value| **value < 0.0);
        if let (true, Some(value)) = (tensor.name.ends_with(VARIANCE), negative) {
            return Err(field(&tensor.name, "variances of at least 0", value.to_string()));
        }
    }
    let mut raw = (file.names().iter().any(|name| name.starts_with(RAW))).then(|| network.clone());
    for tensor in raw.iter_mut().flat_map(Network::tensors) {
        fill(
            path,
            &file,
            &format!("{RAW}{}", tensor.name),
            &tensor.shape,
            tensor.values,
        )?;
        expected += 1;
    }
    let rule = meta.recipe.rule();
    let is_memory =
        |name: &str| (rule.memories().iter()).any(|memory| name.starts_with(&format!("{memory}.")));
    let mut optimiser = None;
    if file.names().iter().any(|name| is_memory(name)) {
        let trained = trained(&mut network);
        expected += rule.memories().len() * trained.len();
        optimiser = Some(tensor_file::optimiser((path, &file), rule, steps, &trained)?);
    }
    if optimiser.is_some() && raw.is_some() != meta.recipe.average.is_some() {
        let found = if raw.is_some() { "some" } else { "none" };
        return Err(field(
            "raw",
            "tensors exactly where the recipe has an average",
            found.into(),
        ));
    }
    if file.len() != expected {
        return Err(field("tensors", &expected.to_string(), file.len().to_string()));
    }
    Ok(Checkpoint {
        network,
        raw,
        optimiser,
        meta,
    })
}

/// Names and shapes of the tensors that are trained.
fn trained(network: &mut Network) -> Vec<Form> {
    forms(network.tensors().into_iter().filter(Tensor::is_trained))
}

/// Gives convolutions a bias if the file has one.
fn add_biases(network: &mut Network, file: &SafeTensors<'_>) {
    let add = |conv: &mut Conv, name: String| {
        if file.tensor(&format!("{name}.bias")).is_ok() {
            conv.bias = Some(vec![0.0; conv.outputs]);
        }
    };
    add(&mut network.stem.conv, "stem.conv".into());
    for (b, block) in network.blocks.iter_mut().enumerate() {
        for (l, layer) in block.layers.iter_mut().enumerate() {
            if let Some(conv1) = &mut layer.conv1 {
                add(conv1, format!("blocks.{b}.layers.{l}.conv1"));
            }
            add(&mut layer.conv2, format!("blocks.{b}.layers.{l}.conv2"));
        }
        if let Some(transition) = &mut block.transition {
            add(&mut transition.conv, format!("blocks.{b}.transition.conv"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Epoch, Recipe, parameters, trained_lengths};
    use super::*;
    use crate::data::{Dataset, Reading};

    fn some() -> Checkpoint {
        let data = Dataset::load("digits", &Reading::default()).unwrap();
        let spec = Spec::load("digits").unwrap();
        let mut network = Network::new(&spec, data.normalisation(), 4);
        network.stem.conv.bias = Some(vec![0.5; 8]);
        let recipe = Recipe::for_data(&data);
        let mut optimiser = Optimiser::new(recipe.rule(), &trained_lengths(&mut network));
        let gradient = &mut network.clone();
        optimiser.step(parameters(&mut network, gradient), 0.1, 1.0);
        let meta = Meta {
            epoch: 2,
            data: data.name.clone(),
            classes: data.classes.clone(),
            encoding: data.encoding.clone(),
            recipe,
            history: vec![Epoch {
                number: 1,
                loss: 0.5,
                accuracy: 0.75,
                held_out_accuracy: None,
                held_out_loss: None,
                bits_per_weight: None,
                blob_bytes: None,
                rate: 0.1,
                images_per_second: 0.0,
                seconds: 0.0,
            }],
            command: Some("denselet train".to_owned()),
            data_checksum: Some(data.checksum()),
            guess: None,
        };
        Checkpoint {
            network,
            raw: None,
            optimiser: Some(optimiser),
            meta,
        }
    }

    #[test]
    fn the_best_network_comes_with_the_whole_history() {
        let folder = tempfile::tempdir().unwrap();
        let mut run = some();
        run.save(folder.path()).unwrap();
        assert_eq!(load_chosen(folder.path(), false).unwrap(), run);
        run.save_best(folder.path()).unwrap();
        let best = run.network.clone();
        run.network.head.weight.fill(0.25);
        run.meta.epoch = 3;
        run.save(folder.path()).unwrap();
        assert_eq!(load_chosen(folder.path(), true).unwrap(), run);
        let chosen = load_chosen(folder.path(), false).unwrap();
        assert_eq!((chosen.network, chosen.meta.epoch), (best, 3));
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let mut saved = some();
        assert!(!is_here(folder.path()));
        saved.save(folder.path()).unwrap();
        assert!(is_here(folder.path()));
        let loaded = load(folder.path()).unwrap();
        assert_eq!(loaded, saved);
        saved.optimiser = None;
        saved.save(&folder.path().join("other")).unwrap();
        let loaded = load(&folder.path().join("other").join(FILE_NAME)).unwrap();
        assert_eq!(loaded, saved);
    }

    #[test]
    fn bad_files_are_refused_by_name() {
        let good = some().to_bytes().unwrap();
        let message = |bytes: &[u8]| read(Path::new("file"), bytes).unwrap_err().to_string();
        assert!(message(b"short").starts_with("checkpoint file: "));
        assert!(message(&good[..good.len() - 4]).starts_with("checkpoint file: "));
        let changed = |change: fn(&mut Checkpoint)| {
            let mut checkpoint = some();
            change(&mut checkpoint);
            message(&checkpoint.to_bytes().unwrap())
        };
        assert!(changed(|c| c.network.head.bias[0] = f32::NAN).contains("`head.bias`: expected finite"));
        assert!(changed(|c| c.network.input.std[0] = 0.0).contains("`normalisation.std`"));
        assert!(changed(|c| drop(c.meta.classes.pop())).contains("`classes`: expected 10 names, found 9"));
        assert!(changed(|c| c.network.spec.blocks[0].layers[0].growth += 1).contains("expected F32"));
        assert!(changed(|c| c.network.spec.classes = 1 << 16).contains("expected"));
        assert!(changed(|c| c.network.input.std[0] = 1e-40).contains("`normalisation.std`"));
        assert!(
            changed(|c| c.meta.classes[3] = c.meta.classes[2].clone())
                .contains("`classes`: expected different")
        );
        assert!(
            changed(|c| c.meta.recipe.held_out = 5.0)
                .contains("`recipe.held_out`: expected from 0 to below 1")
        );
        assert!(changed(|c| c.meta.recipe.batch = 0).contains("`recipe.batch`"));
        let negative = changed(|c| {
            for tensor in c.network.tensors() {
                if tensor.name.ends_with(VARIANCE) {
                    tensor.values[0] = -1.0;
                }
            }
        });
        assert!(
            negative.contains(".var`: expected variances of at least 0"),
            "{negative}"
        );
        let damaged = message(&good[..1000]);
        assert!(
            damaged.contains("expected a safetensors file") && damaged.contains("name a run"),
            "{damaged}"
        );
        let absent = load(Path::new("absent/checkpoint")).unwrap_err().to_string();
        assert!(absent.contains("found none; name a checkpoint"), "{absent}");
    }

    #[test]
    fn cut_anywhere_never_panics() {
        let good = some().to_bytes().unwrap();
        for len in (0..good.len()).step_by(997) {
            assert!(read(Path::new("file"), &good[..len]).is_err());
        }
    }
}
