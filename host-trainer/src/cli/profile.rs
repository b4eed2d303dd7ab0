//! `denselet profile`: counts the instructions of each stage of an inference.

use super::output::{Kind, Output, print_json, say};
use super::terminal::{spinner, table, warn_of_order};
use crate::blob::Blob;
use crate::board::{self, Program, Request, Table, Workspace};
use crate::inspect;
use crate::inspect::grouped;
use crate::plots::bars;
use anyhow::Context;
use core::time::Duration;
use serde::Serialize;
use std::path::PathBuf;

/// Options of `denselet profile`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Flash traffic is the size of the parameters that the inner loops read: every filter once for each tile of pixels.

--cycles models a Cortex-M4 by its published timing table, with memory without wait states. It needs a C compiler (cc) and an \
emulator with plugins.

Examples:
  denselet profile model.dlt --board mps2-an386
  denselet profile model.dlt --board mps2-an386 --cycles
  denselet profile model.dlt --board microbit --chart profile.svg --json"
)]
pub struct Args {
    /// A blob
    model: PathBuf,
    /// Board to run on; `denselet boards` lists them
    #[arg(long, value_name = "NAME")]
    board: String,
    /// Model cycles too, of a Cortex-M4
    #[arg(long)]
    cycles: bool,
    /// SVG file of the bar chart [default: the model's name with .profile.svg]
    #[arg(long, value_name = "FILE")]
    chart: Option<PathBuf>,
    /// Longest time of the emulator, in seconds
    #[arg(long, default_value_t = 1800, value_name = "SECONDS")]
    timeout: u64,
    /// Denselet's sources [default: those that this program was built from]
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Install what is missing: a Rust target, QEMU
    #[arg(long)]
    install: bool,
    /// Replace a file of another kind
    #[arg(long)]
    force: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Figures of all stages of an inference.
#[derive(Debug, Serialize)]
struct Profile {
    model: PathBuf,
    board: String,
    /// Sum of the stages, each counted separately.
    instructions: u64,
    /// Instructions of a whole inference, as `denselet run` counts them.
    instructions_whole: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cycles: Option<u64>,
    macs_executed: u64,
    flash_bytes_read: u64,
    layers: Vec<StageFigures>,
    chart: PathBuf,
}

/// Figures of one stage.
#[derive(Debug, Serialize)]
struct StageFigures {
    name: String,
    what: String,
    macs_executed: u64,
    instructions: u64,
    instructions_per_mac: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cycles: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cycles_per_mac: Option<f64>,
    flash_bytes_read: u64,
    /// Share of all instructions, from 0 to 1.
    share: f64,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let path = args
        .chart
        .clone()
        .unwrap_or_else(|| args.model.with_extension("profile.svg"));
    let out = Output::new(&path, Kind::Chart, args.force)?;
    let boards = Table::load()?;
    let board = boards.find(&args.board)?;
    let workspace = Workspace::find(args.workspace.as_deref())?.installing(args.install);
    let blob = Blob::read(&args.model)?;
    warn_of_order(blob.model()?.header().order, board);
    let sizes = inspect::blob(&args.model.display().to_string(), &blob).context("network is too large")?;
    let wait = spinner(format!("profiles on {}", board.name), args.json);
    let shape = blob.model()?.header().input;
    let image: Vec<u8> = (0..shape.pixels() * shape.channels).map(|at| at as u8).collect();
    let request = Request {
        workspace: &workspace,
        table: &boards,
        board,
        program: Program::Logits,
        model: &blob,
        images: &image,
        labels: &[],
        cycles: args.cycles,
        limit: Duration::from_secs(args.timeout),
    };
    let stages = board::profile(&request)?;
    let without_cycles = Request {
        cycles: false,
        ..request
    };
    let whole = board::run(&without_cycles, &mut |_| ())?;
    let whole = whole
        .instructions
        .context("the board counted no instructions")?
        .max;
    wait.finish_and_clear();
    let total: u64 = stages.iter().map(|stage| stage.instructions).sum();
    let layers = sizes
        .layers
        .iter()
        .zip(&stages)
        .map(|(size, stage)| StageFigures {
            name: size.name.clone(),
            what: size.what.clone(),
            macs_executed: size.macs_executed,
            instructions: stage.instructions,
            instructions_per_mac: stage.instructions as f64 / size.macs_executed.max(1) as f64,
            cycles: stage.cycles,
            cycles_per_mac: stage
                .cycles
                .map(|cycles| cycles as f64 / size.macs_executed.max(1) as f64),
            flash_bytes_read: size.flash_bytes_read,
            share: stage.instructions as f64 / total.max(1) as f64,
        });
    let layers: Vec<StageFigures> = layers.collect();
    let report = Profile {
        model: args.model.clone(),
        board: board.name.clone(),
        instructions: total,
        instructions_whole: whole,
        cycles: layers.iter().map(|row| row.cycles).sum(),
        macs_executed: layers.iter().map(|row| row.macs_executed).sum(),
        flash_bytes_read: layers.iter().map(|row| row.flash_bytes_read).sum(),
        layers,
        chart: path.clone(),
    };
    let bars: Vec<(String, f64)> = report
        .layers
        .iter()
        .map(|row| (row.name.clone(), row.instructions as f64))
        .collect();
    let title = format!("One inference on {}: {} instructions", board.name, grouped(whole));
    out.write(bars::bars(&title, &bars)?.as_bytes())?;
    if args.json {
        return print_json(&report);
    }
    print(&report);
    Ok(())
}

fn print(report: &Profile) {
    let per_mac = |count: u64, macs: u64| format!("{:.2}", count as f64 / macs.max(1) as f64);
    // The columns of cycles are present only with --cycles.
    let cells = |name: &str, what: &str, macs: u64, instructions: u64, cycles: Option<u64>| {
        let mut cells = vec![
            name.to_owned(),
            what.to_owned(),
            grouped(macs),
            grouped(instructions),
        ];
        cells.push(per_mac(instructions, macs));
        cells.extend(cycles.map(grouped));
        cells.extend(cycles.map(|cycles| per_mac(cycles, macs)));
        cells
    };
    let rows = report.layers.iter().map(|row| {
        let mut cells = cells(
            &row.name,
            &row.what,
            row.macs_executed,
            row.instructions,
            row.cycles,
        );
        cells.push(grouped(row.flash_bytes_read));
        cells.push(format!("{:.1} %", 100.0 * row.share));
        cells
    });
    let mut total = cells(
        "total",
        "",
        report.macs_executed,
        report.instructions,
        report.cycles,
    );
    total.push(grouped(report.flash_bytes_read));
    total.push("100.0 %".to_owned());
    let mut header = vec!["stage", "computes", "MACs as executed", "instructions", "per MAC"];
    if report.cycles.is_some() {
        header.extend(["cycles", "per MAC"]);
    }
    header.extend(["flash bytes read", "share"]);
    say(table(&header, rows.chain([total])));
    if report.cycles.is_some() {
        say("Cycles are modelled: a Cortex-M4 with memory without wait states.");
    }
    let (sum, whole) = (report.instructions, report.instructions_whole);
    say(format_args!(
        "One inference as a whole: {} instructions, as `denselet run` counts them. The sum of the stages is {} ({} {}): each stage is \
         counted separately.",
        grouped(whole),
        grouped(sum),
        grouped(sum.abs_diff(whole)),
        if sum >= whole { "more" } else { "fewer" }
    ));
    say(format_args!("bar chart in {}", report.chart.display()));
}
