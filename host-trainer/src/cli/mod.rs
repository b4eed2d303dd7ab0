//! The command line: a file for each subcommand, with its options, calls and printing.

pub mod bench;
pub mod bench_train;
pub mod boards;
pub mod build;
mod commands;
pub mod completions;
pub mod data_flags;
pub mod demo;
pub mod eval;
pub mod export;
pub mod export_onnx;
pub mod finetune;
pub mod flags;
pub mod import;
mod import_check;
pub mod import_data;
mod import_report;
mod import_state;
pub mod inspect;
pub mod man;
pub mod model;
pub mod net;
mod output;
pub mod predict;
pub mod profile;
pub mod report;
pub mod run;
mod terminal;
pub mod train;
mod verbosity;
pub mod watch;

pub use commands::{Cli, Command};
pub use output::{Closed, Kind, Output, print_json, say, tell};
pub use terminal::{progress, spinner, table, warn_of_order};
pub use verbosity::{Verbosity, detail, is_quiet, note};
