//! Runs images on an emulated board and on the host, and compares every logit.

use super::cycles::Lap;
use super::elf::Sizes;
use super::error::Error;
use super::protocol::{Facts, Instructions};
use super::request::Request;
use crate::evaluate::{Confusion, logits};
use serde::Serialize;

/// Progress of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The firmware is being built.
    Building,
    /// The images are being run.
    Running {
        /// Images with logits.
        done: usize,
        /// All images.
        of: usize,
    },
}

/// Results of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Name of the board.
    pub board: String,
    /// Number of images.
    pub images: usize,
    /// Share of images with the right class, from 0 to 1; `None` if the classes are unknown.
    pub accuracy: Option<f64>,
    /// Whether every logit of every image equals the host's.
    pub matches_host: bool,
    /// Number of images whose logits all equal the host's.
    pub images_equal: usize,
    /// Executed instructions of an inference; `None` if the program does not count them.
    pub instructions: Option<Instructions>,
    /// Largest number of modelled cycles of an inference; `None` if cycles are not modelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycles: Option<u64>,
    /// Largest stack of an inference, in bytes.
    pub stack_bytes: usize,
    /// Size of the network's own fields, in bytes, without the arena.
    pub state_bytes: usize,
    /// Size of the arena, in bytes.
    pub arena_bytes: usize,
    /// Flash and RAM of the firmware.
    #[serde(flatten)]
    pub sizes: Sizes,
    /// Logits of the board, `[image][class]`.
    #[serde(skip)]
    pub logits: Vec<Vec<i32>>,
}

/// Functions of the firmware at the start and at the end of an inference.
const MARKS: [&str; 2] = ["denselet_begin", "denselet_end"];

/// Runs the images of `request` and compares the logits.
///
/// # Errors
///
/// Returns an error if the images cannot be run. Logits that differ from the host's are not an error but part of the outcome.
pub fn run(request: &Request<'_>, progress: &mut dyn FnMut(Progress)) -> Result<Outcome, Error> {
    let Request {
        board,
        model,
        images,
        labels,
        ..
    } = *request;
    progress(Progress::Building);
    let built = request.build()?;
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
    let mut on_facts = |facts: &Facts| {
        progress(Progress::Running {
            done: facts.logits.len(),
            of: count,
        });
    };
    let execution = request.execute(built, &MARKS, &mut on_facts)?;
    let facts = execution.facts;
    if facts.board != board.name || facts.logits.len() != count {
        return Err(Error::Failed {
            board: board.name.clone(),
            reason: format!("{} answered with {} images", facts.board, facts.logits.len()),
        });
    }
    let cycles = modelled(execution.laps.as_deref().unwrap_or_default(), facts.instructions)?;
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
        instructions: facts.instructions,
        cycles,
        stack_bytes: facts.stack_bytes,
        state_bytes: facts.state_bytes,
        arena_bytes: facts.arena_bytes,
        sizes: execution.built.sizes,
        logits: facts.logits,
    })
}

/// Returns the largest number of cycles of an inference, whose instructions must be those that the board counted.
fn modelled(laps: &[Lap], counted: Option<Instructions>) -> Result<Option<u64>, Error> {
    // Only the plugin counts the calls of the two functions.
    const AROUND: u64 = 32;
    let most = laps
        .iter()
        .filter(|lap| lap.from == 0)
        .max_by_key(|lap| lap.cycles);
    let (Some(most), Some(counted)) = (most, counted) else {
        return Ok(None);
    };
    if most.instructions.abs_diff(counted.max) > AROUND {
        return Err(Error::Plugin {
            log: format!(
                "expected the {} instructions that the board counted, found {}",
                counted.max, most.instructions
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
        let counted = |max| Instructions { min: 990, max };
        let laps = [lap(0, 1200), lap(1, 9999), lap(0, 1201)];
        assert!(matches!(modelled(&laps, Some(counted(990))), Ok(Some(1201))));
        assert!(matches!(modelled(&laps, None), Ok(None)));
        let error = modelled(&laps, Some(counted(2000))).expect_err("other instructions");
        assert!(
            error
                .to_string()
                .contains("expected the 2000 instructions that the board counted, found 1000")
        );
    }
}
