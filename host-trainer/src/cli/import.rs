//! `denselet import`: a network trained with Keras or PyTorch becomes a checkpoint.

use super::data_flags::{DataFlags, print_notes};
use super::{import_data, print_json, say, table};
use crate::data::{Dataset, SAMPLE_SEED, Sample};
use crate::evaluate::Confusion;
use crate::import::check::{BAR, Comparison};
use crate::import::{Ending, ImportError, Imported, Options, Part, Preprocess, Problem, import, summary};
use crate::inspect::grouped;
use crate::spec::Input;
use crate::train::checkpoint::{self, Checkpoint, Meta};
use crate::train::{Recipe, RunFolder};
use anyhow::{Context, bail, ensure};
use serde::Serialize;
use std::path::PathBuf;

/// Test images that measure the accuracy, a sample.
const MEASURED: usize = 1000;
/// Multiply-accumulates that a comparison with the file's graph may take.
const MOST_MACS: u64 = 20_000_000_000;
/// Pictures that are compared with the file's graph.
const COMPARED: usize = 16;

/// Options of `denselet import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Preprocessing, where the file does not hold it:
  bytes        x = byte
  0..1         x = byte / 255 (the default)
  -1..1        x = byte / 127.5 - 1
  imagenet     x = (byte / 255 - mean) / std of ImageNet: torchvision, keras.applications' DenseNets
  mean=M,..;std=S,..         x = (byte - mean) / std, per channel
  unit:mean=M,..;std=S,..    x = (byte / 255 - mean) / std, as torchvision's Normalize

Examples:
  denselet import article.keras --out runs/article --check vectors.npz
  denselet import densenet121.safetensors --input 224x224x3 --preprocess imagenet --out runs/densenet121
  denselet import model.onnx --data cifar10 --preprocess '-1..1' --out runs/mine")]
