//! One place that chooses the inner loop. Everything else is the same code on every machine.

#![allow(unsafe_code)]

#[cfg(denselet_dsp)]
pub mod arm_dsp;
pub mod cast;
pub mod portable;
pub mod reference;
#[cfg(target_arch = "x86_64")]
pub mod x86_avx2;

use super::tile::{Job, Tile};

/// Runs `job` with the best inner loop of this machine.
pub fn dispatch<J: Job>(job: J) -> J::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(tile) = x86_avx2::Avx2::detect() {
        return job.run(tile);
    }
    #[cfg(denselet_dsp)]
    return job.run(arm_dsp::Dsp);
    #[cfg(not(denselet_dsp))]
    job.run(portable::Portable)
}

/// Sees inner loops, whichever they are.
pub trait Visitor {
    /// One of them.
    fn visit<T: Tile>(&mut self, tile: T);
}

/// Shows every inner loop that this machine has, the one that says what is right first: for tests and benchmarks.
pub fn each(visitor: &mut impl Visitor) {
    visitor.visit(reference::Reference);
    visitor.visit(portable::Portable);
    #[cfg(denselet_dsp)]
    visitor.visit(arm_dsp::Dsp);
    #[cfg(target_arch = "x86_64")]
    if let Some(tile) = x86_avx2::Avx2::detect() {
        visitor.visit(tile);
    }
}

#[cfg(target_endian = "big")]
compile_error!("blobs are little endian and read in place");
