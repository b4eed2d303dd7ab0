//! The `denselet` command: parses the options, runs, prints an error chain, sets the exit code.

use clap::Parser;
use denselet_train::cli::{Cli, Closed, tell};
use denselet_train::train::TrainError;
use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = std::panic::catch_unwind(|| Cli::parse().run()).unwrap_or_else(|payload| {
        if let Some(closed) = payload.downcast_ref::<Closed>() {
            std::process::exit(closed.exit_code.into());
        }
        std::panic::resume_unwind(payload)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // The rank that failed says why.
        Err(error) if matches!(error.downcast_ref(), Some(TrainError::Elsewhere { .. })) => ExitCode::FAILURE,
        Err(error) => {
            tell(format_args!("error: {}", words(&error)));
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes, each once: many an error already says what caused it.
fn words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if words.is_empty() {
            words = cause;
        } else if !words.contains(cause.trim()) {
            words = format!("{words}: {cause}");
        }
    }
    words.trim_end().to_owned()
}
