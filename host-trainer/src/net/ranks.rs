//! Processes that train one network together, each on its share of every batch; belongs to `net`, under `pass`.

use core::fmt::Debug;
use std::sync::Arc;

/// The processes of a run, counted from 0. What one calls, all must call, in the same order and with the same lengths.
pub trait Ranks: Debug + Send + Sync {
    /// This process's number.
    fn rank(&self) -> usize;

    /// How many there are.
    fn count(&self) -> usize;

    /// Puts the sum over all ranks in place of each value.
    fn sum(&self, values: &mut [f64]);

    /// As [`Ranks::sum`], in single precision.
    fn sum_single(&self, values: &mut [f32]);

    /// Puts what rank 0 holds in place of each byte.
    fn broadcast(&self, bytes: &mut [u8]);
}

/// One process, as nearly always.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Ranks for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn count(&self) -> usize {
        1
    }

    fn sum(&self, _: &mut [f64]) {}

    fn sum_single(&self, _: &mut [f32]) {}

    fn broadcast(&self, _: &mut [u8]) {}
}

/// How a pass shares its batch.
#[derive(Debug)]
pub(super) struct Sharing {
    pub(super) ranks: Arc<dyn Ranks>,
    /// Whether batch statistics are those of the whole batch.
    pub(super) synchronised: bool,
}

impl Default for Sharing {
    fn default() -> Self {
        Self {
            ranks: Arc::new(Alone),
            synchronised: false,
        }
    }
}

impl Sharing {
    /// Number of this rank's first picture among the whole batch's, where each rank has `n`.
    pub(super) fn first(&self, n: usize) -> usize {
        self.ranks.rank() * n
    }

    /// Turns gradients of the mean loss of a rank's pictures into those of the whole batch's: what ranks add is then right.
    pub(super) fn shrink(&self, gradients: &mut [f32]) {
        if self.ranks.count() > 1 {
            let count = self.ranks.count() as f32;
            gradients.iter_mut().for_each(|gradient| *gradient /= count);
        }
    }
}
