//! `denselet import`: converts a network trained with Keras or PyTorch to a checkpoint.

use super::data_flags::{DataFlags, print_notes};
use super::import_check::{advice, checks};
use super::import_data;
use super::import_report::{ImportReport, print_check, print_end, print_found};
use super::import_state::StateArgs;
use super::output::print_json;
use crate::data::{Dataset, SAMPLE_SEED};
use crate::evaluate::Confusion;
use crate::interchange::import::{
    ImportError, Imported, Options, Preprocess, Problem, Vectors, import, summary,
};
use crate::spec::Input;
use crate::train::checkpoint::{self, Checkpoint, Meta};
use crate::train::{Recipe, RunFolder};
use anyhow::{Context, bail, ensure};
use std::path::PathBuf;
use std::rc::Rc;

/// Size of the sample of test images that measures the accuracy.
const MEASURED: usize = 1000;
/// Options of `denselet import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Preprocessing, if the file does not contain it:
  bytes        x = byte
  0..1         x = byte / 255 (assumed if neither the file nor --check nor --data decides it)
  -1..1        x = byte / 127.5 - 1
  imagenet     x = (byte / 255 - mean) / std of ImageNet: torchvision, keras.applications' DenseNets
  mean=M,..;std=S,..         x = (byte - mean) / std, per channel
  unit:mean=M,..;std=S,..    x = (byte / 255 - mean) / std, as torchvision's Normalize

Examples:
  denselet import article.keras --out runs/article --check vectors.npz
  denselet import densenet121.safetensors --input 224x224x3 --preprocess imagenet --out runs/densenet121
  denselet import small.safetensors --input 32x32x3 --stem-stride 1 --stem-pool none --check vectors.npz --out runs/small
  denselet import model.onnx --data cifar10 --preprocess '-1..1' --out runs/mine")]
pub struct Args {
    /// A .keras, .h5, .onnx or .safetensors file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Folder of the checkpoint
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Shape of an image, if the file does not give it
    #[arg(long, value_name = "HxWxC", value_parser = shape)]
    input: Option<Input>,
    /// Data set that it was trained on: the test images measure the accuracy, the training images calibrate a later export
    #[arg(long, value_name = "NAME|DIR")]
    data: Option<String>,
    /// Preprocessing from bytes to the inputs of the network, see below
    #[arg(long, value_name = "HOW", allow_hyphen_values = true)]
    preprocess: Option<Preprocess>,
    /// Reference vectors: arrays `x`, N inputs of the network, and `y`, the answers of its framework
    #[arg(long, value_name = "FILE.npz")]
    check: Option<PathBuf>,
    /// Largest difference from the reference answers, as a share of the range of the logits [default: 1e-4, or 1e-2 for
    /// answers in float16 and 5e-2 in bfloat16]; 1e-2 allows for answers computed in TF32
    #[arg(long, value_name = "SHARE", requires = "check", value_parser = share)]
    tolerance: Option<f64>,
    #[command(flatten)]
    data_flags: DataFlags,
    #[command(flatten)]
    state: StateArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| *share > 0.0 && *share <= 0.5);
    share.ok_or_else(|| format!("expected a share above 0 and at most 0.5, found `{text}`"))
}