pub struct Args {
    /// A .keras, .h5, .onnx or .safetensors file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The checkpoint's folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Shape of a picture, where the file leaves it open
    #[arg(long, value_name = "HxWxC", value_parser = shape)]
    input: Option<Input>,
    /// Data set it was trained on: its test images measure the accuracy, its training images calibrate a later export
    #[arg(long, value_name = "NAME|DIR")]
    data: Option<String>,
    /// How bytes become what the network takes, see below
    #[arg(long, value_name = "HOW", allow_hyphen_values = true)]
    preprocess: Option<Preprocess>,
    /// Reference vectors: arrays `x`, N pictures as the network takes them, and `y`, its framework's answers
    #[arg(long, value_name = "FILE.npz")]
    check: Option<PathBuf>,
    #[command(flatten)]
    data_flags: DataFlags,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
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

/// What came in.
#[derive(Debug, Serialize)]
struct Report {
    file: PathBuf,
    format: &'static str,
    input: Input,
    preprocess: String,
    preprocess_is_known: bool,
    ending: Ending,
    parameters: usize,
    macs: u64,
    parts: Vec<Part>,
    checks: Vec<Check>,
    test_images: Option<usize>,
    sample: Option<Sample>,
    notes: Vec<String>,
    test_accuracy: Option<f64>,
    checkpoint: Option<PathBuf>,
}

/// One comparison.
#[derive(Debug, Serialize)]
struct Check {
    against: String,
    #[serde(flatten)]
    comparison: Comparison,
    passes: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    RunFolder::check(&args.out)?;
    ensure!(
        !checkpoint::is_here(&args.out),
        "{} holds a checkpoint already: choose another --out",
        args.out.display()
    );
    let (imported, data) = read(args)?;
    if let Some(data) = &data {
        print_notes(data);
    }
    let spec = &imported.network.spec;
    let mut report = Report {
        file: args.file.clone(),
        format: imported.format.name(),
        input: spec.input,
        preprocess: imported.preprocess.to_string(),
        preprocess_is_known: imported.preprocess_is_known,
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
    report.checks = checks(args, &imported, data.as_ref())?;
    if !args.json {
        report.checks.iter().for_each(print_check);
    }
    if let Some(failed) = report.checks.iter().find(|check| !check.passes) {
        if args.json {
            print_json(&report)?;
        }
        bail!(
            "{}: the imported network differs from {} by {:.1e} of the range, {BAR:e} is allowed; nothing was written",
            args.file.display(),
            failed.against,
            failed.comparison.share()
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
    print_end(args, &report);
    Ok(())
}

/// Reads the file and the data set: the file with the data set's shape if file and user leave it open, and with the
/// preprocessing that the data set's values mean.
fn read(args: &Args) -> anyhow::Result<(Imported, Option<Dataset>)> {
    let mut options = Options {
        input: args.input,
        preprocess: args.preprocess.clone(),
    };
    let Some(name) = &args.data else {
        return Ok((import(&args.file, &options)?, None));
    };
    let imported = match import(&args.file, &options) {
        Err(ImportError {
            problem: Problem::Field { field, .. },
            ..
        }) if field == "--input" && args.input.is_none() => {
            let data = Dataset::load(name, &args.data_flags.reading());
            options.input = Some(data.with_context(|| format!("data set `{name}`"))?.shape());
            import(&args.file, &options)?
        }
        found => found?,
    };
    let (data, inferred) = import_data::load(name, &imported, args.preprocess.as_ref(), &args.data_flags)?;
    if inferred.is_none() {
        return Ok((imported, Some(data)));
    }
    options.preprocess = inferred;
    Ok((import(&args.file, &options)?, Some(data)))
}

fn checks(args: &Args, imported: &Imported, data: Option<&Dataset>) -> anyhow::Result<Vec<Check>> {
    let check = |against: String, comparison: Comparison| Check {
        against,
        comparison,
        passes: comparison.passes(),
    };
    let mut checks = Vec::new();
    if let Some(path) = &args.check {
        let comparison = imported.against_file(path)?;
        checks.push(check(
            format!("{} (reference answers)", path.display()),
            comparison,
        ));
    }
    let most = MOST_MACS / imported.network.spec.macs().max(1);
    let count = usize::try_from(most).unwrap_or(COMPARED).clamp(1, COMPARED);
    let (images, what) = match data {
        Some(data) if !data.test.is_empty() => (data.test.sample(count).images, "test images"),
        _ => (imported.noise(count, 1), "random inputs"),
    };
    let comparison = imported.against_graph(&images);
    checks.push(check(
        format!("the file's graph, node by node, on {what}"),
        comparison,
    ));
    Ok(checks)
}

fn save(args: &Args, imported: Imported, data: Option<&Dataset>) -> anyhow::Result<()> {
    let network = imported.network;
    let spec = &network.spec;
    let unnamed = Dataset {
        name: checkpoint::NO_DATA.into(),
        height: spec.input.height,
        width: spec.input.width,
        channels: spec.input.channels,
        // Classes that have no names have numbers.
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
        },
        network,
        raw: None,
        optimiser: None,
    };
    let claim = RunFolder::claim(&args.out)?;
    Ok(checkpoint.save(claim.path())?)
}

fn print_found(report: &Report) {
    let Input {
        height,
        width,
        channels,
    } = report.input;
    say(format_args!("{}: {}", report.file.display(), report.format));
    let rows = report.parts.iter().map(|part| {
        let [height, width, channels] = part.leaves;
        vec![
            part.name.clone(),
            part.what.clone(),
            format!("{height}x{width}x{channels}"),
            grouped(part.params as u64),
            grouped(part.macs),
        ]
    });
    say(table(
        &["part", "made of", "leaves", "parameters", "MACs as trained"],
        rows,
    ));
    let (parameters, macs) = (grouped(report.parameters as u64), grouped(report.macs));
    say(format_args!(
        "  input       {height}x{width}x{channels}, {}",
        preprocess_text(report)
    ));
    say(format_args!("  parameters       {parameters}"));
    say(format_args!("  MACs as trained  {macs}"));
    if report.ending != Ending::Logits {
        say("  the file's softmax is left out: blobs answer logits");
    }
}

fn preprocess_text(report: &Report) -> String {
    let known = Preprocess::NAMES
        .iter()
        .find(|(name, _)| *name == report.preprocess);
    let text = known.map_or(report.preprocess.as_str(), |(_, meaning)| meaning);
    if report.preprocess_is_known {
        text.to_owned()
    } else {
        format!("{text} (a guess: the file does not say; --preprocess does)")
    }
}

fn print_check(check: &Check) {
    let Comparison {
        images,
        difference,
        range,
    } = check.comparison;
    say(format_args!(
        "  check       {images} inputs against {}: largest difference {difference:.2e}, {:.1e} of the range {range:.3}: {}",
        check.against,
        check.comparison.share(),
        if check.passes { "passed" } else { "FAILED" }
    ));
}

fn print_end(args: &Args, report: &Report) {
    if let (Some(accuracy), Some(images), Some(data)) = (report.test_accuracy, report.test_images, &args.data)
    {
        say(format_args!(
            "  accuracy    {:.2} % of {images} test images of {data} (float)",
            100.0 * accuracy
        ));
    }
    let out = args.out.display();
    say(format_args!(
        "{out}: go on with `denselet export {out} --data ...`"
    ));
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
