//! Flags of every command that reads data, and how what was inferred is printed.

use super::output::tell;
use super::verbosity::{detail, note};
use crate::data::{Dataset, Reading};
use crate::inspect::grouped;
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
    /// Leave out damaged files and count them; otherwise one is an error
    #[arg(long)]
    pub skip_damaged: bool,
    /// Name of a table's column that holds the class, or its number (from 1) if the table has no header
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

/// Prints what was inferred while reading, a line each, on standard error; the sizes of what was read as a detail.
pub fn print_notes(data: &Dataset) {
    detail(format_args!(
        "{}: {} training, {} validation and {} test images of {}, {} classes",
        data.name,
        grouped(data.train.len() as u64),
        grouped(data.validation.len() as u64),
        grouped(data.test.len() as u64),
        data.shape(),
        data.classes.len()
    ));
    print_all_notes(&data.notes);
}

/// Prints notes, a line each, on standard error.
pub fn print_all_notes(notes: &[String]) {
    for text in notes {
        note(text);
    }
}
