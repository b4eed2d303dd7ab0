//! `denselet finetune`: trains the integer network, starting from a float one.

mod args;

pub use args::Args;

use super::command_line::command_line;
use super::data_flags::{DataFlags, measured_images, print_notes, warn};
use super::export::guess_warning;
use super::model::load_for;
use super::output::{print_json, say};
use super::target;
use super::tuned_folder::tuned_folder;
use super::watch::Watch;
use crate::calibrate::Calibration;
use crate::data::{Augment, Sample};
use crate::fidelity::{Fidelity, calibration_warning};
use crate::finetune::{self, Parameters, Recipe, checkpoint as finetuned};
use crate::inspect::grouped;
use crate::train::{self, RunFolder, checkpoint};
use crate::whole_file;
use anyhow::Context;
use core::time::Duration;
use indicatif::HumanDuration;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What came out.
#[derive(Debug, Serialize)]
pub struct Summary {
    net: String,
    data: String,
    epochs: usize,
    /// The epoch whose network this is; the others are those of this epoch too.
    epoch: usize,
    seed: u64,
    loss: f64,
    train_accuracy: f64,
    /// Of the best network, on the images that chose it; absent if none are held out.
    held_out_accuracy: Option<f64>,
    /// Which training images calibrated before the first step.
    sample: Sample,
    test_images: usize,
    float_accuracy: f64,
    calibrated_accuracy: f64,
    int8_accuracy: f64,
    /// Bytes of the blob that `export` writes by default, metadata included.
    blob_bytes: usize,
    /// What a weight of fewer than 8 bits costs, in bits; absent without such weights.
    bits_per_weight: Option<f64>,
    images_per_second: f64,
    seconds: f64,
    checkpoint: PathBuf,
    warnings: Vec<String>,
    notes: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let summary = tune(args)?;
    if args.json {
        return print_json(&summary);
    }
    summary.say();
    Ok(())
}

/// Fine-tunes the run in `folder` with what its recipe says, beside it; goes on where it was stopped.
pub fn after_training(
    folder: &Path,
    data: &str,
    data_flags: DataFlags,
    quiet: bool,
) -> anyhow::Result<Summary> {
    tune(&Args {
        run: folder.to_owned(),
        data: Some(data.to_owned()),
        epochs: None,
        batch: None,
        lr: None,
        distillation: None,
        calibration: None,
        bits: None,
        target: None,
        bits_per_weight: None,
        held_out: None,
        mixup: None,
        cutmix: None,
        seed: None,
        data_flags,
        out: None,
        resume: true,
        last: false,
        json: quiet,
    })
}

impl Summary {
    /// The warning if fine-tuning made the integers worse than calibration did.
    fn worse(&self) -> Option<String> {
        (self.int8_accuracy < self.calibrated_accuracy).then(|| {
            format!(
                "fine-tuning made int8 worse: {:.2} % as calibrated, {:.2} % fine-tuned on {} test images; try a smaller --lr or \
                 more --epochs, or export the float network",
                100.0 * self.calibrated_accuracy,
                100.0 * self.int8_accuracy,
                self.test_images
            )
        })
    }

    /// One line on the terminal.
    pub fn say(&self) {
        say(format_args!(
            "test accuracy on {} images: float {:.2} %, int8 as calibrated {:.2} %, fine-tuned {:.2} %; a blob of {} bytes",
            self.test_images,
            100.0 * self.float_accuracy,
            100.0 * self.calibrated_accuracy,
            100.0 * self.int8_accuracy,
            grouped(self.blob_bytes as u64),
        ));
        let chosen = match self.held_out_accuracy {
            Some(accuracy) => format!(
                "held-out accuracy {:.2} %, within a standard error of the highest",
                100.0 * accuracy
            ),
            None => "the last: nothing is held out".into(),
        };
        say(format_args!(
            "network of epoch {} of {} ({chosen}): {}, after {}",
            self.epoch,
            self.epochs,
            self.checkpoint.display(),
            HumanDuration(Duration::from_secs_f64(self.seconds))
        ));
    }
}

