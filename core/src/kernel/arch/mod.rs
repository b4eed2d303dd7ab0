//! One place that chooses the inner loop. Everything else is the same code on every machine.

#![allow(unsafe_code)]

#[cfg(all(denselet_arm, not(denselet_arm = "mve")))]
pub mod arm;
#[cfg(denselet_arm = "mve")]
pub mod arm_mve;
pub mod cast;
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

/// Sees inner loops, whichever they are.
pub trait Visitor {
    /// One of them.
    fn visit<T: Tile>(&mut self, tile: T);
}

/// Shows every inner loop that this machine has, the one that says what is right first: for tests and benchmarks.
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

/// The same value, about which the compiler knows nothing: some make branches of masks, and a branch that a value can
/// take costs another number of instructions.
#[inline(always)]
fn opaque(value: i32) -> i32 {
    #[cfg(any(target_arch = "arm", target_arch = "riscv32"))]
    let value = {
        let mut value = value;
        // SAFETY: there is no instruction in it.
        unsafe {
            core::arch::asm!("/* {0} */", inout(reg) value, options(pure, nomem, nostack, preserves_flags))
        };
        value
    };
    value
}

#[cfg(target_endian = "big")]
compile_error!("blobs are little endian and read in place");
