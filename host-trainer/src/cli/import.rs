//! `denselet import`: a network trained with Keras or PyTorch becomes a checkpoint.

use super::data_flags::{DataFlags, print_notes};
use super::import_report::{Check, Report, print_check, print_end, print_found};
use super::{import_data, print_json};
use crate::data::{Dataset, SAMPLE_SEED};
use crate::evaluate::Confusion;
use crate::import::check::Comparison;
use crate::import::{
    Assumed, ImportError, Imported, Options, Precision, Preprocess, Problem, Structure, Vectors, import,
    summary,
};
use crate::spec::Input;
use crate::train::checkpoint::{self, Checkpoint, Meta};
use crate::train::{Recipe, RunFolder};
use anyhow::{Context, bail, ensure};
use std::path::PathBuf;
use std::rc::Rc;

/// Test images that measure the accuracy, a sample.
const MEASURED: usize = 1000;
/// Multiply-accumulates that a comparison with the file's graph may take.
const MOST_MACS: u64 = 20_000_000_000;
/// Values of feature maps that a comparison with the file's graph may hold.
const MOST_VALUES: usize = 1 << 26;
/// Images that are compared with the file's graph.
const COMPARED: usize = 16;

/// Options of `denselet import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Preprocessing, if the file does not hold it:
  bytes        x = byte
  0..1         x = byte / 255 (assumed if the file, --check and --data do not tell)
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
    /// The checkpoint's folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Shape of an image, if the file leaves it open
    #[arg(long, value_name = "HxWxC", value_parser = shape)]
    input: Option<Input>,
    /// Data set it was trained on: its test images measure the accuracy, its training images calibrate a later export
    #[arg(long, value_name = "NAME|DIR")]
    data: Option<String>,
    /// How bytes become what the network takes, see below
    #[arg(long, value_name = "HOW", allow_hyphen_values = true)]
    preprocess: Option<Preprocess>,
    /// Reference vectors: arrays `x`, N images as the network takes them, and `y`, its framework's answers
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

/// What a state dict (.safetensors) does not hold.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What a state dict (.safetensors) does not hold")]
struct StateArgs {
    /// Epsilon of its batch norms [default: 1e-5]
    #[arg(long, value_name = "E", value_parser = epsilon)]
    epsilon: Option<f32>,
    /// Stride of its first convolution [default: 2 for 7x7, 1 for 3x3]
    #[arg(long, value_name = "N")]
    stem_stride: Option<usize>,
    /// Pool after its first convolution, batch norm and ReLU [default: max for 7x7]
    #[arg(long, value_name = "POOL", value_enum)]
    stem_pool: Option<StemPool>,
    /// Whether a ReLU follows the batch norm of a transition [default: yes]
    #[arg(long, value_name = "YES|NO", value_enum)]
    transition_relu: Option<Answer>,
    /// Whether a ReLU stands before the global average [default: yes]
    #[arg(long, value_name = "YES|NO", value_enum)]
    head_relu: Option<Answer>,
}

/// Pools of a stem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum StemPool {
    /// 3x3, stride 2, padding 1
    Max,
    /// No pool
    None,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Answer {
    Yes,
    No,
}

impl StateArgs {
    fn assumed(&self) -> Assumed {
        let is_yes = |answer: Option<Answer>| answer.map(|answer| answer == Answer::Yes);
        Assumed {
            epsilon: self.epsilon,
            stem_stride: self.stem_stride,
            stem_pool: self.stem_pool.map(|pool| pool == StemPool::Max),
            transition_relu: is_yes(self.transition_relu),
            head_relu: is_yes(self.head_relu),
        }
    }
}