fn tune(args: &Args) -> anyhow::Result<Summary> {
    let start = Instant::now();
    let chosen = checkpoint::choose(&args.run, args.last);
    anyhow::ensure!(
        finetuned::find(&args.run, true).is_none() || args.out.is_some(),
        "{} is fine-tuned already: give the float network's folder, or --out to start again from its copy",
        args.run.display()
    );
    let float = checkpoint::load(&chosen)?;
    let data = load_for(&chosen, &float, args.data.as_deref(), &args.data_flags)?;
    print_notes(&data);
    let aside = float.meta.recipe_for(&data).cloned();
    let (network, meta) = (float.network, float.meta);
    let guess = meta.guess.clone();
    let folder = args.out.clone().unwrap_or_else(|| tuned_folder(&args.run));
    check_folder(&chosen, &folder)?;
    let is_there = finetuned::is_here(&folder);
    anyhow::ensure!(
        args.resume || !is_there,
        "{} holds a fine-tuned network already: resume it with --resume, or choose another --out",
        folder.display()
    );
    let mut recipe = if is_there {
        finetuned::load(&folder)?.meta.recipe
    } else if args.resume
        && let Some(recipe) = finetune::recorded(&folder)?
    {
        // Killed before the first epoch was done.
        recipe
    } else {
        // Of a network that was trained elsewhere nothing is known but the data; shifting or mirroring images might be new
        // to it.
        let elsewhere = || train::Recipe {
            augment: Augment::default(),
            ..train::Recipe::for_data(&data)
        };
        let is_ours = !meta.history.is_empty();
        let mut recipe = Recipe::after(&if is_ours { meta.recipe } else { elsewhere() });
        let is_coded = args.target.is_some() || args.bits_per_weight.is_some();
        if is_coded || args.bits.is_some_and(|bits| bits < 8) {
            recipe.finetune = recipe.finetune.few_bits();
        }
        recipe
    };
    recipe.batch = args.batch.unwrap_or(recipe.batch);
    recipe.seed = args.seed.unwrap_or(recipe.seed);
    recipe.augment.mixup = args.mixup.unwrap_or(recipe.augment.mixup);
    recipe.augment.cutmix = args.cutmix.unwrap_or(recipe.augment.cutmix);
    recipe.aside.share = args.held_out.unwrap_or(recipe.aside.share);
    let how = &mut recipe.finetune;
    how.epochs = args.epochs.unwrap_or(how.epochs);
    how.rate = args.lr.unwrap_or(how.rate);
    how.distillation = args.distillation.unwrap_or(how.distillation);
    how.calibration = args.calibration.unwrap_or(how.calibration);
    how.bits = args.bits.unwrap_or(how.bits);
    how.bits_per_weight = args.bits_per_weight.unwrap_or(how.bits_per_weight);
    if let Some(target) = args.target {
        anyhow::ensure!(
            args.bits != Some(8),
            "--target: expected --bits below 8, found 8: codes need weights of fewer bits"
        );
        recipe.finetune.target = target;
        let bits = target::bits_for(target, &network, &data, &recipe)?;
        recipe.finetune.bits = args.bits.unwrap_or(target::grid_for(bits));
        recipe.finetune.bits_per_weight = bits.min(f32::from(recipe.finetune.bits) * 0.99);
        if !args.json {
            say(format_args!(
                "a blob of {} bytes leaves {bits:.2} bits per weight",
                grouped(target as u64)
            ));
        }
    }
    finetune::check(&network, &data, &recipe)?;
    let claim = RunFolder::claim(&folder)?;
    keep_float(&chosen, &folder, is_there)?;

    if !args.json {
        say(format_args!(
            "{}: {} parameters; {}: {} training images{}",
            network.spec.name,
            grouped(network.spec.parameters() as u64),
            data.name,
            grouped(data.train.len() as u64),
            measured_images(&data, recipe.aside)
        ));
    }
    let mut watch = Watch::new(args.json);
    let command = command_line(1);
    let place = finetune::Place {
        folder: &claim,
        resume: args.resume,
        command: Some(&command),
        guess: guess.as_deref(),
    };
    let done = finetune::finetune_at(place, &network, &data, &recipe, &mut watch)?;
    watch.finish();
    let before = Parameters::calibrated(&network, &data, &recipe)?;
    let accuracy = |parameters: &Parameters| {
        Ok::<_, anyhow::Error>(finetune::confusion(parameters, &data.test, &|_| {})?.accuracy())
    };
    let last = done.meta.history.last().context("a run of no epochs")?;
    let calibration = Calibration::draw(&data, recipe.finetune.calibration);
    let blob = done.blob(finetune::ORDER)?;
    let mut summary = Summary {
        net: network.spec.name.clone(),
        data: data.name.clone(),
        epochs: recipe.finetune.epochs,
        epoch: done.meta.epoch,
        seed: recipe.seed,
        loss: last.loss,
        train_accuracy: last.accuracy,
        held_out_accuracy: last.held_out_accuracy,
        test_images: data.test.len(),
        float_accuracy: train::accuracy(&network, &data.test),
        calibrated_accuracy: accuracy(&before)?,
        int8_accuracy: accuracy(&done.parameters)?,
        blob_bytes: blob.bytes().len(),
        bits_per_weight: last.bits_per_weight,
        images_per_second: watch.images_per_second,
        seconds: start.elapsed().as_secs_f64(),
        checkpoint: finetuned::find(&folder, false).unwrap_or_default(),
        warnings: Vec::new(),
        notes: data.notes.clone(),
        sample: calibration.sample.clone(),
    };
    let over = args.target.filter(|target| blob.bytes().len() > *target);
    let fidelity = Fidelity::measure(&network, &blob, &data, aside.as_ref())?;
    summary.warnings = [
        guess.as_deref().map(guess_warning),
        calibration_warning(&calibration),
        fidelity.warning(),
        summary.worse(),
        over.map(|target| {
            format!(
                "the blob has {} bytes, more than --target's {}: more --epochs bring it closer",
                grouped(blob.bytes().len() as u64),
                grouped(target as u64)
            )
        }),
    ]
    .into_iter()
    .flatten()
    .collect();
    warn(&summary.warnings);
    Ok(summary)
}

