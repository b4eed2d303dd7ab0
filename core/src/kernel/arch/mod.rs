//! One place that chooses the inner loop. Everything else is the same code on every machine.

#![allow(unsafe_code)]

#[cfg(denselet_dsp)]
pub mod arm_dsp;
pub mod cast;
pub mod portable;

use super::tile::Job;

/// Runs `job` with the best inner loop of this machine.
pub fn dispatch<J: Job>(job: J) -> J::Output {
    #[cfg(denselet_dsp)]
    return job.run(arm_dsp::Dsp);
    #[cfg(not(denselet_dsp))]
    job.run(portable::Portable)
}

#[cfg(target_endian = "big")]
compile_error!("blobs are little endian and read in place");
