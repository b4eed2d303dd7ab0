//! `denselet train`: trains a network on a data set.

mod args;
mod plan;

use super::command_line::command_line;
use super::data_flags::{measured_images, warn};
use super::finetune;
use super::output::{Kind, Output, print_json, say, tell};
use super::verbosity::note;
use super::watch::Watch;
use crate::data::Dataset;
use crate::inspect::grouped;
use crate::train::checkpoint;
use crate::train::{self, Epoch, Place, RunFolder};
use anyhow::Context;
pub use args::Args;
use core::time::Duration;
use indicatif::HumanDuration;
use plan::{Plan, plan};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What came out.
#[derive(Debug, Serialize)]
struct Summary {
    net: String,
    data: String,
    parameters: usize,
    epochs: usize,
    seed: u64,
    loss: f64,
    train_accuracy: f64,
    held_out_accuracy: Option<f64>,
    held_out_loss: Option<f64>,
    /// The epoch whose network the checkpoint holds, if any was held out.
    best_epoch: Option<usize>,
    /// Whether the recipe's patience ended the run before its last epoch.
    stopped_early: bool,
    test_images: usize,
    test_accuracy: f64,
    int8_accuracy: Option<f64>,
    images_per_second: f64,
    seconds: f64,
    checkpoint: PathBuf,
    page: Option<PathBuf>,
    finetuned: Option<finetune::Summary>,
    warnings: Vec<String>,
    notes: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let start = Instant::now();
    let ranks = train::ranks()?;
    let Plan {
        spec,
        data,
        decided,
        recipe,
        folder,
    } = plan(args, &*ranks)?;
    let is_first = ranks.rank() == 0;
    let quiet = args.json || !is_first;
    if !quiet {
        say(format_args!(
            "{}: {} parameters, {} MACs as trained; {}: {} training images{}",
            spec.name,
            grouped(spec.parameters() as u64),
            grouped(spec.macs()),
            data.name,
            grouped(data.train.len() as u64),
            measured_images(&data, recipe.aside())
        ));
    }
    if let (true, Some(decided)) = (is_first, &decided) {
        note(decided);
    }
    let mut watch = Watch::new(quiet);
    let command = command_line(ranks.count());
    let place = Place {
        folder: &folder,
        resume: args.resume,
        command: Some(&command),
    };
    let task = train::Task {
        spec: &spec,
        data: &data,
        recipe: &recipe,
    };
    train::train_among(&ranks, place, task, &mut watch)?;
    // What follows is one process's work; the others have ended.
    drop(ranks);
    if !is_first {
        return Ok(());
    }
    let images_per_second = watch.images_per_second;
    watch.finish();
    let chosen = checkpoint::choose(&folder, false);
    let run = checkpoint::load_chosen(&folder, false)?;
    let last = run.meta.history.last().context("a run of no epochs")?;
    let page = folder.join(super::report::FILE_NAME);
    let page = report(&folder, &page, &run, &data, args.json)
        .inspect_err(|error| tell(format_args!("warning: no report: {error:#}")))
        .ok();
    let mut warnings = page.as_ref().map_or_else(Vec::new, |page| page.warnings.clone());
    if let Some(text) = fallen(&run.meta.history) {
        warn(core::slice::from_ref(&text));
        warnings.push(text);
    }
    let mut summary = Summary {
        net: spec.name.clone(),
        data: data.name.clone(),
        parameters: spec.parameters(),
        epochs: run.meta.epoch,
        seed: recipe.seed,
        loss: last.loss,
        train_accuracy: last.accuracy,
        held_out_accuracy: last.held_out_accuracy,
        held_out_loss: last.held_out_loss,
        best_epoch: train::best(&run.meta.history),
        stopped_early: run.meta.stopped_early(),
        test_images: data.test.len(),
        // The page has it already, if there is one.
        test_accuracy: page.as_ref().map_or_else(
            || train::accuracy(&run.network, &data.test),
            |page| page.float_accuracy,
        ),
        int8_accuracy: page.as_ref().map(|page| page.int8_accuracy),
        images_per_second,
        seconds: start.elapsed().as_secs_f64(),
        checkpoint: chosen,
        warnings,
        page: page.map(|page| page.out),
        finetuned: None,
        notes: data.notes.iter().cloned().chain(decided).collect(),
    };
    if let (true, Some(best), false) = (summary.stopped_early, summary.best_epoch, args.json) {
        say(format_args!(
            "stopped early after epoch {}: no better held-out accuracy, nor an equal one with a lower loss, for {} epochs; the \
             best is epoch {best}",
            run.meta.epoch, run.meta.recipe.patience
        ));
    }
    let tune = || finetune::after_training(&folder, &args.data, args.data_flags.clone(), args.json);
    if args.json {
        summary.finetuned = recipe.finetune.map(|_| tune()).transpose()?;
        return print_json(&summary);
    }
    let int8 = summary.int8_accuracy.map_or_else(String::new, |share| {
        format!(", int8 {:.2} % (bit-exact with the device)", 100.0 * share)
    });
    say(format_args!(
        "test accuracy on {} images: float {:.2} %{int8}",
        grouped(summary.test_images as u64),
        100.0 * summary.test_accuracy
    ));
    say(format_args!(
        "network of epoch {} of {}: {}, after {}",
        summary.best_epoch.unwrap_or(summary.epochs),
        summary.epochs,
        summary.checkpoint.display(),
        HumanDuration(Duration::from_secs_f64(summary.seconds))
    ));
    if let Some(page) = &summary.page {
        say(format_args!(
            "report (curves, confusion matrix, arena): {}",
            page.display()
        ));
    }
    if recipe.finetune.is_some() {
        tune()?.say();
    }
    Ok(())
}

/// Points of held-out accuracy that the last epoch may be below the best one without a warning, 0 to 1.
const MAY_FALL: f64 = 0.02;

/// The note if the last epoch is worse than the best one.
fn fallen(history: &[Epoch]) -> Option<String> {
    let last = history.last()?.held_out_accuracy?;
    let best = history.get(train::best(history)?.checked_sub(1)?)?;
    let highest = best.held_out_accuracy?;
    (highest - last > MAY_FALL).then(|| {
        format!(
            "held-out accuracy fell from {:.2} % in epoch {} to {:.2} % in the last: the network of epoch {} is measured and \
             exported; try --patience or a smaller --lr",
            100.0 * highest,
            best.number,
            100.0 * last,
            best.number
        )
    })
}

/// Writes the run's page; no other process may write in its folder meanwhile.
fn report(
    folder: &Path,
    page: &Path,
    run: &checkpoint::Checkpoint,
    data: &Dataset,
    quiet: bool,
) -> anyhow::Result<super::report::Summary> {
    let _claim = RunFolder::claim(folder)?;
    super::report::write(run, data, &Output::new(page, Kind::Page, true)?, quiet)
}
