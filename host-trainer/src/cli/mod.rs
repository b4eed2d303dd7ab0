//! The command line: one file per subcommand, nothing but options, calls and printing.

pub mod bench;
pub mod bench_train;
pub mod boards;
pub mod build;
pub mod completions;
pub mod data_flags;
pub mod demo;
pub mod eval;
pub mod export;
pub mod export_onnx;
pub mod finetune;
pub mod flags;
pub mod import;
pub mod import_data;
mod import_report;
pub mod inspect;
pub mod man;
pub mod model;
pub mod net;
mod output;
pub mod predict;
pub mod profile;
pub mod report;
pub mod run;
pub mod train;
mod verbosity;
pub mod watch;

pub use verbosity::{Verbosity, detail, is_quiet, note};

pub use output::{Closed, Kind, Output, print_json, say, tell};

use crate::board::{Board, order_name};
use denselet::layout::Order;

/// DenseNets for microcontrollers: train, quantise, export, evaluate, run on an emulated board.
#[derive(Debug, clap::Parser)]
#[command(name = "denselet", version, about)]
pub struct Cli {
    /// How much is printed.
    #[command(flatten)]
    pub verbosity: Verbosity,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Train, quantise and run the digits that ship with denselet on an emulated board.
    Demo(demo::Args),
    /// Train a network.
    Train(Box<train::Args>),
    /// Import a network trained with Keras or PyTorch.
    Import(import::Args),
    /// Write a trained network as ONNX, or as a PyTorch state dict.
    ExportOnnx(export_onnx::Args),
    /// Fold, calibrate, quantise and pack a trained network into a blob.
    Export(export::Args),
    /// Train the integers that the device runs, starting from a trained network.
    Finetune(finetune::Args),
    /// Measure the accuracy of a blob (int8, bit-exact with the device) or of a checkpoint (float).
    Eval(eval::Args),
    /// Classify image files.
    Predict(predict::Args),
    /// Write an HTML page of a run: curves, confusion matrix, arena, sizes.
    Report(report::Args),
    /// Print sizes of a blob or a network, stage by stage.
    Inspect(inspect::Args),
    /// List the presets, or print one as TOML.
    Net(net::Args),
    /// Run a model on an emulated board.
    Run(run::Args),
    /// Count an inference's instructions on an emulated board, stage by stage.
    Profile(profile::Args),
    /// Compare five networks on a board with a peer's recorded figures.
    Bench(bench::Args),
    /// Build firmware with a model embedded.
    Build(build::Args),
    /// List the boards.
    Boards(boards::Args),
    /// Measure how fast this machine trains a network.
    BenchTrain(bench_train::Args),
    /// Print a script that completes commands and options in a shell.
    Completions(completions::Args),
    /// Print the manual, or write its pages into a folder.
    Man(man::Args),
}

impl Cli {
    /// Runs the chosen subcommand.
    pub fn run(&self) -> anyhow::Result<()> {
        self.verbosity.set();
        let start = std::time::Instant::now();
        let outcome = self.dispatch();
        detail(format_args!(
            "the command took {:.2} s",
            start.elapsed().as_secs_f64()
        ));
        outcome
    }

    fn dispatch(&self) -> anyhow::Result<()> {
        match &self.command {
            Command::Demo(args) => demo::run(args),
            Command::Train(args) => train::run(args),
            Command::Import(args) => import::run(args),
            Command::ExportOnnx(args) => export_onnx::run(args),
            Command::Export(args) => export::run(args),
            Command::Finetune(args) => finetune::run(args),
            Command::Eval(args) => eval::run(args),
            Command::Predict(args) => predict::run(args),
            Command::Report(args) => report::run(args),
            Command::Inspect(args) => inspect::run(args),
            Command::Net(args) => net::run(args),
            Command::Run(args) => run::run(args),
            Command::Build(args) => build::run(args),
            Command::Profile(args) => profile::run(args),
            Command::Bench(args) => bench::run(args),
            Command::Boards(args) => boards::run(args),
            Command::BenchTrain(args) => bench_train::run(args),
            Command::Completions(args) => completions::run(args),
            Command::Man(args) => man::run(args),
        }
    }
}

/// Warns that a blob's weights are in another order than a board's inner loops read: by what factor it is slower, and which
/// command makes a blob in the board's order.
pub fn warn_of_order(order: Order, board: &Board) {
    if let Some(text) = order_warning(order, board) {
        tell(format_args!("warning: {text}"));
    }
}

/// The warning; none if the order makes no difference of a hundredth.
fn order_warning(order: Order, board: &Board) -> Option<String> {
    let times = board.times(order);
    (times >= 1.01).then(|| {
        format!(
            "the weights are in {} order, and {name} reads {}: an inference takes {times:.1} times the instructions. A blob in its \
             order: `denselet export RUN --board {name}`",
            order_name(order),
            order_name(board.order()),
            name = board.name
        )
    })
}

/// A table for people: numbers to the right.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table
        .load_preset(comfy_table::presets::UTF8_FULL_CONDENSED)
        .set_header(header);
    for row in rows {
        table.add_row(row.into_iter().map(|text| {
            let is_number = text.starts_with(|first: char| first.is_ascii_digit());
            let cell = comfy_table::Cell::new(&text);
            if is_number {
                cell.set_alignment(comfy_table::CellAlignment::Right)
            } else {
                cell
            }
        }));
    }
    table
}

/// A progress bar over `count` things on standard error; none if `quiet`, under `--quiet`, or without a terminal.
pub fn progress(count: usize, what: &str, quiet: bool) -> indicatif::ProgressBar {
    if quiet || is_quiet() {
        return indicatif::ProgressBar::hidden();
    }
    let template = format!("{{bar:32}} {{pos}}/{{len}} {what}, {{elapsed}} so far, {{eta}} left");
    let style = indicatif::ProgressStyle::with_template(&template)
        .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar());
    indicatif::ProgressBar::new(count as u64).with_style(style)
}

/// A line that moves on standard error while something takes its time; none if `quiet`, under `--quiet`, or without a terminal.
pub fn spinner(message: impl Into<std::borrow::Cow<'static, str>>, quiet: bool) -> indicatif::ProgressBar {
    if quiet || is_quiet() {
        return indicatif::ProgressBar::hidden();
    }
    let spinner = indicatif::ProgressBar::new_spinner().with_message(message);
    spinner.enable_steady_tick(core::time::Duration::from_millis(120));
    spinner
}
