//! What each epoch measured, as a table for people and plots.

use super::{Epoch, TrainError};
use crate::whole_file;
use std::path::Path;

/// Name of the table in a run's folder.
const FILE_NAME: &str = "log.csv";

/// Writes the whole history, so that the table never holds more or less than the checkpoint knows. Rows of epochs before
/// the run was stopped are kept: only they know the time.
pub(super) fn write(folder: &Path, history: &[Epoch]) -> Result<(), TrainError> {
    let path = folder.join(FILE_NAME);
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    whole_file::write(&path, table(history, &before).as_bytes()).map_err(TrainError::Log)
}

/// Columns of the table.
const HEADER: &str = "epoch,loss,accuracy,held_out_accuracy,held_out_loss,bits_per_weight,blob_bytes,rate,images_per_second,seconds";
/// The last two: how long the epoch took.
const TIMES: [&str; 2] = ["images_per_second", "seconds"];

fn table(history: &[Epoch], before: &str) -> String {
    let mut text = format!("{HEADER}\n");
    for epoch in history {
        let known = [
            epoch.number.to_string(),
            epoch.loss.to_string(),
            epoch.accuracy.to_string(),
            cell(epoch.held_out_accuracy),
            cell(epoch.held_out_loss),
            cell(epoch.bits_per_weight),
            cell(epoch.blob_bytes),
            epoch.rate.to_string(),
        ];
        let times = match epoch.seconds {
            0.0 => times(before, &known).unwrap_or_default(),
            seconds => [format!("{:.1}", epoch.images_per_second), format!("{seconds:.2}")],
        };
        text.push_str(&[&known[..], &times[..]].concat().join(","));
        text.push('\n');
    }
    text
}

/// What was measured, or nothing.
fn cell(measured: Option<impl ToString>) -> String {
    measured.map_or_else(String::new, |value| value.to_string())
}

/// How long an epoch took, from a table that may lack columns of today's.
fn times(before: &str, known: &[String]) -> Option<[String; 2]> {
    let mut lines = before.lines();
    let header: Vec<&str> = lines.next()?.split(',').collect();
    let column = |row: &[&str], name: &str| {
        let at = header.iter().position(|column| *column == name)?;
        row.get(at).map(|text| (*text).to_owned())
    };
    let row = lines
        .map(|line| line.split(',').collect::<Vec<_>>())
        .find(|row| {
            let mut pairs = HEADER.split(',').zip(known);
            pairs.all(|(name, value)| column(row, name).is_none_or(|found| found == *value))
        })?;
    let [speed, seconds] = TIMES.map(|name| column(&row, name));
    Some([speed?, seconds?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_for_every_epoch_and_nothing_for_what_was_not_measured() {
        let epoch = Epoch {
            number: 1,
            loss: 0.5,
            accuracy: 0.75,
            held_out_accuracy: None,
            held_out_loss: None,
            bits_per_weight: None,
            blob_bytes: None,
            rate: 0.1,
            images_per_second: 1000.0,
            seconds: 2.0,
        };
        let second = Epoch {
            number: 2,
            held_out_accuracy: Some(0.25),
            held_out_loss: Some(1.5),
            bits_per_weight: Some(2.5),
            blob_bytes: Some(19_000),
            ..epoch
        };
        let lines: Vec<String> = table(&[epoch, second], "").lines().map(String::from).collect();
        assert_eq!(
            lines[1..],
            [
                "1,0.5,0.75,,,,,0.1,1000.0,2.00",
                "2,0.5,0.75,0.25,1.5,2.5,19000,0.1,1000.0,2.00"
            ]
        );
        assert_eq!(lines[0].split(',').count(), 10);
        // After a stop the first epoch's time is known from the table alone.
        let loaded = Epoch {
            images_per_second: 0.0,
            seconds: 0.0,
            ..epoch
        };
        assert_eq!(
            table(&[loaded, second], &lines.join("\n")),
            lines.join("\n") + "\n"
        );
        assert!(table(&[loaded], "").ends_with("1,0.5,0.75,,,,,0.1,,\n"));
        // A table from before held-out losses were kept knows the times too.
        let old = "epoch,loss,accuracy,held_out_accuracy,rate,images_per_second,seconds\n1,0.5,0.75,,0.1,900.0,3.00\n";
        assert!(table(&[loaded], old).ends_with("1,0.5,0.75,,,,,0.1,900.0,3.00\n"));
        let other = Epoch { loss: 0.25, ..loaded };
        assert!(table(&[other], old).ends_with("1,0.25,0.75,,,,,0.1,,\n"));
    }
}
