//! Runs images on an emulated board and on the host, and compares every logit.

use super::cycles;
use super::cycles::{Lap, Meter};
use super::elf::Sizes;
use super::emulator::emulate;
use super::error::Error;
use super::firmware::{Program, Workspace};
use super::protocol::Facts;
use super::table::{Board, Table};
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
    /// Whether to model cycles too, of a program that counts instructions.
    pub cycles: bool,
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
    /// Modelled cycles of an inference, the most of all images; `None` where they were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycles: Option<u64>,
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

/// Between these functions of the firmware an inference runs.
const MARKS: [&str; 2] = ["denselet_begin", "denselet_end"];

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
    if request.cycles {
        cycles::check(board)?;
    }
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
    let meter = request
        .cycles
        .then(|| Meter::new(request.workspace, board, &built.elf, &MARKS))
        .transpose()?;
    let more = meter.iter().flat_map(Meter::arguments).collect::<Vec<_>>();
    let facts = emulate(table, board, &elf, images, &more, request.limit, &mut on_facts)?;
    if facts.board != board.name || facts.logits.len() != count {
        let reason = format!("{} answered with {} images", facts.board, facts.logits.len());
        return Err(Error::Failed {
            board: board.name.clone(),
            reason,
        });
    }
    let cycles = match &meter {
        Some(meter) => modelled(&meter.laps(&built.elf)?, facts.instructions)?,
        None => None,
    };
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
        cycles,
        stack_bytes: facts.stack_bytes,
        state_bytes: facts.state_bytes,
        arena_bytes: facts.arena_bytes,
        sizes: built.sizes,
        logits: facts.logits,
    })
}

/// The most cycles of an inference, which has to have the instructions that the board counted.
fn modelled(laps: &[Lap], counted: Option<(u64, u64)>) -> Result<Option<u64>, Error> {
    // Calling the two functions is in what the plugin counts only.
    const AROUND: u64 = 32;
    let most = laps
        .iter()
        .filter(|lap| lap.from == 0)
        .max_by_key(|lap| lap.cycles);
    let (Some(most), Some((_, counted))) = (most, counted) else {
        return Ok(None);
    };
    if most.instructions.abs_diff(counted) > AROUND {
        return Err(Error::Plugin {
            log: format!(
                "it saw {} instructions where the board counted {counted}",
                most.instructions
            ),
        });
    }
    Ok(Some(most.cycles))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_count_only_with_the_instructions_that_the_board_counted() {
        let lap = |from, cycles| Lap {
            from,
            instructions: 1000,
            cycles,
        };
        let laps = [lap(0, 1200), lap(1, 9999), lap(0, 1201)];
        assert!(matches!(modelled(&laps, Some((990, 990))), Ok(Some(1201))));
        assert!(matches!(modelled(&laps, None), Ok(None)));
        let error = modelled(&laps, Some((990, 2000))).expect_err("other instructions");
        assert!(
            error
                .to_string()
                .contains("saw 1000 instructions where the board counted 2000")
        );
    }
}
