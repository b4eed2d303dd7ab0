//! Flags of every command that reads data, and the printing of its notes.

use super::output::tell;
use super::verbosity::{detail, note};
use crate::data::{Dataset, Reading};
use crate::inspect::grouped;
use crate::train::Aside;
use clap::builder::RangedU64ValueParser;

/// Parses a number of images, which must be above 0.
pub fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// Permissions for a reader of data.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DataFlags {
    /// Resize images to the network's input
    #[arg(long)]
    pub resize: bool,
    /// Skip and count damaged files; otherwise a damaged file is an error
    #[arg(long)]
    pub skip_damaged: bool,
    /// Name of the column of a table that contains the class, or its number (from 1) without a header
    #[arg(long, value_name = "NAME")]
    pub label: Option<String>,
}

impl DataFlags {
    /// Returns the options of a reader.
    pub fn reading(&self) -> Reading {
        Reading {
            resize: self.resize,
            skip_damaged: self.skip_damaged,
            label: self.label.clone(),
            ..Reading::default()
        }
    }
}

/// Prints warnings on standard error, one per line.
pub fn warn(warnings: &[String]) {
    for warning in warnings {
        tell(format_args!("warning: {warning}"));
    }
}

/// Prints the notes of a data set on standard error, one per line, and its sizes as a detail.
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

/// Prints notes on standard error, one per line.
pub fn print_all_notes(notes: &[String]) {
    for text in notes {
        note(text);
    }
}

/// How many images are measured after every epoch, for the line that a run begins with.
pub(super) fn measured_images(data: &Dataset, aside: Aside) -> String {
    let Some(split) = aside.images(data) else {
        return String::new();
    };
    let count = grouped(split.len() as u64);
    if data.validation.is_empty() {
        format!(", {count} of them held out")
    } else {
        format!(", {count} validation images")
    }
}
