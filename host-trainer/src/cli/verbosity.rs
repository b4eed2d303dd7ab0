//! Amount of output on standard error: `--quiet` and `--verbose` of every command.
//!
//! Results go to standard output, warnings and errors to standard error, and no flag hides them. `--quiet` hides notes and
//! progress. `--verbose` adds details.

use core::fmt::Display;
use core::sync::atomic::{AtomicU8, Ordering};

/// Options of every command.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Verbosity {
    /// Print results, warnings and errors only: no notes, no progress
    #[arg(short, long, global = true, display_order = 900, conflicts_with = "verbose")]
    quiet: bool,
    /// Print details too: sizes of the data, duration of each part
    #[arg(short, long, global = true, display_order = 901)]
    verbose: bool,
}

const QUIET: u8 = 0;
const NORMAL: u8 = 1;
const VERBOSE: u8 = 2;

/// Set once, before a command runs.
static LEVEL: AtomicU8 = AtomicU8::new(NORMAL);

impl Verbosity {
    /// Applies the flags to this process.
    pub fn set(self) {
        let level = match (self.quiet, self.verbose) {
            (true, _) => QUIET,
            (_, true) => VERBOSE,
            _ => NORMAL,
        };
        LEVEL.store(level, Ordering::Relaxed);
    }
}

/// Whether notes and progress are hidden.
pub fn is_quiet() -> bool {
    LEVEL.load(Ordering::Relaxed) == QUIET
}

/// Prints an inference or assumption on standard error.
pub fn note(text: impl Display) {
    if !is_quiet() {
        line("note", text);
    }
}

/// Prints on standard error with `--verbose`.
pub fn detail(text: impl Display) {
    if LEVEL.load(Ordering::Relaxed) == VERBOSE {
        line("detail", text);
    }
}

fn line(kind: &str, text: impl Display) {
    super::output::tell(format_args!("{kind}: {text}"));
}
