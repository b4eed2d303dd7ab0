//! What a training reports while it runs, and which of its epochs is the best.

use serde::{Deserialize, Serialize};

/// What one epoch measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub number: usize,
    /// Mean training loss.
    pub loss: f64,
    /// Share of training images classified correctly while training, 0 to 1.
    pub accuracy: f64,
    /// Share of held-out training images classified correctly afterwards; absent where none are held out.
    pub held_out_accuracy: Option<f64>,
    /// Mean loss of the held-out training images afterwards, without smoothing, mixing or a teacher; absent if none are held
    /// out, and in files written before it was kept.
    #[serde(default)]
    pub held_out_loss: Option<f64>,
    /// What a weight of fewer than 8 bits costs after the epoch in an entropy code, in bits; absent without such weights.
    #[serde(default)]
    pub bits_per_weight: Option<f64>,
    /// Bytes of the blob after the epoch, with codes where they pay; absent without such weights.
    #[serde(default)]
    pub blob_bytes: Option<usize>,
    /// Learning rate of the last step.
    #[serde(default)]
    pub rate: f32,
    /// Training speed. It differs from run to run, so checkpoints leave it out; 0 stands for an unknown speed.
    #[serde(skip)]
    pub images_per_second: f64,
    /// What the epoch took, with measuring; as for the speed.
    #[serde(skip)]
    pub seconds: f64,
}

/// The state of a run, for its observer.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// From 1.
    pub epoch: usize,
    /// Epochs of the whole run.
    pub epochs: usize,
    /// Steps of this epoch that are done.
    pub step: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// Images of one step.
    pub batch: usize,
    /// Mean training loss of this epoch so far.
    pub loss: f64,
    /// Share of the images of this epoch that are classified correctly so far.
    pub accuracy: f64,
    /// Training speed of this epoch so far.
    pub images_per_second: f64,
}

/// An observer of a run. Both methods do nothing by default.
pub trait Progress {
    /// Called after every step.
    fn step(&mut self, _at: &Position) {}
    /// Called after every epoch, once its checkpoint is written.
    fn epoch(&mut self, _done: &Epoch) {}
}

/// An observer that does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {}

/// Number of the epoch with the highest held-out accuracy; of equal ones the one with the lowest held-out loss, of those the
/// first. None if nothing is held out.
pub fn best(history: &[Epoch]) -> Option<usize> {
    let mut best: Option<(usize, f64, f64)> = None;
    for epoch in history {
        let Some(accuracy) = epoch.held_out_accuracy else {
            continue;
        };
        let loss = epoch.held_out_loss.unwrap_or(f64::INFINITY);
        let is_better = best
            .is_none_or(|(_, highest, lowest)| accuracy > highest || (accuracy == highest && loss < lowest));
        if is_better {
            best = Some((epoch.number, accuracy, loss));
        }
    }
    best.map(|(number, ..)| number)
}
