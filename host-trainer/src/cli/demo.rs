//! `denselet demo`: the whole path on the digits data set.

use super::output::{print_json, say};
use super::run::run_with_progress;
use super::terminal::{progress, table};
use super::watch::Watch;
use crate::blob::Blob;
use crate::board::{Outcome, Program, Request, Table, Workspace};
use crate::calibrate::{self, Calibration};
use crate::data::{Dataset, Reading};
use crate::evaluate::{self, Confusion};
use crate::export::export;
use crate::inspect::grouped;
use crate::plots::gallery::{self, Gallery};
use crate::spec::Spec;
use crate::train::{self, Place, Recipe};
use crate::whole_file;
use anyhow::Context;
use core::time::Duration;
use denselet::layout::Order;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Options of `denselet demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  denselet demo
  denselet demo --board microbit --out runs/microbit
  denselet demo --json")]
pub struct Args {
    /// Folder of the results; an earlier demo there is replaced
    #[arg(long, value_name = "DIR", default_value = "runs/demo")]
    out: PathBuf,
    /// Board to run on; `denselet boards` lists them
    #[arg(long, value_name = "NAME", default_value = "mps2-an386")]
    board: String,
    /// Test images that run on the board
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=360))]
    count: u16,
    /// Denselet's sources [default: those that this program was built from]
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What came out.
#[derive(Debug, Serialize)]
struct Summary {
    float_accuracy: f64,
    int8_accuracy: f64,
    blob_bytes: usize,
    arena_bytes: usize,
    flash_bytes: usize,
    stack_bytes: usize,
    instructions: u64,
    device_images: usize,
    device_equal: usize,
    board: String,
    out: PathBuf,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let tell = |line: &str| {
        if !args.json {
            say(line);
        }
    };
    let boards = Table::load()?;
    let board = boards.find(&args.board)?;
    let workspace = Workspace::find(args.workspace.as_deref())?.installing(true);
    let out = std::path::absolute(&args.out)?;

    let spec = Spec::load("digits")?;
    let data = Dataset::load("digits", &Reading::default())?;
    tell(&format!(
        "1/4 trains a DenseNet-BC of {} parameters on {} handwritten digits",
        grouped(spec.parameters() as u64),
        data.train.len()
    ));
    let mut watch = Watch::new(args.json);
    // So few images are all trained on.
    let recipe = Recipe {
        held_out: 0.0,
        ..Recipe::for_data(&data)
    };
    let place = Place {
        folder: &out,
        resume: false,
        command: None,
    };
    let run = train::train_in(place, &spec, &data, &recipe, &mut watch)?;
    let (about, network) = (run.about(), run.network);
    watch.finish();
    let float_accuracy = train::accuracy(&network, &data.test);

    tell("2/4 folds batch norms into clamps, quantises to int8, writes the blob");
    let calibration = Calibration::draw(&data, calibrate::IMAGES);
    let path = out.join("digits.dlt");
    let images = &calibration.images.images;
    let blob = export(&network, images, Order::Pairs, Some(&about))?;
    whole_file::write(&path, &blob)?;
    let blob = Blob::read(&path)?;

    tell(&format!(
        "3/4 evaluates {} test images with the integer runtime",
        data.test.len()
    ));
    let bar = progress(data.test.len(), "images", args.json);
    let logits = evaluate::logits(&blob, &data.test.images, &|n| bar.inc(n as u64))?;
    bar.finish_and_clear();
    let classes = blob.model()?.classes();
    let confusion = Confusion::new(&logits, &data.test.labels, classes);

    let test = data.test.sample(args.count.into());
    tell(&format!(
        "4/4 runs {} of them on an emulated {} ({})",
        test.len(),
        board.core,
        board.name
    ));
    let outcome = run_with_progress(
        &Request {
            workspace: &workspace,
            table: &boards,
            board,
            program: Program::Logits,
            model: &blob,
            images: &test.images,
            labels: &test.labels,
            cycles: false,
            limit: Duration::from_secs(600),
        },
        args.json,
    )?;

    let instructions = outcome
        .instructions
        .context("the board counted no instructions")?;
    let summary = Summary {
        float_accuracy,
        int8_accuracy: confusion.accuracy(),
        blob_bytes: blob.bytes().len(),
        arena_bytes: outcome.arena_bytes,
        flash_bytes: outcome.sizes.flash_code_bytes + outcome.sizes.flash_model_bytes,
        stack_bytes: outcome.stack_bytes,
        instructions: instructions.max,
        device_images: outcome.images,
        device_equal: outcome.images_equal,
        board: outcome.board.clone(),
        out: out.clone(),
    };
    draw(&out.join("result.svg"), &summary, &data, &logits)?;
    whole_file::write(
        &out.join("report.json"),
        serde_json::to_string_pretty(&summary)?.as_bytes(),
    )?;
    if args.json {
        print_json(&summary)?;
    } else {
        print(&summary, &outcome);
    }
    anyhow::ensure!(outcome.matches_host, "the board's logits are not the host's");
    Ok(())
}

fn print(summary: &Summary, outcome: &Outcome) {
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let bytes = |n: usize| format!("{} bytes", grouped(n as u64));
    let rows = [
        ["float accuracy", &percent(summary.float_accuracy)],
        ["int8 accuracy", &percent(summary.int8_accuracy)],
        ["blob", &bytes(summary.blob_bytes)],
        ["arena", &bytes(summary.arena_bytes)],
        [
            "firmware flash",
            &format!(
                "{}: code {}, model {}",
                bytes(summary.flash_bytes),
                grouped(outcome.sizes.flash_code_bytes as u64),
                grouped(outcome.sizes.flash_model_bytes as u64)
            ),
        ],
        ["stack", &bytes(summary.stack_bytes)],
        [
            "instructions",
            &format!("{} per inference", grouped(summary.instructions)),
        ],
        [
            "device = host",
            &format!(
                "{} of {} images, every logit, bit for bit",
                summary.device_equal, summary.device_images
            ),
        ],
    ];
    let header = ["digits", &format!("on {}", summary.board)];
    say(table(&header, rows.map(|row| row.map(str::to_owned).to_vec())));
    say(format_args!(
        "checkpoint, blob, image (result.svg) and figures (report.json) are in {}",
        summary.out.display()
    ));
}

/// The image: test images with what the integer runtime says of each.
fn draw(path: &Path, summary: &Summary, data: &Dataset, logits: &[i32]) -> anyhow::Result<()> {
    let classes = data.classes.len();
    let predictions: Vec<usize> = logits.chunks_exact(classes).map(evaluate::largest).collect();
    let lines = [
        format!(
            "{:.2} % of {} test images right in int8 ({:.2} % in float)",
            100.0 * summary.int8_accuracy,
            data.test.len(),
            100.0 * summary.float_accuracy
        ),
        format!(
            "{}: {} instructions an image, {} bytes of arena, {} bytes of stack, {} bytes of flash",
            summary.board,
            grouped(summary.instructions),
            grouped(summary.arena_bytes as u64),
            grouped(summary.stack_bytes as u64),
            grouped(summary.flash_bytes as u64)
        ),
    ];
    let svg = gallery::gallery(&Gallery {
        title: "A DenseNet reads digits on a microcontroller",
        lines: &lines,
        split: &data.test,
        shape: [data.height, data.width, data.channels],
        white: 16,
        classes: &data.classes,
        predictions: &predictions,
    })?;
    Ok(whole_file::write(path, svg.as_bytes())?)
}
