//! Firmware that runs a denselet network on a board.
//!
//! The last stop of the walk: pixels come from a [`frame_source`], the runtime turns them into logits, [`report`]
//! prints one fact a line or an [`indicator`] shows the class on pins. `board` (on a target only) is the only code that
//! knows an instruction set; the programs are in `src/bin/`:
//!
//! * `logits` runs every image that the host lays before it, and says how many instructions and how much stack an
//!   inference takes. This is what `denselet build` and `denselet run` use.
//! * `rows` runs them too, but row by row, without a copy of the image.
//! * `stages` counts the instructions of each stage, for `denselet profile`.
//! * `minimal` only runs a network: what it takes of flash is what the runtime takes.
//! * `counter` proves that the instruction counter is exact, `kernels` that the inner loops are.
//!
//! One inference runs at a time. On a host the programs only say that they are meant for a board, so that the workspace
//! builds and tests as a whole.
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
