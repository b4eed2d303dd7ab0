//! Emulated boards: builds the firmware around a blob, runs it, and holds its logits against the host's. The last stage
//! of the walk; before it, `export` wrote the blob.
//!
//! This module and the firmware meet only in a blob, in `firmware/boards.toml` and in the lines that a program prints.

mod code;
mod cortex_m4;
mod cycles;
mod elf;
mod emulator;
mod error;
mod firmware;
mod profile;
mod protocol;
mod ram;
mod run;
mod table;

pub use code::Code;
pub use elf::Sizes;
pub use emulator::emulate;
pub use error::Error;
pub use firmware::{Built, Program, Workspace};
pub use profile::{Taken, profile};
pub use protocol::Facts;
pub use ram::Ram;
pub use run::{Instructions, Outcome, Progress, Request, run};
pub use table::{Board, Table, order_name};
