//! How a training run looks on a terminal: a bar while an epoch lasts, a line after it.

use super::output::say;
use crate::inspect::grouped;
use crate::train::{Epoch, Position, Progress};
use core::time::Duration;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use std::io::IsTerminal as _;

/// Shows a run on the terminal: a bar while an epoch lasts, a line when it is done.
#[derive(Debug)]
pub struct Watch {
    bar: ProgressBar,
    quiet: bool,
    /// Speed of the last step.
    pub(super) images_per_second: f64,
    left: Duration,
}

impl Watch {
    /// Shows nothing when `quiet`.
    pub fn new(quiet: bool) -> Self {
        let bar = if quiet || super::is_quiet() {
            ProgressBar::hidden()
        } else {
            ProgressBar::new(1)
        };
        let style = ProgressStyle::with_template("{prefix} {bar:32} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        Self {
            bar,
            quiet,
            images_per_second: 0.0,
            left: Duration::ZERO,
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Watch {
    fn step(&mut self, at: &Position) {
        self.images_per_second = at.images_per_second;
        let steps = (at.epochs - at.epoch) * at.steps + (at.steps - at.step);
        let seconds = (steps * at.batch) as f64 / at.images_per_second.max(1e-9);
        self.left = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        if self.quiet {
            return;
        }
        self.bar.set_length(at.steps as u64);
        self.bar.set_prefix(format!("epoch {}/{}", at.epoch, at.epochs));
        self.bar.set_message(format!(
            "loss {:.4}, accuracy {:.2} %, {:.0} images/s, {} left",
            at.loss,
            100.0 * at.accuracy,
            at.images_per_second,
            HumanDuration(self.left)
        ));
        self.bar.set_position(at.step as u64);
    }

    fn epoch(&mut self, done: &Epoch) {
        if self.quiet || super::is_quiet() {
            return;
        }
        let held_out = done.held_out_accuracy.map_or_else(String::new, |share| {
            let loss = done
                .held_out_loss
                .map_or_else(String::new, |loss| format!(" and loss {loss:.4}"));
            format!(", held-out accuracy {:.2} %{loss}", 100.0 * share)
        });
        let bits = done
            .bits_per_weight
            .map_or_else(String::new, |bits| format!(", {bits:.2} bits per weight"));
        let bytes = done.blob_bytes.map_or_else(String::new, |bytes| {
            format!(", a blob of {} bytes", grouped(bytes as u64))
        });
        let line = format!(
            "epoch {}: loss {:.4}, accuracy {:.2} %{held_out}{bits}{bytes}, {:.0} images/s",
            done.number,
            done.loss,
            100.0 * done.accuracy,
            self.images_per_second
        );
        // A visible bar would be torn by a line on the same terminal. A hidden bar prints nothing, and a log is not the bar's
        // terminal.
        if self.bar.is_hidden() || !std::io::stdout().is_terminal() {
            say(line)
        } else {
            self.bar.println(line)
        }
    }
}
