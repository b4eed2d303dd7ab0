//! One place that chooses the inner loop. Everything else is the same code on every machine.

#![allow(unsafe_code)]

#[cfg(denselet_dsp)]
pub mod arm_dsp;
pub mod cast;
pub mod portable;
#[cfg(target_arch = "x86_64")]
pub mod x86_avx2;

use super::tile::Job;

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

/// Runs `job` with every inner loop that this machine has, the portable one first: for tests and benchmarks.
pub fn each<J: Job + Clone>(job: &J, mut done: impl FnMut(J::Output)) {
    done(job.clone().run(portable::Portable));
    #[cfg(target_arch = "x86_64")]
    if let Some(tile) = x86_avx2::Avx2::detect() {
        done(job.clone().run(tile));
    }
    #[cfg(denselet_dsp)]
    done(job.clone().run(arm_dsp::Dsp));
}

#[cfg(target_endian = "big")]
compile_error!("blobs are little endian and read in place");