/// Checks that fine-tuning replaces nothing in `folder` but what fine-tuning of the same float network wrote.
fn check_folder(chosen: &Path, folder: &Path) -> anyhow::Result<()> {
    RunFolder::check(folder)?;
    if finetuned::is_here(folder) {
        return Ok(());
    }
    let kept = folder.join(checkpoint::FILE_NAME);
    let is_own = || {
        let parent = chosen.parent().filter(|parent| !parent.as_os_str().is_empty());
        let own = parent.unwrap_or(Path::new(".")).canonicalize();
        own.is_ok_and(|own| folder.canonicalize().is_ok_and(|folder| folder == own))
    };
    // A kill before the first epoch leaves a copy of the float network and a recipe.
    let is_copy =
        || Ok::<_, std::io::Error>(!kept.exists() || std::fs::read(&kept)? == std::fs::read(chosen)?);
    let found = if is_own() {
        "the float network itself"
    } else if folder.join(checkpoint::BEST_NAME).exists() || finetune::recorded(folder).is_err() {
        "a training run"
    } else if !is_copy().with_context(|| kept.display().to_string())? {
        "another network"
    } else {
        return Ok(());
    };
    anyhow::bail!(
        "{}: expected an empty folder or one of fine-tuning, found {found}; choose another --out",
        folder.display()
    )
}

/// Puts a copy of the float network beside what becomes of it; when going on, holds the two together.
fn keep_float(chosen: &Path, folder: &Path, is_there: bool) -> anyhow::Result<()> {
    let kept = folder.join(checkpoint::FILE_NAME);
    if kept == chosen {
        return Ok(());
    }
    let bytes = std::fs::read(chosen).with_context(|| chosen.display().to_string())?;
    if is_there {
        let before = std::fs::read(&kept).with_context(|| kept.display().to_string())?;
        anyhow::ensure!(
            before == bytes,
            "cannot resume: {} was fine-tuned from another network than {}",
            folder.display(),
            chosen.display()
        );
        return Ok(());
    }
    whole_file::write(&kept, &bytes)?;
    Ok(())
}
