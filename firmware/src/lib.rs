//! Firmware that runs a denselet network on a board.
//!
//! A [`frame_source`] reads pixels and the runtime computes logits. Then [`report`] prints them, or an [`indicator`] shows
//! the class on pins. Only `board` depends on the target; a host does not build it. The programs are in `src/bin/`:
//!
//! * `logits` runs every image of the file `images.bin` and prints the logits, the instructions of an inference and its
//!   stack. `denselet build` and `denselet run` use it.
//! * `rows` runs the same images row by row, without a copy of the image, for `denselet run --rows`.
//! * `stages` counts the instructions of each stage, for `denselet profile`.
//! * `minimal` only runs a network. `denselet bench` measures the code size of the runtime with it.
//! * `counter` tests that the instruction counter is exact, `kernels` that the inner loops equal the reference.
//!
//! One inference runs at a time. On a host each program only prints that it is meant for a board, so that cargo can build
//! and test the whole workspace.
#![no_std]
#![deny(missing_docs)]

#[cfg(target_os = "none")]
pub mod board;
pub mod frame_source;
pub mod indicator;
#[cfg(target_os = "none")]
pub mod model;
pub mod report;

/// Makes `$run`, a `fn() -> Result<(), Failure>`, the program: on a board it runs after reset, and its result becomes
/// the emulator's exit code.
#[macro_export]
macro_rules! program {
    ($run:path) => {
        #[cfg(target_os = "none")]
        $crate::reset_calls!($run);

        #[cfg(not(target_os = "none"))]
        fn main() -> Result<(), &'static str> {
            Err("this is firmware: build it for a board with `denselet build`")
        }
    };
}
