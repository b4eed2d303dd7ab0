//! A blob in memory on the host, where a device would have it in flash: aligned, and checked when it is read.

use crate::about::About;
use crate::data::Encoding;
use crate::input_file;
use denselet::arena::ALIGN;
use denselet::codec::Codec;
use denselet::plan::Plan;
use denselet::{FormatError, Model};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A blob file cannot be used.
#[derive(Debug, Error)]
pub enum BlobError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file is not a blob, or a damaged one.
    #[error("{}: {error}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The rule it breaks.
        error: FormatError,
    },
}

/// A checked blob.
#[derive(Clone, Debug)]
pub struct Blob {
    words: Vec<u64>,
    len: usize,
    about: About,
}

impl Blob {
    /// Takes the bytes of a blob.
    ///
    /// # Errors
    /// The rule of the format that they break.
    pub fn new(bytes: &[u8]) -> Result<Self, FormatError> {
        let words = bytes.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_ne_bytes(word)
        });
        let mut blob = Self {
            words: words.collect(),
            len: bytes.len(),
            about: About::default(),
        };
        let model = Model::read(blob.bytes())?;
        check_arena_len(&model)?;
        check_coded(blob.bytes(), &model)?;
        blob.about = about(&model)?;
        Ok(blob)
    }

    /// Reads a blob file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or is not a blob.
    pub fn read(path: &Path) -> Result<Self, BlobError> {
        if path.is_dir() {
            let advice = "expected a blob (.dlt), found a folder: `denselet export` makes a blob of a run";
            return Err(BlobError::Read {
                path: path.into(),
                error: std::io::Error::new(std::io::ErrorKind::IsADirectory, advice),
            });
        }
        let bytes = input_file::read(path, u32::MAX.into()).map_err(|error| BlobError::Read {
            path: path.into(),
            error,
        })?;
        Self::new(&bytes).map_err(|error| BlobError::Format {
            path: path.into(),
            error,
        })
    }

    /// The bytes, at an aligned address.
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len]
    }

    /// The network in it.
    ///
    /// # Errors
    /// None in practice: the blob was checked when it was made.
    pub fn model(&self) -> Result<Model<'_>, FormatError> {
        Model::read(self.bytes())
    }

    /// What its inputs and answers mean, as far as the blob holds it.
    pub fn about(&self) -> About {
        self.about.clone()
    }
}

/// Rule 17, which a device checks with the arena in hand: memory is reserved by this number.
fn check_arena_len(model: &Model<'_>) -> Result<(), FormatError> {
    let header = model.header();
    let plan = Plan::of(model).ok_or(FormatError::TooLarge)?;
    let (needed, found) = (plan.arena_len, header.arena_len);
    if needed == found {
        Ok(())
    } else {
        Err(FormatError::ArenaLen { needed, found })
    }
}

/// The rules of coded arrays, which a device checks by decoding them.
fn check_coded(bytes: &[u8], model: &Model<'_>) -> Result<(), FormatError> {
    if model.records().all(|(_, codecs)| codecs == [Codec::Raw; 2]) {
        return Ok(());
    }
    let mut memory = vec![0; model.header().arena_len + ALIGN];
    match denselet::Network::in_bytes(bytes, &mut memory) {
        Err(denselet::Error::Format(error)) => Err(error),
        // There is room, and no image was begun.
        _ => Ok(()),
    }
}

fn about(model: &Model<'_>) -> Result<About, FormatError> {
    let (low, high): (Vec<_>, Vec<_>) = model.encoding()?.unzip();
    Ok(About {
        name: model.name()?.unwrap_or_default().to_owned(),
        classes: model.labels()?.map(str::to_owned).collect(),
        input: model.input()?.unwrap_or_default().to_owned(),
        provenance: model.provenance()?.unwrap_or_default().to_owned(),
        accuracy: model.accuracy()?.unwrap_or_default().to_owned(),
        encoding: (!low.is_empty()).then_some(Encoding { low, high }),
    })
}
