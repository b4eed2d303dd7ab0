//! A run of fine-tuning in its folder.

use super::checkpoint::{self, Finetuned};
use super::{FinetuneError, Recipe, Run};
use crate::data::Dataset;
use crate::net::Network;
use crate::train::{self, Progress, RunFolder, TrainError, recipe_file};
use std::path::Path;

/// Where a run of fine-tuning keeps what it makes.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p> {
    /// Its folder.
    pub folder: &'p RunFolder,
    /// Whether to go on from a fine-tuned network that is there already, instead of from the beginning.
    pub resume: bool,
    /// The command line, if one started the run.
    pub command: Option<&'p str>,
    /// What the import of the float network assumed of the preprocessing.
    pub guess: Option<&'p str>,
}

/// The recipe of the run in a folder, from before its first checkpoint; nothing if no run was begun there.
///
/// # Errors
///
/// Returns an error if it cannot be read.
pub fn recorded(folder: &Path) -> Result<Option<Recipe>, TrainError> {
    Ok(recipe_file::read(folder)?.map(|(recipe, _)| recipe))
}

/// Fine-tunes a trained network on the data set's training split, with a checkpoint in the place's folder after each epoch. A
/// run that resumes ends with exactly the network that it would have had. Returns the best network if images are held out, else the
/// last one.
///
/// # Errors
///
/// Returns an error if network, data set and recipe do not fit together, the loss diverges, a checkpoint cannot be written or
/// read, or the one that is there was started differently.
pub fn finetune_at(
    place: Place<'_>,
    network: &Network,
    data: &Dataset,
    recipe: &Recipe,
    progress: &mut dyn Progress,
) -> Result<Finetuned, FinetuneError> {
    let folder = place.folder.path();
    let begun = match place.resume {
        true => recipe_file::read::<Recipe>(folder)?,
        false => None,
    };
    let first_command = begun.as_ref().and_then(|(_, command)| command.clone());
    let mut run = if place.resume && checkpoint::is_here(folder) {
        Run::resume(checkpoint::load(folder)?, network, data, recipe)?
    } else {
        if let Some((before, _)) = &begun {
            recipe.check_resume(before)?;
        }
        checkpoint::remove_best(folder)?;
        Run::new(network, data, recipe)?
    };
    if run.state.meta.guess.is_none() {
        run.state.meta.guess = place.guess.map(str::to_owned);
    }
    // A run that goes on for longer is one that was meant to be so long, should it be killed: the checkpoint decides.
    if run.is_longer {
        run.state.save(folder)?;
    }
    recipe_file::write(folder, recipe, first_command.as_deref().or(place.command))?;
    train::record(folder, &run.state.meta.history)?;
    while let Some(done) = run.epoch(data, progress)? {
        // The best first: a run that is stopped in between repeats this epoch and writes the same.
        if run.is_best() {
            run.state.save_best(folder)?;
        }
        run.state.save(folder)?;
        train::record(folder, &run.state.meta.history)?;
        progress.epoch(&done);
    }
    let best = folder.join(checkpoint::BEST_NAME);
    if best.is_file() {
        return Ok(checkpoint::load(&best)?);
    }
    Ok(run.state)
}
