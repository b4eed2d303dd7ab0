//! `denselet eval`: measures the accuracy of a blob or a checkpoint on a data set.

use super::data_flags::{DataFlags, at_least_one, print_notes};
use super::model::Model;
use super::output::{print_json, say};
use super::terminal::{progress, table};
use crate::data::{SAMPLE_SEED, Sample};
use crate::evaluate::Confusion;
use crate::suit;
use serde::Serialize;
use std::path::PathBuf;

/// Options of `denselet eval`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  denselet eval model.dlt --data fashion-mnist
  denselet eval runs/fashion --data fashion-mnist         (the float network)
  denselet eval runs/fashion-int8 --data fashion-mnist    (a fine-tuned network: int8, bit-exact with the device)
  denselet eval model.dlt --data images/ --count 500 --json")]
pub struct Args {
    /// A blob or a fine-tuned network (runs in int8, bit-exact with the device), or a run's folder or checkpoint (runs in float)
    #[arg(value_name = "MODEL|DIR")]
    model: PathBuf,
    /// Data set; its test images are used
    #[arg(long, value_name = "NAME|DIR")]
    data: String,
    /// Number of test images, a seeded sample balanced over the classes [default: all]
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    count: Option<usize>,
    #[command(flatten)]
    data_flags: DataFlags,
    /// Use the last network of a run's folder, not the one with the highest held-out accuracy
    #[arg(long)]
    last: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Accuracy of a model on a data set.
#[derive(Debug, Serialize)]
struct Evaluation {
    model: PathBuf,
    data: String,
    arithmetic: &'static str,
    images: usize,
    sample: Sample,
    accuracy: f64,
    classes: Vec<String>,
    confusion: Vec<Vec<usize>>,
    notes: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let model = Model::open(&args.model, args.last)?;
    let data = suit::load(&args.data, &model.takes, args.data_flags.reading())?;
    print_notes(&data);
    let (test, sample) = data.test.draw(args.count.unwrap_or(usize::MAX), SAMPLE_SEED);
    let bar = progress(test.len(), "images", args.json);
    let logits = model.logits(&test.images, &|n| bar.inc(n as u64))?;
    bar.finish_and_clear();
    let confusion = Confusion::new(&logits, &test.labels, model.takes.classes);
    let report = Evaluation {
        arithmetic: model.arithmetic(),
        model: model.file,
        data: args.data.clone(),
        images: confusion.images(),
        sample,
        accuracy: confusion.accuracy(),
        classes: data.classes,
        confusion: confusion.counts,
        notes: data.notes,
    };
    if args.json {
        return print_json(&report);
    }
    print(&report);
    Ok(())
}

fn print(report: &Evaluation) {
    let header: Vec<&str> = ["label \\ predicted"]
        .into_iter()
        .chain(report.classes.iter().map(String::as_str))
        .collect();
    let rows = report
        .classes
        .iter()
        .zip(&report.confusion)
        // A class without images has an empty row.
        .filter(|(_, counts)| counts.iter().any(|&count| count > 0))
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
