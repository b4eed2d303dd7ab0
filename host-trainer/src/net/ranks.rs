//! Processes that train one network together, each on its share of every batch.

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
    /// Number of this rank's first image among the whole batch's, where each rank has `n`.
    pub(super) fn first(&self, n: usize) -> usize {
        self.ranks.rank() * n
    }

    /// Turns gradients of the mean loss of a rank's images into those of the whole batch's: what ranks add is then right.
    pub(super) fn shrink(&self, gradients: &mut [f32]) {
        if self.ranks.count() > 1 {
            let count = self.ranks.count() as f32;
            gradients.iter_mut().for_each(|gradient| *gradient /= count);
        }
    }
}

/// Ranks that are threads, for tests.
#[cfg(test)]
pub(crate) mod threads {
    use super::*;
    use std::sync::{Barrier, Mutex};

    #[derive(Debug)]
    struct Thread {
        rank: usize,
        /// What each has put on it.
        table: Arc<Mutex<Vec<Vec<f64>>>>,
        barrier: Arc<Barrier>,
    }

    impl Thread {
        /// What every rank has, first rank first.
        fn gather(&self, own: Vec<f64>) -> Vec<Vec<f64>> {
            self.table.lock().unwrap()[self.rank] = own;
            self.barrier.wait();
            let all = self.table.lock().unwrap().clone();
            self.barrier.wait();
            all
        }
    }

    impl Ranks for Thread {
        fn rank(&self) -> usize {
            self.rank
        }

        fn count(&self) -> usize {
            self.table.lock().unwrap().len()
        }

        fn sum(&self, values: &mut [f64]) {
            let all = self.gather(values.to_vec());
            for (at, value) in values.iter_mut().enumerate() {
                *value = all.iter().map(|own| own[at]).sum();
            }
        }

        fn sum_single(&self, values: &mut [f32]) {
            let mut double: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
            self.sum(&mut double);
            for (value, double) in values.iter_mut().zip(double) {
                *value = double as f32;
            }
        }

        fn broadcast(&self, bytes: &mut [u8]) {
            let all = self.gather(bytes.iter().map(|byte| f64::from(*byte)).collect());
            for (byte, first) in bytes.iter_mut().zip(&all[0]) {
                *byte = *first as u8;
            }
        }
    }

    /// What `work` gives on each of `count` ranks, each with threads of its own.
    pub(crate) fn on<T: Send>(count: usize, work: impl Fn(Arc<dyn Ranks>) -> T + Sync) -> Vec<T> {
        let table = Arc::new(Mutex::new(vec![Vec::new(); count]));
        let barrier = Arc::new(Barrier::new(count));
        std::thread::scope(|scope| {
            let ranks = (0..count).map(|rank| {
                let (table, barrier) = (table.clone(), barrier.clone());
                let work = &work;
                scope.spawn(move || {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
                    pool.install(|| work(Arc::new(Thread { rank, table, barrier })))
                })
            });
            let ranks: Vec<_> = ranks.collect();
            ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::SMALL;
    use super::super::{Network, Normalisation, Pass, Role, Step};
    use super::*;
    use crate::spec::Spec;

    /// Images of the whole batch.
    const BATCH: usize = 12;

    /// Gradients and running statistics of one step on `count` ranks, summed and averaged over them; the ranks' own losses.
    fn step(spec: &Spec, count: usize, synchronised: bool) -> (Vec<(String, Vec<f32>)>, f64) {
        let normal = Normalisation {
            mean: vec![100.0; spec.input.channels],
            std: vec![80.0; spec.input.channels],
        };
        let own = threads::on(count, |ranks| {
            let mut network = Network::new(spec, normal.clone(), 3);
            let mut gradient = network.clone();
            let size = network.image_len();
            let images: Vec<u8> = (0..BATCH * size).map(|i| (i * i * 31 % 251) as u8).collect();
            let labels: Vec<u16> = (0..BATCH).map(|i| (i % spec.classes) as u16).collect();
            let each = BATCH / count;
            let part = ranks.rank() * each..(ranks.rank() + 1) * each;
            let mut pass = Pass::training(spec, each).among(ranks, synchronised);
            let at = Step {
                images: &images[part.start * size..part.end * size],
                labels: &labels[part],
                key: 5,
                ..Step::default()
            };
            let score = pass.step(&mut network, at, &mut gradient);
            let tensors = network.tensors().into_iter().zip(gradient.tensors());
            let tensors: Vec<_> = tensors
                .map(|(tensor, gradient)| match tensor.role {
                    Role::Statistic => {
                        let share = tensor.values.iter().map(|value| value / count as f32);
                        (tensor.name, share.collect())
                    }
                    _ => (tensor.name, gradient.values.to_vec()),
                })
                .collect();
            (tensors, score.loss / count as f64)
        });
        let mut own = own.into_iter();
        let (mut tensors, mut loss): (Vec<(String, Vec<f32>)>, f64) = own.next().unwrap();
        for (others, more) in own {
            for ((_, values), (_, more)) in tensors.iter_mut().zip(&others) {
                values
                    .iter_mut()
                    .zip(more)
                    .for_each(|(value, more)| *value += more);
            }
            loss += more;
        }
        (tensors, loss)
    }

    /// Largest distance of a tensor's values from those of the whole batch, in the tensor's largest value.
    fn distance(whole: &[(String, Vec<f32>)], shared: &[(String, Vec<f32>)]) -> f32 {
        let of = |whole: &[f32], shared: &[f32]| {
            let largest = whole.iter().fold(1e-4f32, |most, value| most.max(value.abs()));
            let apart = whole.iter().zip(shared).map(|(a, b)| (a - b).abs());
            apart.fold(0.0f32, f32::max) / largest
        };
        let tensors = whole.iter().zip(shared);
        tensors.map(|((_, a), (_, b))| of(a, b)).fold(0.0, f32::max)
    }

    #[test]
    fn shared_statistics_give_the_gradients_of_the_whole_batch() {
        let pooled = SMALL.replace("filters = 5", "filters = 5\nkernel = 7\nstride = 2");
        for text in [
            SMALL.to_owned(),
            SMALL.replace("theta", "dropout = 0.3\ntheta"),
            SMALL.replace("bottleneck = true", "dropout = 0.2"),
            pooled
                .replace("height = 7", "height = 17")
                .replace("width = 9", "width = 14"),
        ] {
            let spec = Spec::parse(&text, "shared").unwrap();
            let (whole, loss) = step(&spec, 1, false);
            for count in [2, 3] {
                let (shared, shared_loss) = step(&spec, count, true);
                let found = distance(&whole, &shared);
                assert!(found < 1e-3, "{count} ranks: {found}\n{text}");
                assert!((loss - shared_loss).abs() < 1e-6, "{loss} {shared_loss}");
                let found = distance(&whole, &step(&spec, count, false).0);
                assert!(found > 1e-2, "{count} ranks, own statistics: {found}\n{text}");
            }
        }
    }
}
