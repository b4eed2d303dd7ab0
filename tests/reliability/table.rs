//! The table of a soak: one row for each check.

use crate::Options;
use serde::Serialize;

/// The result of a check.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Number of inputs, bit flips, kills or tests.
    pub(crate) executions: u64,
    pub(crate) findings: u64,
    pub(crate) seconds: f64,
    /// The findings and where their inputs are kept, or the reason why the check was skipped.
    pub(crate) note: String,
    pub(crate) skipped: bool,
}

impl Row {
    /// Returns a row with its executions, and a line for each finding.
    pub(crate) fn of(executions: u64, findings: &[String]) -> Self {
        Self {
            executions,
            findings: findings.len() as u64,
            note: findings.join("; "),
            ..Self::default()
        }
    }

    /// Returns the row of a check that this machine cannot run.
    pub(crate) fn skipped(reason: impl Into<String>) -> Self {
        Self {
            note: format!("SKIPPED: {}", reason.into()),
            skipped: true,
            ..Self::default()
        }
    }

    /// Returns a row with one finding.
    pub(crate) fn finding(note: impl Into<String>) -> Self {
        Self::of(1, &[note.into()])
    }

    pub(crate) fn with_note(mut self, note: impl Into<String>) -> Self {
        if self.note.is_empty() {
            self.note = note.into();
        }
        self
    }
}

/// Prints the rows as a table.
#[allow(clippy::print_stdout, reason = "the output of the command")]
pub(crate) fn print(rows: &[Row]) {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max(4);
    println!(
        "{:width$}  {:>13}  {:>8}  {:>7}",
        "what", "executions", "findings", "seconds"
    );
    for row in rows {
        let (executions, findings) = if row.skipped {
            ("-".to_owned(), "-".to_owned())
        } else {
            (grouped(row.executions), row.findings.to_string())
        };
        let line = format!(
            "{:width$}  {executions:>13}  {findings:>8}  {:>7.0}  {}",
            row.name, row.seconds, row.note
        );
        println!("{}", line.trim_end());
    }
    let findings: u64 = rows.iter().map(|row| row.findings).sum();
    let skipped = rows.iter().filter(|row| row.skipped).count();
    println!("{findings} findings, {skipped} checks skipped");
    // Again at the end, which is what a log keeps.
    for row in rows.iter().filter(|row| row.findings > 0) {
        println!("FOUND: {}: {}", row.name, row.note);
    }
}

/// Prints the rows as one JSON object.
#[allow(clippy::print_stdout, reason = "the output of the command")]
pub(crate) fn print_json(rows: &[Row], options: &Options, cores: usize) {
    let minutes = if options.short {
        None
    } else {
        Some(options.minutes)
    };
    let object = serde_json::json!({
        "minutes": minutes,
        "cores": cores,
        "seed": options.seed,
        "findings": rows.iter().map(|row| row.findings).sum::<u64>(),
        "rows": rows,
    });
    println!("{object:#}");
}

/// Formats 12345678 as 12,345,678.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
