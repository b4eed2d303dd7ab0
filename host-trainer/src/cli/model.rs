//! Opens what a command is given as a model: a blob, a fine-tuned network, a run's folder or a checkpoint.

use super::data_flags::DataFlags;
use crate::about::About;
use crate::blob::Blob;
use crate::data::Dataset;
use crate::evaluate;
use crate::finetune::checkpoint as finetuned;
use crate::net::Network;
use crate::spec::{Input, Spec};
use crate::suit::{self, Takes};
use crate::train::checkpoint::{self, Checkpoint};
use anyhow::Context;
use denselet::layout::Order;
use std::path::{Path, PathBuf};

/// Images that go through a float network at a time.
const CHUNK: usize = 256;

/// A network that can be run on the host.
#[derive(Debug)]
pub enum Arithmetic {
    /// In float.
    Float(Box<Network>),
    /// In int8, bit-exact with the device.
    Integers(Blob),
}

/// A model and its file.
#[derive(Debug)]
pub struct Model {
    /// The file.
    pub file: PathBuf,
    /// The network.
    pub network: Arithmetic,
    /// What it takes.
    pub takes: Takes,
}

impl Model {
    /// Opens a model. Of a run's folder, `last` takes the last network instead of the best.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or holds no network.
    pub fn open(path: &Path, last: bool) -> anyhow::Result<Self> {
        if let Some(file) = finetuned::find(path, last) {
            let found = finetuned::load(&file)?;
            let about = found.about();
            let blob = found.blob(Order::Plain)?;
            let takes = takes(&file, &found.parameters.folded.spec, about);
            return Ok(Self {
                takes,
                network: Arithmetic::Integers(blob),
                file,
            });
        }
        if is_blob(path) {
            let blob = Blob::read(path)?;
            return Ok(Self {
                takes: takes_of_blob(path, &blob)?,
                network: Arithmetic::Integers(blob),
                file: path.to_owned(),
            });
        }
        let file = checkpoint::choose(path, last);
        let found = checkpoint::load(&file)?;
        Ok(Self {
            takes: takes_of_checkpoint(&file, &found),
            network: Arithmetic::Float(Box::new(found.network)),
            file,
        })
    }

    /// Logits of every image, `[n][classes]`, in order; `done` is told about images as they are finished.
    ///
    /// # Errors
    ///
    /// Returns an error if the images have another shape than the network's input, or if a logit is not finite.
    pub fn logits(&self, images: &[u8], done: &(dyn Fn(usize) + Sync)) -> anyhow::Result<Vec<f64>> {
        match &self.network {
            Arithmetic::Integers(blob) => {
                let logits = evaluate::logits(blob, images, done)?;
                Ok(logits.into_iter().map(f64::from).collect())
            }
            Arithmetic::Float(network) => {
                let len = network.image_len();
                let mut logits = Vec::new();
                for images in images.chunks(CHUNK * len) {
                    let count = images.len() / len;
                    let found = network.logits(images, count);
                    anyhow::ensure!(
                        found.iter().all(|logit| logit.is_finite()),
                        "{}: expected finite logits, found infinite or NaN; its values are too large: train again with a \
                         smaller --lr, or repair the file",
                        self.file.display()
                    );
                    logits.extend(found.into_iter().map(f64::from));
                    done(count);
                }
                Ok(logits)
            }
        }
    }

    /// What 1 of [`Model::logits`] is worth: the scale of int8 logits, 1 in float.
    ///
    /// # Errors
    ///
    /// None in practice: the blob was checked when it was read.
    pub fn logit_unit(&self) -> anyhow::Result<f64> {
        let Arithmetic::Integers(blob) = &self.network else {
            return Ok(1.0);
        };
        Ok(blob.model()?.header().scale.to_f32().into())
    }

    /// `float` or `int8`.
    pub fn arithmetic(&self) -> &'static str {
        match self.network {
            Arithmetic::Float(_) => "float",
            Arithmetic::Integers(_) => "int8",
        }
    }
}

/// Whether a path is a file that starts as a blob does, or is named as one.
pub fn is_blob(path: &Path) -> bool {
    let starts = |mut file| {
        let mut magic = [0; 4];
        std::io::Read::read_exact(&mut file, &mut magic).is_ok() && magic == denselet::format::MAGIC
    };
    // A pipe would wait for its writer.
    let is_ordinary = crate::input_file::check(path).is_ok();
    (is_ordinary && std::fs::File::open(path).is_ok_and(starts))
        || path.extension().is_some_and(|extension| extension == "dlt")
}

/// What a checkpoint's network takes.
pub fn takes_of_checkpoint(file: &Path, checkpoint: &Checkpoint) -> Takes {
    takes(file, &checkpoint.network.spec, checkpoint.about())
}

fn takes(file: &Path, spec: &Spec, about: About) -> Takes {
    Takes {
        network: file.display().to_string(),
        input: spec.input,
        classes: spec.classes,
        about,
        encoding_is_known: true,
    }
}

/// What a blob's network takes.
///
/// # Errors
///
/// None in practice: the blob was checked when it was read.
pub fn takes_of_blob(file: &Path, blob: &Blob) -> anyhow::Result<Takes> {
    let model = blob.model()?;
    let shape = model.header().input;
    let about = blob.about();
    Ok(Takes {
        network: file.display().to_string(),
        input: Input {
            height: shape.height,
            width: shape.width,
            channels: shape.channels,
        },
        classes: model.classes(),
        // A blob that holds one of these facts holds all.
        encoding_is_known: about != About::default(),
        about,
    })
}

/// Reads data for a checkpoint's network: the set `name`, or the one that it was trained on.
///
/// # Errors
///
/// Returns an error if there is neither; if the data does not suit the network.
pub fn load_for(
    file: &Path,
    checkpoint: &Checkpoint,
    name: Option<&str>,
    flags: &DataFlags,
) -> anyhow::Result<Dataset> {
    let name = name.or_else(|| checkpoint.meta.data_name()).with_context(|| {
        format!(
            "{}: expected the data set that the network was trained on, found none: it was imported without --data; give --data: a data set to calibrate on and to measure with",
            file.display()
        )
    })?;
    Ok(suit::load(
        name,
        &takes_of_checkpoint(file, checkpoint),
        flags.reading(),
    )?)
}
