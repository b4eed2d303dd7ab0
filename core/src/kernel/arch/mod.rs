//! One place that chooses the inner loop. Everything else is the same code on every machine.

#![allow(unsafe_code)]

#[cfg(denselet_dsp)]
pub mod arm_dsp;
#[cfg(denselet_mve)]
pub mod arm_mve;
pub mod cast;
pub mod portable;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
pub mod x86;

use super::tile::Job;

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
    // A core with Helium has the DSP extension as well.
    #[cfg(denselet_mve)]
    return job.run(arm_mve::Mve);
    #[cfg(all(denselet_dsp, not(denselet_mve)))]
    return job.run(arm_dsp::Dsp);
    #[cfg(not(any(denselet_dsp, denselet_mve)))]
    job.run(portable::Portable)
}

/// Runs `job` with every inner loop that this machine has, the portable one first: for tests and benchmarks.
pub fn each<J: Job + Clone>(job: &J, mut done: impl FnMut(J::Output)) {
    done(job.clone().run(portable::Portable));
    #[cfg(denselet_dsp)]
    done(job.clone().run(arm_dsp::Dsp));
    #[cfg(denselet_mve)]
    done(job.clone().run(arm_mve::Mve));
    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    {
        if let Some(tile) = x86::Avx2::detect() {
            done(job.clone().run(tile));
        }
        if let Some(tile) = x86::Vnni::detect() {
            done(job.clone().run(tile));
        }
    }
}

#[cfg(target_endian = "big")]
compile_error!("blobs are little endian and read in place");
