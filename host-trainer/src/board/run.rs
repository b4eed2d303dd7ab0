//! Runs images on an emulated board and on the host, and compares every logit.

use super::{Board, Error, Facts, Program, Sizes, Table, Workspace, emulate};
use crate::blob::Blob;
use crate::evaluate::{Confusion, logits};
use core::time::Duration;
use serde::Serialize;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// Where the firmware's sources are.
    pub workspace: &'r Workspace,
    /// The table the board is from.
    pub table: &'r Table,
    /// Where to run it.
    pub board: &'r Board,
    /// Which of the firmware's programs, of those that print logits.
    pub program: Program,
    /// The blob.
    pub model: &'r Blob,
    /// The images, NHWC, one behind the other.
    pub images: &'r [u8],
    /// Their classes, one an image, or none at all where they are not known.
    pub labels: &'r [u16],
    /// How long the emulator may take.
    pub limit: Duration,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The firmware is being built.
    Building,
    /// Images are being run.
    Running {
        /// Images with logits.
        done: usize,
        /// Images there are.
        of: usize,
    },
}

/// The fewest and the most instructions of an inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Instructions {
    /// The fewest.
    pub min: u64,
    /// The most.
    pub max: u64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The board's name.
    pub board: String,
    /// Images that were run.
    pub images: usize,
    /// Share of images whose class the board found, from 0 to 1; `None` where the classes are not known.
    pub accuracy: Option<f64>,
    /// Whether every logit of every image is the host's.
    pub matches_host: bool,
    /// Images whose logits are all the host's.
    pub images_equal: usize,
    /// Executed instructions of an inference; `None` from a program that does not count them.
    pub instructions: Option<Instructions>,
    /// The most bytes that an inference had on the stack.
    pub stack_bytes: usize,
    /// Bytes of the network's own fields, beside the arena.
    pub state_bytes: usize,
    /// Bytes of arena.
    pub arena_bytes: usize,
    /// Bytes of flash and RAM that the firmware takes.
    #[serde(flatten)]
    pub sizes: Sizes,
    /// The board's logits, image by image.
    #[serde(skip)]
    pub logits: Vec<Vec<i32>>,
}

/// Builds, runs and compares.
///
/// # Errors
///
/// Whatever keeps the images from being run. Logits that are not the host's are no error: the outcome says so.
pub fn run(request: &Request<'_>, progress: &mut dyn FnMut(Progress)) -> Result<Outcome, Error> {
    let Request {
        table,
        board,
        model,
        images,
        labels,
        ..
    } = *request;
    progress(Progress::Building);
    let built = request
        .workspace
        .build(table, board, request.program, model.bytes())?;
    let shape = model.model().map_err(Error::Model)?.header().input;
    let image_len = shape.pixels() * shape.channels;
    let count = images.len() / image_len;
    if count == 0 || images.len() % image_len != 0 || !(labels.is_empty() || labels.len() == count) {
        return Err(Error::Images {
            needed: image_len,
            had: images.len(),
            labels: labels.len(),
        });
    }
    let host = logits(model, images, &|_| ()).map_err(Error::Host)?;
    let classes = host.len() / count;

    let folder = tempfile::tempdir().map_err(Error::io("a folder for the firmware"))?;
    let elf = folder.path().join("firmware.elf");
    built.write(&elf)?;
    let mut on_facts = |facts: &Facts| {
        progress(Progress::Running {
            done: facts.logits.len(),
            of: count,
        });
    };
    let facts = emulate(table, board, &elf, images, request.limit, &mut on_facts)?;
    if facts.board != board.name || facts.logits.len() != count {
        let reason = format!("{} answered with {} images", facts.board, facts.logits.len());
        return Err(Error::Failed {
            board: board.name.clone(),
            reason,
        });
    }
    let pairs = facts.logits.iter().zip(host.chunks_exact(classes));
    let equal = pairs.filter(|(device, host)| device == host).count();
    let all = facts.logits.concat();
    let accuracy = (!labels.is_empty()).then(|| Confusion::new(&all, labels, classes).accuracy());
    Ok(Outcome {
        board: facts.board,
        images: facts.images,
        accuracy,
        matches_host: equal == count,
        images_equal: equal,
        instructions: facts.instructions.map(|(min, max)| Instructions { min, max }),
        stack_bytes: facts.stack_bytes,
        state_bytes: facts.state_bytes,
        arena_bytes: facts.arena_bytes,
        sizes: built.sizes,
        logits: facts.logits,
    })
}
