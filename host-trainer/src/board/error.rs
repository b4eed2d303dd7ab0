//! Errors of building and running firmware.

use core::time::Duration;
use std::path::PathBuf;

/// Reasons for which a model does not run on a board.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The table of boards is broken.
    #[error("firmware/boards.toml: {0}")]
    Table(#[from] toml::de::Error),
    /// No board has this name.
    #[error("board: expected one of {}, found `{name}`", known.join(", "))]
    UnknownBoard {
        /// Name that was given.
        name: String,
        /// Names of all boards.
        known: Vec<String>,
    },
    /// The folder is not a workspace of denselet.
    #[error(
        "{}: expected denselet's workspace, found no firmware/cargo: give its folder with --workspace",
        path.display()
    )]
    Workspace {
        /// The folder.
        path: PathBuf,
    },
    /// The blob is refused.
    #[error("model: {0}")]
    Model(denselet::FormatError),
    /// The runtime on the host refuses the model or an image.
    #[error("runtime on the host: {0}")]
    Host(denselet::Error),
    /// The model needs more RAM than the board has.
    #[error(
        "{board} has {had} bytes of RAM; the model needs {needed}: {arena} for its arena, {image} for an image, {stack} \
         for the stack"
    )]
    Ram {
        /// The board.
        board: String,
        /// Size of its memory, in bytes.
        had: usize,
        /// Needed bytes.
        needed: usize,
        /// Bytes of the arena.
        arena: usize,
        /// Bytes of an image.
        image: usize,
        /// Bytes reserved for the stack.
        stack: usize,
    },
    /// Model and code need more flash than the board has.
    #[error("{board} has {had} bytes of flash; model ({model}) and code need {needed}")]
    Flash {
        /// The board.
        board: String,
        /// Size of its memory, in bytes.
        had: usize,
        /// Needed bytes.
        needed: usize,
        /// Bytes of the model.
        model: usize,
    },
    /// The build of the firmware failed.
    #[error("cannot build the firmware for {board}:\n{log}")]
    Build {
        /// The board.
        board: String,
        /// End of the output of cargo and the set-up script.
        log: String,
    },
    /// A target or an emulator is not installed, and installing is not allowed.
    #[error("{board}: needs {missing}; or give this command --install")]
    Missing {
        /// The board.
        board: String,
        /// What is missing, and the command that installs it.
        missing: String,
    },
    /// The file of the firmware is not an ELF file.
    #[error("file of the firmware: {0}")]
    Elf(#[from] object::Error),
    /// The cycles of the processor are not modelled.
    #[error(
        "--cycles: expected a board with a {modelled}, found {board} with a {core}: leave --cycles out to count instructions"
    )]
    NoCycles {
        /// The board.
        board: String,
        /// Processor of the board.
        core: String,
        /// Processor whose cycles are modelled.
        modelled: &'static str,
    },
    /// The emulator's plugin cannot be built or does not work.
    #[error("firmware/cycles/blocks.c, which counts for --cycles: {log}")]
    Plugin {
        /// Output of the compiler, or what is wrong.
        log: String,
    },
    /// A file or a program cannot be used.
    #[error("{what}: {source}")]
    Io {
        /// The file or program, and its purpose.
        what: String,
        /// Reason.
        source: std::io::Error,
    },
    /// The emulator exceeded its time.
    #[error("{board}: the emulator did not end within {} s: give a larger --timeout", limit.as_secs())]
    Timeout {
        /// The board.
        board: String,
        /// Allowed time.
        limit: Duration,
    },
    /// The program or the emulator gave up.
    #[error("{board}: {reason}")]
    Failed {
        /// The board.
        board: String,
        /// Reason that it gave.
        reason: String,
    },
    /// The program printed an unexpected line.
    #[error("output of the firmware: expected {expected}, found `{line}`")]
    Protocol {
        /// The line.
        line: String,
        /// What was expected.
        expected: &'static str,
    },
    /// The images do not fit the model.
    #[error("images: expected {needed} bytes and one label each, found {had} bytes and {labels} labels")]
    Images {
        /// Bytes of one image.
        needed: usize,
        /// Bytes of all images.
        had: usize,
        /// Number of labels.
        labels: usize,
    },
}

impl Error {
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
