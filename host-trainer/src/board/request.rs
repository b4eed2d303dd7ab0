//! Builds a program of the firmware with a model and runs it on an emulated board.

use super::cycles::{self, Lap, Meter};
use super::emulator::{Emulation, emulate};
use super::error::Error;
use super::firmware::{Built, Program, Workspace};
use super::protocol::Facts;
use super::table::{Board, Table};
use crate::blob::Blob;
use core::time::Duration;

/// A program, its model and its images, and the board that runs it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// Sources of the firmware.
    pub workspace: &'r Workspace,
    /// Table that lists the board.
    pub table: &'r Table,
    /// Board that runs the program.
    pub board: &'r Board,
    /// Program of the firmware.
    pub program: Program,
    /// Blob of the model.
    pub model: &'r Blob,
    /// Images, `[image][row][column][channel]`.
    pub images: &'r [u8],
    /// One class per image; empty if the classes are unknown.
    pub labels: &'r [u16],
    /// Whether cycles are modelled too; the program must count instructions.
    pub cycles: bool,
    /// Longest time of the emulator.
    pub limit: Duration,
}

/// Results of one run of a program.
pub(super) struct Execution {
    pub(super) built: Built,
    pub(super) facts: Facts,
    /// Laps between the marked functions, if cycles are modelled.
    pub(super) laps: Option<Vec<Lap>>,
}

impl Request<'_> {
    /// Builds the program.
    pub(super) fn build(&self) -> Result<Built, Error> {
        if self.cycles {
            cycles::check(self.board)?;
        }
        self.workspace
            .build(self.table, self.board, self.program, self.model.bytes())
    }

    /// Runs the built program. Cycles are modelled from each of the functions `marks` to the next.
    pub(super) fn execute(
        &self,
        built: Built,
        marks: &[&str],
        on_facts: &mut dyn FnMut(&Facts),
    ) -> Result<Execution, Error> {
        let folder = tempfile::tempdir().map_err(Error::io("a folder for the firmware"))?;
        let elf = folder.path().join("firmware.elf");
        built.write(&elf)?;
        let meter = self
            .cycles
            .then(|| Meter::new(self.workspace, self.board, &built.elf, marks))
            .transpose()?;
        let arguments = meter.iter().flat_map(Meter::arguments).collect::<Vec<_>>();
        let emulation = Emulation {
            table: self.table,
            board: self.board,
            elf: &elf,
            images: self.images,
            arguments: &arguments,
            limit: self.limit,
        };
        let facts = emulate(&emulation, on_facts)?;
        let laps = meter.map(|meter| meter.laps(&built.elf)).transpose()?;
        Ok(Execution { built, facts, laps })
    }
}
