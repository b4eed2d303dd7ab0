//! The one place that chooses the inner loop. All other code is the same on every machine.

#![allow(unsafe_code)]

#[cfg(all(denselet_arm, not(denselet_arm = "mve")))]
pub mod arm;
#[cfg(denselet_arm = "mve")]
pub mod arm_mve;
pub mod cast;
pub mod checked;
mod opaque;
pub mod portable;
pub mod reference;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
pub mod x86;

use super::tile::{Job, Tile};

/// Runs `job` with the best inner loop of this machine.
pub fn dispatch<J: Job>(job: J) -> J::Output {
    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    {
        if let Some(tile) = x86::Vnni::detect() {
            return job.run(tile);
        }
        if let Some(tile) = x86::Avx2::detect() {
            return job.run(tile);
        }
    }
    #[cfg(denselet_arm = "mve")]
    return job.run(arm_mve::Mve);
    #[cfg(all(denselet_arm, not(denselet_arm = "mve")))]
    return job.run(arm::Arm);
    #[cfg(not(denselet_arm))]
    job.run(portable::Portable)
}

/// A convolution's filters between two calls, so that they are not computed again. Only a host's inner loops compute filters
/// that are worth keeping, and only a host has a heap to keep them in.
#[derive(Debug, Default)]
pub(crate) struct Kept(
    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    Option<std::boxed::Box<dyn core::any::Any + Send + Sync>>,
);

impl Kept {
    /// Takes the filters that an architecture has kept.
    pub(crate) fn take<T: Tile>(&mut self) -> Option<T::Filters> {
        #[cfg(all(target_arch = "x86_64", feature = "std"))]
        if let Some(filters) = self.0.take().and_then(|filters| filters.downcast().ok()) {
            return Some(*filters);
        }
        None
    }

    /// Keeps an architecture's filters.
    pub(crate) fn keep<T: Tile>(&mut self, _filters: T::Filters) {
        #[cfg(all(target_arch = "x86_64", feature = "std"))]
        {
            self.0 = Some(std::boxed::Box::new(_filters));
        }
    }
}

/// Takes inner loops of any architecture.
pub trait Visitor {
    /// Takes one of them.
    fn visit<T: Tile>(&mut self, tile: T);
}

/// Calls `visitor` with every inner loop of this machine, the reference first: for tests and benchmarks.
pub fn each(visitor: &mut impl Visitor) {
    visitor.visit(reference::Reference);
    visitor.visit(portable::Portable);
    #[cfg(denselet_arm = "mve")]
    visitor.visit(arm_mve::Mve);
    #[cfg(all(denselet_arm, not(denselet_arm = "mve")))]
    visitor.visit(arm::Arm);
    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    {
        if let Some(tile) = x86::Avx2::detect() {
            visitor.visit(tile);
        }
        if let Some(tile) = x86::Vnni::detect() {
            visitor.visit(tile);
        }
    }
}

#[cfg(target_endian = "big")]
compile_error!("blobs are little endian and read in place");
