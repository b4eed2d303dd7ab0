//! Builds the firmware with a blob, runs it on emulated boards and compares its logits with the host's.
//!
//! This module and the firmware share only a blob, `firmware/boards.toml` and the lines that a program prints.

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
mod request;
mod run;
mod table;

pub use code::Code;
pub use elf::Sizes;
pub use emulator::{Emulation, emulate};
pub use error::Error;
pub use firmware::{Built, Program, Workspace};
pub use profile::{StageCounts, profile};
pub use protocol::{Facts, Instructions};
pub use ram::Ram;
pub use request::Request;
pub use run::{Outcome, Progress, run};
pub use table::{Board, Table, order_name};
