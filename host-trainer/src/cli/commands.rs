//! The subcommands of `denselet` and their dispatch.

use super::verbosity::{Verbosity, detail};
use super::{
    bench, bench_train, boards, build, completions, demo, eval, export, export_onnx, finetune, import,
    inspect, man, net, predict, profile, report, run, train,
};
use clap::CommandFactory;

/// DenseNets for microcontrollers: train, quantise, export, evaluate, run on an emulated board.
#[derive(Debug, clap::Parser)]
#[command(name = "denselet", version, about)]
pub struct Cli {
    /// Amount of output.
    #[command(flatten)]
    pub verbosity: Verbosity,
    /// Subcommand.
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
            Command::Completions(args) => completions::run(args, Self::command()),
            Command::Man(args) => man::run(args, Self::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let pages = man::pages(Cli::command()).unwrap();
        let text = |name: &str| {
            let page = pages.iter().find(|(file, _)| file == name);
            page.map_or_else(|| panic!("{name}"), |(_, text)| text)
        };
        assert!(text("denselet.1").contains("bench\\-train"));
        assert!(text("denselet-train.1").contains("held"));
        assert!(text("denselet-man.1").contains(".TH"));
    }
}
