//! Errors of building and running firmware.

use core::time::Duration;
use std::path::PathBuf;

/// Why a model does not run on a board.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The table of boards is broken.
    #[error("firmware/boards.toml: {0}")]
    Table(#[from] toml::de::Error),
    /// There is no such board.
    #[error("there is no board `{name}`; there are: {}", known.join(", "))]
    UnknownBoard {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The sources of the firmware are not where they should be.
    #[error(
        "{} is not denselet's workspace: it has no firmware/cargo; name the folder with --workspace",
        path.display()
    )]
    Workspace {
        /// Where they were looked for.
        path: PathBuf,
    },
    /// The model is none.
    #[error("the model is refused: {0}")]
    Model(denselet::FormatError),
    /// The host's runtime refuses the model or an image.
    #[error("the host's runtime: {0}")]
    Host(denselet::Error),
    /// The model needs more RAM than the board has.
    #[error(
        "{board} has {had} bytes of RAM; the model needs {needed}: {arena} for its arena, {image} for an image, {stack} \
         for the stack"
    )]
    Ram {
        /// The board.
        board: String,
        /// Bytes it has.
        had: usize,
        /// Bytes it would take.
        needed: usize,
        /// Bytes of arena.
        arena: usize,
        /// Bytes of an image.
        image: usize,
        /// Bytes kept for the stack.
        stack: usize,
    },
    /// Model and code need more flash than the board has.
    #[error("{board} has {had} bytes of flash; model ({model}) and code need {needed}")]
    Flash {
        /// The board.
        board: String,
        /// Bytes it has.
        had: usize,
        /// Bytes it would take.
        needed: usize,
        /// Bytes of the model alone.
        model: usize,
    },
    /// The firmware was not built.
    #[error("cannot build the firmware for {board}:\n{log}")]
    Build {
        /// The board.
        board: String,
        /// The end of what cargo and the set-up script said.
        log: String,
    },
    /// A target or an emulator is not installed, and nothing may be.
    #[error("{board}: needs {missing}; or give this command --install")]
    Missing {
        /// The board.
        board: String,
        /// What, and the command that installs it.
        missing: String,
    },
    /// The firmware's file cannot be understood.
    #[error("cannot read the firmware's sizes: {0}")]
    Elf(#[from] object::Error),
    /// Nobody knows what the processor's instructions cost.
    #[error(
        "cycles are modelled for {priced}, and {board} has a {core}; its instructions are counted without --cycles"
    )]
    NoCycles {
        /// The board.
        board: String,
        /// Its processor.
        core: String,
        /// The processor that there is a table for.
        priced: &'static str,
    },
    /// The emulator's plugin cannot be built or does not work.
    #[error("firmware/cycles/blocks.c, which counts for --cycles: {log}")]
    Plugin {
        /// What the compiler said, or what is wrong.
        log: String,
    },
    /// A file or a program cannot be used.
    #[error("{what}: {source}")]
    Io {
        /// Which, and what for.
        what: String,
        /// Why.
        source: std::io::Error,
    },
    /// The emulator did not end in time.
    #[error("{board}: no end after {} s", limit.as_secs())]
    Timeout {
        /// The board.
        board: String,
        /// How long it was given.
        limit: Duration,
    },
    /// The program gave up, or the emulator did.
    #[error("{board}: {reason}")]
    Failed {
        /// The board.
        board: String,
        /// The program's own words, or the emulator's.
        reason: String,
    },
    /// The program printed something that it should not.
    #[error("the firmware's line `{line}`: expected {expected}")]
    Protocol {
        /// The line.
        line: String,
        /// What should have been there.
        expected: &'static str,
    },
    /// The images are no images of the model.
    #[error("{had} bytes and {labels} labels are not images of {needed} bytes with one label each")]
    Images {
        /// Bytes of one image.
        needed: usize,
        /// Bytes there were.
        had: usize,
        /// Labels there were.
        labels: usize,
    },
}

impl Error {
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