fn shape(text: &str) -> Result<Input, String> {
    let sides: Option<Vec<usize>> = text.split('x').map(|side| side.parse().ok()).collect();
    match sides.as_deref() {
        Some(&[height, width, channels]) => Ok(Input {
            height,
            width,
            channels,
        }),
        _ => Err(format!("expected HxWxC such as 32x32x3, found `{text}`")),
    }
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    RunFolder::check(&args.out)?;
    ensure!(
        !checkpoint::is_here(&args.out),
        "{}: expected a folder without a checkpoint, found one: choose another --out",
        args.out.display()
    );
    let vectors = args.check.as_deref().map(Vectors::load).transpose()?.map(Rc::new);
    let mut options = Options {
        input: args.input,
        preprocess: args.preprocess.clone(),
        encoding: None,
        vectors,
        tolerance: args.tolerance,
        assumed: args.state.assumed(),
    };
    let (imported, data) = read(args, &mut options)?;
    if let Some(data) = &data {
        print_notes(data);
    }
    let spec = &imported.network.spec;
    let mut report = ImportReport {
        file: args.file.clone(),
        format: imported.format.name(),
        input: spec.input,
        preprocess: imported.preprocess.to_string(),
        preprocess_is_known: imported.preprocess_is_known,
        preprocess_reason: imported.preprocess_reason.clone(),
        assumptions: imported.assumptions.clone(),
        ending: imported.ending,
        parameters: spec.parameters(),
        macs: spec.macs(),
        parts: summary(&imported.network),
        checks: Vec::new(),
        test_images: None,
        sample: None,
        notes: data.iter().flat_map(|data| data.notes.clone()).collect(),
        test_accuracy: None,
        checkpoint: None,
    };
    if !args.json {
        print_found(&report);
    }
    report.checks = checks(args.check.as_deref(), &imported, &options, data.as_ref())?;
    if !args.json {
        report.checks.iter().for_each(print_check);
    }
    if let Some(failed) = report.checks.iter().find(|check| !check.passes) {
        if args.json {
            print_json(&report)?;
        }
        bail!(
            "{}: logits: expected a difference from {} of at most {:.0e} of their range, found {:.1e}; no checkpoint was \
             written{}",
            args.file.display(),
            failed.against,
            failed.comparison.allowed,
            failed.comparison.share(),
            advice(&args.file, &imported, &options, &failed.comparison)
        );
    }
    if let Some(data) = &data {
        let (test, sample) = data.test.draw(MEASURED, SAMPLE_SEED);
        let logits = imported.network.logits(&test.images, test.len());
        report.test_images = Some(test.len());
        report.sample = Some(sample);
        report.test_accuracy = Some(Confusion::new(&logits, &test.labels, spec.classes).accuracy());
    }
    report.checkpoint = Some(args.out.join(checkpoint::FILE_NAME));
    save(args, imported, data.as_ref())?;
    if args.json {
        return print_json(&report);
    }
    print_end(args.data.as_deref(), &args.out, &report);
    Ok(())
}

/// Reads the file and the data set. The data set gives the shape if neither the file nor the user gives it, and the
/// preprocessing that its values imply.
fn read(args: &Args, options: &mut Options) -> anyhow::Result<(Imported, Option<Dataset>)> {
    let Some(name) = &args.data else {
        return Ok((import(&args.file, options)?, None));
    };
    let imported = match import(&args.file, options) {
        Err(ImportError {
            problem: Problem::Field { field, .. },
            ..
        }) if field == "--input" && args.input.is_none() => {
            let data = Dataset::load(name, &args.data_flags.reading());
            options.input = Some(data.with_context(|| format!("data set `{name}`"))?.shape());
            import(&args.file, options)?
        }
        found => found?,
    };
    let (data, inferred) = import_data::load(name, &imported, args.preprocess.as_ref(), &args.data_flags)?;
    if inferred.is_none() {
        return Ok((imported, Some(data)));
    }
    options.encoding.clone_from(&data.encoding);
    Ok((import(&args.file, options)?, Some(data)))
}

fn save(args: &Args, imported: Imported, data: Option<&Dataset>) -> anyhow::Result<()> {
    let network = imported.network;
    let spec = &network.spec;
    let unnamed = Dataset {
        name: checkpoint::NO_DATA.into(),
        height: spec.input.height,
        width: spec.input.width,
        channels: spec.input.channels,
        // Classes without names have numbers.
        classes: (0..spec.classes).map(|class| class.to_string()).collect(),
        ..Dataset::default()
    };
    let data = data.unwrap_or(&unnamed);
    let checkpoint = Checkpoint {
        meta: Meta {
            epoch: 0,
            data: data.name.clone(),
            classes: data.classes.clone(),
            encoding: data.encoding.clone(),
            recipe: Recipe::for_data(data),
            history: Vec::new(),
            command: None,
            data_checksum: None,
            guess: (!imported.preprocess_is_known)
                .then(|| format!("{} ({})", imported.preprocess, imported.preprocess_reason)),
        },
        network,
        raw: None,
        optimiser: None,
    };
    let claim = RunFolder::claim(&args.out)?;
    Ok(checkpoint.save(claim.path())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_written_with_crosses() {
        assert_eq!(
            shape("28x32x1").unwrap(),
            Input {
                height: 28,
                width: 32,
                channels: 1
            }
        );
        assert!(shape("28x28").is_err() && shape("axbxc").is_err());
    }
}
