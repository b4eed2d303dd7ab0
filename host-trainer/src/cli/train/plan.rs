//! What a run of `denselet train` needs: the network, the data, the recipe and the folder, agreed upon by all ranks.

use super::args::Args;
use crate::cli::data_flags::print_notes;
use crate::cli::model::takes_of_checkpoint;
use crate::cli::note;
use crate::cli::tuned_folder::tuned_folder;
use crate::data::{Dataset, Reading};
use crate::finetune::checkpoint as finetuned;
use crate::input_file;
use crate::net::Ranks;
use crate::spec::{Draft, Spec};
use crate::suit::{self, Takes};
use crate::train::{Recipe, RunFolder, agree, checkpoint, from_first, recorded};
use anyhow::Context;
use std::path::{Path, PathBuf};

/// Bytes of a recipe's file.
const LARGEST_RECIPE: u64 = 1 << 20;

/// What a run needs, the same on every rank.
pub(super) struct Plan {
    pub(super) spec: Spec,
    pub(super) data: Dataset,
    /// What the data decided of the network.
    pub(super) decided: Option<String>,
    pub(super) recipe: Recipe,
    pub(super) folder: PathBuf,
}

/// Loads what a run needs. Rank 0 alone looks at the run's folder, and its recipe is everybody's.
pub(super) fn plan(args: &Args, ranks: &dyn Ranks) -> anyhow::Result<Plan> {
    let rank = ranks.rank();
    let draft = agree(ranks, Draft::load(&args.net).map_err(anyhow::Error::from))?;
    let folder = args
        .out
        .clone()
        .unwrap_or_else(|| default_folder(draft.name(), &args.data));
    let goes_on = agree(
        ranks,
        if rank == 0 {
            started(args, &folder)
        } else {
            Ok(None)
        },
    )?;
    let goes_on = goes_on.as_ref().map(serde_json::to_vec).transpose()?;
    let goes_on: Option<Takes> = from_first(ranks, goes_on)
        .map(|bytes| serde_json::from_slice(&bytes))
        .transpose()?;
    let load = || {
        let mut data = match &goes_on {
            Some(takes) => suit::load(&args.data, takes, args.data_flags.reading())?,
            None => {
                let reading = Reading {
                    input: draft.input(),
                    ..args.data_flags.reading()
                };
                Dataset::load(&args.data, &reading)?
            }
        };
        if let [alone] = &data.classes[..] {
            anyhow::bail!(
                "data set `{}`: classes: expected at least two, found `{alone}` alone: add images of another class, and check \
                 that a table's column of the class is the right one (--label)",
                args.data
            );
        }
        let (spec, decided) = draft.spec_for(data.shape(), data.classes.len())?;
        if rank == 0 {
            print_notes(&data);
        }
        let recipe = (rank == 0)
            .then(|| ready(args, &folder, &mut data, ranks.count()))
            .transpose()?;
        anyhow::Ok((spec, data, decided, recipe))
    };
    let loaded = load().map_err(|error| match rank {
        0 => error,
        _ => error.context(format!("rank {rank}")),
    });
    let (spec, mut data, decided, recipe) = agree(ranks, loaded)?;
    let text = recipe.as_ref().map(toml::to_string).transpose()?;
    let text = from_first(ranks, text.map(String::into_bytes)).context("a recipe")?;
    let recipe = match recipe {
        Some(recipe) => recipe,
        None => toml::from_slice::<Recipe>(&text)?,
    };
    if recipe.held_out == 0.0 {
        data.train_on_everything();
    }
    Ok(Plan {
        spec,
        data,
        decided,
        recipe,
        folder,
    })
}