fn epsilon(text: &str) -> Result<f32, String> {
    let epsilon = text
        .parse()
        .ok()
        .filter(|epsilon| *epsilon > 0.0 && *epsilon <= 1.0);
    epsilon.ok_or_else(|| format!("expected a number above 0 and at most 1, found `{text}`"))
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
        "{} holds a checkpoint already: choose another --out",
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
    let mut report = Report {
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
    report.checks = checks(args, &imported, &options, data.as_ref())?;
    if !args.json {
        report.checks.iter().for_each(print_check);
    }
    if let Some(failed) = report.checks.iter().find(|check| !check.passes) {
        if args.json {
            print_json(&report)?;
        }
        bail!(
            "{}: the logits of the imported network differ from {} by {:.1e} of their range, {:.0e} is allowed; nothing was \
             written{}",
            args.file.display(),
            failed.against,
            failed.comparison.share(),
            failed.comparison.allowed,
            advice(args, &imported, &options, &failed.comparison)
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

/// What may be the cause of a difference from the reference answers.
fn advice(args: &Args, imported: &Imported, options: &Options, failed: &Comparison) -> String {
    if imported.structure == Structure::Assumed
        && let Some(flags) = options
            .vectors
            .as_ref()
            .and_then(|vectors| agreeing(args, options, vectors))
    {
        return format!(". With {flags} they agree");
    }
    let is_close = failed.share() <= Precision::BFloat16.bar();
    if is_close && args.tolerance.is_none() && failed.precision == Precision::Float32 {
        return ". If the answers were computed in TF32 (a GPU's default) or in half precision, --tolerance 1e-2 allows for it"
            .into();
    }
    if failed.share() > Precision::Float16.bar() && args.check.is_some() {
        return ". The usual causes: answers of a network in training mode (PyTorch: call eval()), or `x` before its preprocessing"
            .into();
    }
    String::new()
}

/// A value of a flag, and what it sets.
type Choice = (&'static str, fn(&mut Assumed));

/// What a state dict may have instead of what was assumed, if the reference answers agree with it.
fn agreeing(args: &Args, options: &Options, vectors: &Vectors) -> Option<String> {
    let given = options.assumed;
    let mut others: Vec<(String, Assumed)> = vec![(String::new(), given)];
    let mut vary = |name: &str, values: &[Choice]| {
        for (text, known) in others.clone() {
            for (value, set) in values {
                let mut other = known;
                set(&mut other);
                others.push((format!("{text} {name} {value}").trim_start().to_owned(), other));
            }
        }
    };
    if given.stem_pool.is_none() {
        vary("--stem-pool", &[("none", |other| other.stem_pool = Some(false))]);
    }
    if given.stem_stride.is_none() {
        let strides: [Choice; 2] = [
            ("1", |other| other.stem_stride = Some(1)),
            ("2", |other| other.stem_stride = Some(2)),
        ];
        vary("--stem-stride", &strides);
    }
    if given.epsilon.is_none() {
        vary("--epsilon", &[("1e-3", |other| other.epsilon = Some(1e-3))]);
    }
    if given.transition_relu.is_none() {
        vary(
            "--transition-relu",
            &[("no", |other| other.transition_relu = Some(false))],
        );
    }
    if given.head_relu.is_none() {
        vary("--head-relu", &[("no", |other| other.head_relu = Some(false))]);
    }
    others.sort_by_key(|(text, _)| text.len());
    let agrees = |assumed: Assumed| {
        let options = Options {
            assumed,
            ..options.clone()
        };
        let found = import(&args.file, &options).ok()?.against(vectors).ok()?;
        Some(found.passes() && !found.is_saturated())
    };
    let found = others
        .into_iter()
        .skip(1)
        .find(|(_, assumed)| agrees(*assumed) == Some(true));
    found.map(|(text, _)| text)
}

/// Reads the file and the data set: the file with the data set's shape if file and user leave it open, and with the
/// preprocessing that the data set's values mean.
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

fn checks(
    args: &Args,
    imported: &Imported,
    options: &Options,
    data: Option<&Dataset>,
) -> anyhow::Result<Vec<Check>> {
    let check = |against: String, comparison: Comparison| Check {
        against,
        comparison,
        passes: comparison.passes(),
        is_saturated: comparison.is_saturated(),
    };
    let mut checks = Vec::new();
    if let (Some(path), Some(vectors)) = (&args.check, &options.vectors) {
        let comparison = imported.against(vectors);
        let comparison = comparison.with_context(|| path.display().to_string())?;
        checks.push(check(
            format!("{} (reference answers)", path.display()),
            comparison,
        ));
    }
    let (images, what) = match data {
        Some(data) if !data.test.is_empty() => (data.test.sample(compared(imported)).images, "test images"),
        _ => (imported.noise(compared(imported), 1), "random inputs"),
    };
    let comparison = imported.against_graph(&images);
    checks.push(check(
        format!("{}, on {what}", imported.graph_is_of()),
        comparison,
    ));
    Ok(checks)
}

/// Images that are compared with the file's graph: fewer of a large network.
fn compared(imported: &Imported) -> usize {
    let spec = &imported.network.spec;
    let values: usize = spec
        .maps()
        .blocks
        .iter()
        .map(|map| map.pixels() * map.channels)
        .sum();
    let most = usize::try_from(MOST_MACS / spec.macs().max(1)).unwrap_or(COMPARED);
    most.min(MOST_VALUES / values.max(1)).clamp(1, COMPARED)
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
