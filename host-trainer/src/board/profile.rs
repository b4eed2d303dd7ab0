//! Where an inference's instructions go: one image, stage by stage, on an emulated board.

use super::{Board, Error, Program, Table, Workspace, emulate};
use crate::blob::Blob;
use core::time::Duration;

/// Instructions of every stage of `model`, the stem first, in the order they run.
///
/// # Errors
///
/// Whatever keeps the model from being built or run.
pub fn profile(
    workspace: &Workspace,
    table: &Table,
    board: &Board,
    model: &Blob,
    limit: Duration,
) -> Result<Vec<u64>, Error> {
    let built = workspace.build(table, board, Program::Stages, model.bytes())?;
    let folder = tempfile::tempdir().map_err(Error::io("a folder for the firmware"))?;
    let elf = folder.path().join("firmware.elf");
    built.write(&elf)?;
    let facts = emulate(table, board, &elf, &[], limit, &mut |_| {})?;
    Ok(facts.stages)
}
