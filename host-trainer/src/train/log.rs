//! What each epoch brought, as a table for people and plots; belongs to `train`.

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

fn table(history: &[Epoch], before: &str) -> String {
    let mut text = String::from("epoch,loss,accuracy,held_out_accuracy,rate,images_per_second,seconds\n");
    for epoch in history {
        let held_out = epoch
            .held_out_accuracy
            .map_or_else(String::new, |share| share.to_string());
        let known = format!(
            "{},{},{},{held_out},{},",
            epoch.number, epoch.loss, epoch.accuracy, epoch.rate
        );
        let timed = match before.lines().find(|line| line.starts_with(&known)) {
            Some(row) if epoch.seconds == 0.0 => row.to_owned(),
            _ if epoch.seconds == 0.0 => format!("{known},"),
            _ => format!("{known}{:.1},{:.2}", epoch.images_per_second, epoch.seconds),
        };
        text.push_str(&timed);
        text.push('\n');
    }
    text
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
            rate: 0.1,
            images_per_second: 1000.0,
            seconds: 2.0,
        };
        let second = Epoch {
            number: 2,
            held_out_accuracy: Some(0.25),
            held_out_loss: None,
            ..epoch
        };
        let lines: Vec<String> = table(&[epoch, second], "").lines().map(String::from).collect();
        assert_eq!(
            lines[1..],
            ["1,0.5,0.75,,0.1,1000.0,2.00", "2,0.5,0.75,0.25,0.1,1000.0,2.00"]
        );
        assert_eq!(lines[0].split(',').count(), 7);
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
        assert!(table(&[loaded], "").ends_with("1,0.5,0.75,,0.1,,\n"));
    }
}
