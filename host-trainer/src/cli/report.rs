//! `denselet report`: a run on one page.

use super::data_flags::{DataFlags, print_notes, warn};
use super::model::load_for;
use super::output::{Kind, Output, print_json, say};
use super::terminal::progress;
use crate::report::Facts;
use crate::train::RunFolder;
use crate::train::checkpoint::{self, Checkpoint};
use anyhow::Context;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Name of the page in a run's folder.
pub const FILE_NAME: &str = "report.html";

/// Options of `denselet report`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  denselet report runs/fashion                       (writes runs/fashion/report.html)
  denselet report runs/fashion --data ~/fashion-mnist --out fashion.html")]
pub struct Args {
    /// A run's folder or a checkpoint file
    #[arg(value_name = "DIR")]
    run: PathBuf,
    /// Data set to test on [default: the one it was trained on]
    #[arg(long, value_name = "NAME|DIR")]
    data: Option<String>,
    /// Page to write [default: report.html in the run's folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    data_flags: DataFlags,
    /// Use the last network of a run's folder, not the one with the highest held-out accuracy
    #[arg(long)]
    last: bool,
    /// Replace a file of another kind
    #[arg(long)]
    force: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What was written, and what it says.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// The page.
    pub out: PathBuf,
    /// Inputs of the test split.
    pub test_images: usize,
    /// Share right in float, 0 to 1.
    pub float_accuracy: f64,
    /// Share right in int8, bit-exact with the device, 0 to 1.
    pub int8_accuracy: f64,
    /// What is wrong with the network or its calibration.
    pub warnings: Vec<String>,
    /// What was inferred while the data was read.
    pub notes: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let folder = if args.run.is_dir() {
        &args.run
    } else {
        args.run.parent().unwrap_or(Path::new("."))
    };
    let out = args.out.clone().unwrap_or_else(|| folder.join(FILE_NAME));
    let output = Output::new(&out, Kind::Page, args.force)?;
    // A page in a run's folder is written by one process at a time, as everything there.
    let _claim = match out.parent() {
        Some(folder) if RunFolder::is_ours(folder) => Some(RunFolder::claim(folder)?),
        _ => None,
    };
    let run = checkpoint::load_chosen(&args.run, args.last)?;
    let chosen = checkpoint::choose(&args.run, args.last);
    let data = load_for(&chosen, &run, args.data.as_deref(), &args.data_flags)?;
    print_notes(&data);
    let report = write(&run, &data, &output, args.json)?;
    if args.json {
        return print_json(&report);
    }
    say(format_args!(
        "{}: float {:.2} %, int8 {:.2} % (bit-exact with the device) on {} test images",
        report.out.display(),
        100.0 * report.float_accuracy,
        100.0 * report.int8_accuracy,
        report.test_images
    ));
    Ok(())
}

/// Tests a run and writes its page.
///
/// # Errors
/// Returns an error if the network cannot be exported or the page cannot be written.
pub fn write(
    run: &Checkpoint,
    data: &crate::data::Dataset,
    out: &Output,
    quiet: bool,
) -> anyhow::Result<Summary> {
    let bar = progress(data.test.len(), "images", quiet);
    let facts = Facts::gather(run, data, &|n| bar.inc(n as u64))?;
    bar.finish_and_clear();
    out.write(facts.page()?.as_bytes()).context("report")?;
    warn(&facts.warnings);
    Ok(Summary {
        out: out.path().to_owned(),
        test_images: data.test.len(),
        float_accuracy: facts.float.accuracy(),
        int8_accuracy: facts.int8.accuracy(),
        warnings: facts.warnings.clone(),
        notes: data.notes.clone(),
    })
}