/// The recipe of a run in this folder, once it is certain that nothing there is lost.
fn ready(args: &Args, folder: &Path, data: &mut Dataset, ranks: usize) -> anyhow::Result<Recipe> {
    RunFolder::check(folder)?;
    anyhow::ensure!(
        !finetuned::is_here(folder),
        "{}: expected the folder of a training run or an empty one, found a fine-tuned network; choose another --out",
        folder.display()
    );
    anyhow::ensure!(
        args.resume || !checkpoint::is_here(folder),
        "{} holds a run already: resume it with --resume, or choose another --out",
        folder.display()
    );
    let (recipe, fitted) = recipe(args, folder, data, ranks)?;
    if let Some(fitted) = fitted {
        note(&fitted);
        data.notes.push(fitted);
    }
    recipe.check_ranks(ranks)?;
    let tuned = tuned_folder(folder);
    anyhow::ensure!(
        args.resume || recipe.finetune.is_none() || !finetuned::is_here(&tuned),
        "{} holds a fine-tuned network already: choose another --out",
        tuned.display()
    );
    if recipe.finetune.is_some() {
        RunFolder::check(&tuned)?;
    }
    Ok(recipe)
}

/// The recipe of the run to go on with, or of the data; then what the file says, then what the flags say. If none of them says
/// how large a batch is, it fits the data, with a sentence if that is not the usual size.
fn recipe(
    args: &Args,
    folder: &Path,
    data: &Dataset,
    ranks: usize,
) -> anyhow::Result<(Recipe, Option<String>)> {
    let begun = if checkpoint::is_here(folder) {
        Some(checkpoint::load(&checkpoint::choose(folder, true))?.meta.recipe)
    } else if args.resume {
        // Killed before the first checkpoint, or not begun yet.
        recorded(folder)?
    } else {
        None
    };
    let mut has_batch = begun.is_some() || args.batch.is_some();
    let mut recipe = begun.unwrap_or_else(|| Recipe::for_data(data));
    if let Some(path) = &args.recipe {
        let named = || path.display().to_string();
        let bytes = input_file::read(path, LARGEST_RECIPE).with_context(named)?;
        let text = String::from_utf8(bytes).with_context(named)?;
        recipe = recipe.with(&text).with_context(|| path.display().to_string())?;
        has_batch |= text
            .parse::<toml::Table>()
            .is_ok_and(|fields| fields.contains_key("batch"));
    }
    recipe.epochs = args.epochs.unwrap_or(recipe.epochs);
    recipe.batch = args.batch.unwrap_or(recipe.batch);
    recipe.optimiser = args.optimiser.unwrap_or(recipe.optimiser);
    recipe.schedule = args.schedule.unwrap_or(recipe.schedule);
    recipe.warm_up = args.warm_up.unwrap_or(recipe.warm_up);
    recipe.clip = args.clip.unwrap_or(recipe.clip);
    recipe.patience = args.patience.unwrap_or(recipe.patience);
    recipe.rate = args.lr.unwrap_or(recipe.rate);
    recipe.decay = args.decay.unwrap_or(recipe.decay);
    recipe.augment.shift = args.shift.unwrap_or(recipe.augment.shift);
    recipe.augment.flip = args.flip.unwrap_or(recipe.augment.flip);
    recipe.smoothing = args.smoothing.unwrap_or(recipe.smoothing);
    recipe.held_out = args.held_out.unwrap_or(recipe.held_out);
    recipe.seed = args.seed.unwrap_or(recipe.seed);
    args.flags.put(&mut recipe);
    let fitted = if has_batch {
        None
    } else {
        recipe.fit_batch(data.train.len(), ranks)
    };
    recipe.check(data.train.len())?;
    Ok((recipe, fitted))
}

/// What the network of the run to go on with takes, if there is one.
fn started(args: &Args, folder: &Path) -> anyhow::Result<Option<Takes>> {
    if !args.resume || !checkpoint::is_here(folder) {
        return Ok(None);
    }
    let file = checkpoint::choose(folder, true);
    Ok(Some(takes_of_checkpoint(&file, &checkpoint::load(&file)?)))
}

fn default_folder(net: &str, data: &str) -> PathBuf {
    let data = Path::new(data)
        .file_name()
        .map_or("data".into(), |name| name.to_string_lossy());
    Path::new("runs").join(format!("{net}-{data}"))
}
