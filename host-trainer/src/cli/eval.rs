//! `denselet eval`: accuracy of a blob or a checkpoint on a data set.

use super::{print_json, progress, say, table};
use crate::blob::Blob;
use crate::data::{Dataset, Reading, SAMPLE_SEED, Sample, Split};
use crate::evaluate::{self, Confusion};
use crate::finetune::checkpoint as finetuned;
use crate::spec::Input;
use crate::train::checkpoint;
use anyhow::Context;
use denselet::layout::Order;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Options of `denselet eval`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  denselet eval model.dlt --data fashion-mnist
  denselet eval runs/fashion --data fashion-mnist         (the float network)
  denselet eval runs/fashion-int8 --data fashion-mnist    (a fine-tuned network: the device's bits)
  denselet eval model.dlt --data pictures/ --count 500 --json")]
pub struct Args {
    /// A blob or a fine-tuned network (runs with the device's bits), or a run's folder or checkpoint (runs in float)
    #[arg(value_name = "MODEL|DIR")]
    model: PathBuf,
    /// Data set; its test images are used
    #[arg(long, value_name = "NAME|DIR")]
    data: String,
    /// Takes N test images, a seeded sample balanced over the classes [default: all]
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// Of a run's folder take the last network, not the one with the highest held-out accuracy
    #[arg(long)]
    last: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Report {
    model: PathBuf,
    data: String,
    arithmetic: &'static str,
    images: usize,
    sample: Sample,
    accuracy: f64,
    classes: Vec<String>,
    confusion: Vec<Vec<usize>>,
}

/// One measurement, before it is reported.
struct Measured {
    arithmetic: &'static str,
    sample: Sample,
    confusion: Confusion,
    classes: Vec<String>,
}

/// The test images that are measured.
fn images(args: &Args, data: &Dataset) -> (Split, Sample) {
    data.test.draw(args.count.unwrap_or(usize::MAX), SAMPLE_SEED)
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let finetuned = finetuned::find(&args.model);
    let measured = if let Some(file) = &finetuned {
        integers(args, &finetuned::load(file)?.blob(Order::Plain)?)?
    } else if is_blob(&args.model) {
        integers(args, &Blob::read(&args.model)?)?
    } else {
        floats(args)?
    };
    let report = Report {
        model: finetuned.unwrap_or_else(|| checkpoint::choose(&args.model, args.last)),
        data: args.data.clone(),
        arithmetic: measured.arithmetic,
        images: measured.confusion.images(),
        sample: measured.sample,
        accuracy: measured.confusion.accuracy(),
        classes: measured.classes,
        confusion: measured.confusion.counts,
    };
    if args.json {
        return print_json(&report);
    }
    print(&report);
    Ok(())
}

/// Whether a path is a file that starts as a blob does, or says so by its name.
pub fn is_blob(path: &Path) -> bool {
    let starts = std::fs::File::open(path).is_ok_and(|mut file| {
        let mut magic = [0; 4];
        std::io::Read::read_exact(&mut file, &mut magic).is_ok() && magic == denselet::format::MAGIC
    });
    starts || path.extension().is_some_and(|extension| extension == "dlt")
}

fn integers(args: &Args, blob: &Blob) -> anyhow::Result<Measured> {
    let model = blob.model()?;
    let shape = model.header().input;
    let input = Input {
        height: shape.height,
        width: shape.width,
        channels: shape.channels,
    };
    let data = load(&args.data, input, model.classes())?;
    let (test, sample) = images(args, &data);
    let bar = progress(test.len(), "images", args.json);
    let logits = evaluate::logits(blob, &test.images, &|n| bar.inc(n as u64))?;
    bar.finish_and_clear();
    Ok(Measured {
        arithmetic: "int8",
        sample,
        confusion: Confusion::new(&logits, &test.labels, model.classes()),
        classes: data.classes,
    })
}

/// Loads a data set in the shape and with the number of classes of a network.
pub fn load(name: &str, input: Input, classes: usize) -> anyhow::Result<Dataset> {
    let data = Dataset::load(
        name,
        &Reading {
            input: Some(input),
            resize: true,
            ..Reading::default()
        },
    )
    .with_context(|| format!("data set `{name}`"))?;
    anyhow::ensure!(
        data.classes.len() <= classes,
        "data set `{name}` has {} classes, the network {classes}",
        data.classes.len()
    );
    anyhow::ensure!(
        data.channels == input.channels,
        "data set `{name}` has {} channels, the network reads {}",
        data.channels,
        input.channels
    );
    Ok(data)
}

fn print(report: &Report) {
    let header: Vec<&str> = ["is \\ said"]
        .into_iter()
        .chain(report.classes.iter().map(String::as_str))
        .collect();
    let rows = report
        .classes
        .iter()
        .zip(&report.confusion)
        .map(|(name, counts)| {
            let counts = counts.iter().take(report.classes.len());
            let shown = counts.map(|&n| if n == 0 { "·".to_owned() } else { n.to_string() });
            [name.clone()].into_iter().chain(shown).collect()
        });
    if report.classes.len() <= 20 {
        say(table(&header, rows));
    }
    say(format_args!(
        "{} on {} test images of {}: {:.2} % right ({})",
        report.model.display(),
        report.images,
        report.data,
        100.0 * report.accuracy,
        report.arithmetic
    ));
}

/// Images that go through a float network between two moves of the bar.
const CHUNK: usize = 256;

fn floats(args: &Args) -> anyhow::Result<Measured> {
    let network = checkpoint::load(&checkpoint::choose(&args.model, args.last))?.network;
    let classes = network.spec.classes;
    let data = load(&args.data, network.spec.input, classes)?;
    let (test, sample) = images(args, &data);
    let image_len = test.images.len() / test.len().max(1);
    let bar = progress(test.len(), "images", args.json);
    let mut logits = Vec::with_capacity(test.len() * classes);
    for images in test.images.chunks(CHUNK * image_len.max(1)) {
        let count = images.len() / image_len;
        logits.extend(network.logits(images, count));
        bar.inc(count as u64);
    }
    bar.finish_and_clear();
    Ok(Measured {
        arithmetic: "float",
        sample,
        confusion: Confusion::new(&logits, &test.labels, classes),
        classes: data.classes,
    })
}
