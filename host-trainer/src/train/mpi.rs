//! Ranks that MPI started; compiled with the feature `mpi`.

use super::TrainError;
use crate::net::Ranks;
use core::fmt;
use mpi::Threading;
use mpi::collective::SystemOperation;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Root};

/// Values of one message; MPI counts them in 31 bits.
const MOST: usize = 1 << 28;

/// This process's place among those of `mpirun`, until it is dropped. Where it is dropped by a panic, all are aborted.
pub(super) struct Mpi {
    rank: usize,
    count: usize,
    /// Ends MPI when it is dropped.
    _universe: Universe,
}

impl Mpi {
    pub(super) fn start() -> Result<Self, TrainError> {
        // Steps call from the thread that runs them, one at a time.
        let (universe, threading) = mpi::initialize_with_threading(Threading::Serialized)
            .ok_or_else(|| TrainError::Ranks("MPI was started twice".into()))?;
        if threading < Threading::Serialized {
            return Err(TrainError::Ranks(format!(
                "expected an MPI that lets any thread call (Serialized or Multiple), found {}",
                match threading {
                    Threading::Single => "Single",
                    _ => "Funneled",
                }
            )));
        }
        let world = universe.world();
        Ok(Self {
            rank: world.rank() as usize,
            count: world.size() as usize,
            _universe: universe,
        })
    }
}

impl Drop for Mpi {
    fn drop(&mut self) {
        if std::thread::panicking() {
            SimpleCommunicator::world().abort(101);
        }
    }
}

impl fmt::Debug for Mpi {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "rank {} of {}", self.rank, self.count)
    }
}

impl Ranks for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.count
    }

    fn sum(&self, values: &mut [f64]) {
        for values in values.chunks_mut(MOST) {
            let own = values.to_vec();
            SimpleCommunicator::world().all_reduce_into(&own[..], values, SystemOperation::sum());
        }
    }

    fn sum_single(&self, values: &mut [f32]) {
        for values in values.chunks_mut(MOST) {
            let own = values.to_vec();
            SimpleCommunicator::world().all_reduce_into(&own[..], values, SystemOperation::sum());
        }
    }

    fn broadcast(&self, bytes: &mut [u8]) {
        for bytes in bytes.chunks_mut(MOST) {
            SimpleCommunicator::world()
                .process_at_rank(0)
                .broadcast_into(bytes);
        }
    }
}
