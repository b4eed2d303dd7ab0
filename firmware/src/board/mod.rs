//! The code that depends on the target: reset, ticks, stack, and semihosting for files, output and exit.
//!
//! The reset handler of `cortex-m-rt` or `riscv-rt` runs before it, then the programs, which are safe Rust. `build.rs`
//! generates the constants of the board from `boards.toml`.
#![allow(unsafe_code)]

mod bracket;
mod images;
mod semihosting;
mod singleton;
mod stack;

// One file per instruction set, with the same names in each. A trait is not needed: a build has one instruction set.
#[cfg(target_arch = "arm")]
#[path = "cortex_m.rs"]
mod processor;
#[cfg(target_arch = "riscv32")]
#[path = "riscv.rs"]
mod processor;

pub use bracket::{
    INSTRUCTIONS_PER_WRAP, InstructionCounter, LOOP_INSTRUCTIONS, Laps, denselet_begin, denselet_end,
};
pub use images::Images;
pub use semihosting::{Console, File, exit};
pub use singleton::Singleton;
pub use stack::stack_used;

include!(concat!(env!("OUT_DIR"), "/board.rs"));

/// Makes the reset handler call `$run`; see [`crate::program`].
#[macro_export]
macro_rules! reset_calls {
    ($run:path) => {
        /// The runtime crate calls it after it has initialised memory.
        // SAFETY: both runtime crates declare `main` as exactly this, and one program defines it once.
        #[allow(unsafe_code)]
        #[unsafe(export_name = "main")]
        extern "C" fn denselet_main() -> ! {
            $crate::board::finish($run())
        }
    };
}

/// Ends the program with its result.
pub fn finish(result: Result<(), crate::report::Failure>) -> ! {
    match result {
        Ok(()) => exit(0),
        Err(failure) => {
            crate::report::Report::new(Console).failure(failure);
            exit(1)
        }
    }
}

/// Ends the program after an exception of the processor.
fn fault(name: &str) -> ! {
    crate::report::Report::new(Console).fault(name);
    exit(102)
}

/// Prints where the program panicked, without `core::fmt`, and ends it.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let mut report = crate::report::Report::new(Console);
    match info.location() {
        Some(place) => report.panic(place.file(), place.line()),
        None => report.panic("an unknown place", 0),
    }
    exit(101)
}
