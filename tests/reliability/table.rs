//! The table of a soak: one row for each check.

use crate::Options;
use serde::Serialize;

/// What came out of a check.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Inputs, bit flips, kills or tests that were run.
    pub(crate) executions: u64,
    pub(crate) findings: u64,
    pub(crate) seconds: f64,
    /// What was found and where it is kept, or why the check was skipped.
    pub(crate) note: String,
    pub(crate) skipped: bool,
}

impl Row {
    /// Executions, and a line for each finding.
    pub(crate) fn of(executions: u64, findings: &[String]) -> Self {
        Self {
            executions,
            findings: findings.len() as u64,
            note: findings.join("; "),
            ..Self::default()
        }
    }

    /// A check that this machine cannot do.
    pub(crate) fn skipped(reason: impl Into<String>) -> Self {
        Self {
            note: format!("SKIPPED: {}", reason.into()),
            skipped: true,
            ..Self::default()
        }
    }

    /// One finding.
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

/// Prints rows for people.
#[allow(clippy::print_stdout, reason = "what the command is for")]
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
}

/// Prints rows for programs.
#[allow(clippy::print_stdout, reason = "what the command is for")]
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

/// 12345678 as 12,345,678.
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
