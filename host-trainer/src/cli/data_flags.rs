//! Flags of every command that reads data, and how what was inferred is printed.

use super::{note, tell};
use crate::data::{Dataset, Reading};
use clap::builder::RangedU64ValueParser;

/// Parses a number of images: none make no sense.
pub fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// What the user allows a reader of data to do.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DataFlags {
    /// Resize images to what the network takes
    #[arg(long)]
    pub resize: bool,
    /// Count damaged files and leave them out; otherwise one is an error
    #[arg(long)]
    pub skip_damaged: bool,
    /// Name of a table's column that holds the class
    #[arg(long, value_name = "NAME")]
    pub label: Option<String>,
}

impl DataFlags {
    /// What a reader is told.
    pub fn reading(&self) -> Reading {
        Reading {
            resize: self.resize,
            skip_damaged: self.skip_damaged,
            label: self.label.clone(),
            ..Reading::default()
        }
    }
}

/// Prints warnings, a line each, on standard error.
pub fn warn(warnings: &[String]) {
    for warning in warnings {
        tell(format_args!("warning: {warning}"));
    }
}

/// Prints what was inferred while reading, a line each, on standard error.
pub fn print_notes(data: &Dataset) {
    print_all_notes(&data.notes);
}

/// Prints notes, a line each, on standard error.
pub fn print_all_notes(notes: &[String]) {
    for text in notes {
        note(text);
    }
}
