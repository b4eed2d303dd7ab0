//! `denselet profile`: where an inference's instructions go, stage by stage.

use super::{print_json, say, spinner, table};
use crate::blob::Blob;
use crate::board::{self, Table, Workspace};
use crate::inspect::grouped;
use crate::{chart, inspect, whole_file};
use anyhow::Context;
use core::time::Duration;
use serde::Serialize;
use std::path::PathBuf;

/// Options of `denselet profile`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Flash traffic counts the parameters that the inner loops read: every filter once for each tile of pixels.

Examples:
  denselet profile model.dlt --board mps2-an386
  denselet profile model.dlt --board microbit --chart profile.svg --json"
)]
pub struct Args {
    /// A blob
    model: PathBuf,
    /// Board to run on; `denselet boards` lists them
    #[arg(long, value_name = "NAME")]
    board: String,
    /// Where the bar chart goes, an SVG file [default: the model's name with .profile.svg]
    #[arg(long, value_name = "FILE")]
    chart: Option<PathBuf>,
    /// Seconds the emulator may take
    #[arg(long, default_value_t = 1800, value_name = "SECONDS")]
    timeout: u64,
    /// Denselet's sources [default: those that this program was built from]
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Report {
    model: PathBuf,
    board: String,
    instructions: u64,
    macs: u64,
    flash_bytes_read: u64,
    layers: Vec<Row>,
    chart: PathBuf,
}

/// One stage.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    what: String,
    macs: u64,
    instructions: u64,
    instructions_per_mac: f64,
    flash_bytes_read: u64,
    /// Of all instructions, 0 to 1.
    share: f64,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let boards = Table::load()?;
    let board = boards.find(&args.board)?;
    let workspace = Workspace::find(args.workspace.as_deref())?;
    let blob = Blob::read(&args.model)?;
    let sizes = inspect::blob(&args.model.display().to_string(), &blob).context("network is too large")?;
    let wait = if args.json {
        indicatif::ProgressBar::hidden()
    } else {
        spinner(format!("profiles on {}", board.name))
    };
    let counts = board::profile(
        &workspace,
        &boards,
        board,
        &blob,
        Duration::from_secs(args.timeout),
    )?;
    wait.finish_and_clear();
    let total: u64 = counts.iter().sum();
    let layers = sizes.layers.iter().zip(&counts).map(|(size, &instructions)| Row {
        name: size.name.clone(),
        what: size.what.clone(),
        macs: size.macs,
        instructions,
        instructions_per_mac: instructions as f64 / size.macs.max(1) as f64,
        flash_bytes_read: size.flash_bytes_read,
        share: instructions as f64 / total.max(1) as f64,
    });
    let layers: Vec<Row> = layers.collect();
    let path = args
        .chart
        .clone()
        .unwrap_or_else(|| args.model.with_extension("profile.svg"));
    let report = Report {
        model: args.model.clone(),
        board: board.name.clone(),
        instructions: total,
        macs: layers.iter().map(|row| row.macs).sum(),
        flash_bytes_read: layers.iter().map(|row| row.flash_bytes_read).sum(),
        layers,
        chart: path.clone(),
    };
    let bars: Vec<(String, f64)> = report
        .layers
        .iter()
        .map(|row| (row.name.clone(), row.instructions as f64))
        .collect();
    let title = format!("{} instructions an inference on {}", grouped(total), board.name);
    whole_file::write(&path, chart::bars(&title, &bars)?.as_bytes())?;
    if args.json {
        return print_json(&report);
    }
    print(&report);
    Ok(())
}

fn print(report: &Report) {
    let rows = report.layers.iter().map(|row| {
        vec![
            row.name.clone(),
            row.what.clone(),
            grouped(row.macs),
            grouped(row.instructions),
            format!("{:.2}", row.instructions_per_mac),
            grouped(row.flash_bytes_read),
            format!("{:.1} %", 100.0 * row.share),
        ]
    });
    let total = vec![
        "total".to_owned(),
        String::new(),
        grouped(report.macs),
        grouped(report.instructions),
        format!("{:.2}", report.instructions as f64 / report.macs.max(1) as f64),
        grouped(report.flash_bytes_read),
        "100.0 %".to_owned(),
    ];
    let header = [
        "stage",
        "computes",
        "MACs",
        "instructions",
        "per MAC",
        "flash bytes read",
        "share",
    ];
    say(table(&header, rows.chain([total])));
    say(format_args!("bar chart in {}", report.chart.display()));
}
