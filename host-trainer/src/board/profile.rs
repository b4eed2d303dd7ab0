//! Where an inference's instructions and cycles go: one image, stage by stage, on an emulated board.

use super::cycles;
use super::cycles::{Lap, Meter};
use super::emulator::emulate;
use super::error::Error;
use super::firmware::{Program, Workspace};
use super::table::{Board, Table};
use crate::blob::Blob;
use core::time::Duration;

/// What one stage took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Instructions.
    pub instructions: u64,
    /// Modelled cycles, where they were asked for.
    pub cycles: Option<u64>,
}

/// What every stage of `model` takes, the stem first, in the order they run; `with_cycles`, modelled ones too.
///
/// # Errors
///
/// Whatever keeps the model from being built or run.
pub fn profile(
    workspace: &Workspace,
    table: &Table,
    board: &Board,
    model: &Blob,
    with_cycles: bool,
    limit: Duration,
) -> Result<Vec<Taken>, Error> {
    if with_cycles {
        cycles::check(board)?;
    }
    let built = workspace.build(table, board, Program::Stages, model.bytes())?;
    let folder = tempfile::tempdir().map_err(Error::io("a folder for the firmware"))?;
    let elf = folder.path().join("firmware.elf");
    built.write(&elf)?;
    let meter = with_cycles
        .then(|| Meter::new(workspace, board, &built.elf, &[LAP]))
        .transpose()?;
    let more = meter.iter().flat_map(Meter::arguments).collect::<Vec<_>>();
    let facts = emulate(table, board, &elf, &[], &more, limit, &mut |_| {})?;
    let cycles = match &meter {
        Some(meter) => stage_cycles(&meter.laps(&built.elf)?),
        None => Vec::new(),
    };
    let stages = facts.stages.iter().enumerate();
    Ok(stages
        .map(|(index, &instructions)| Taken {
            instructions,
            cycles: cycles.get(index).copied(),
        })
        .collect())
}

/// The function of the firmware that ends one lap and begins the next.
const LAP: &str = "denselet_lap";

/// Cycles of the stages: the first lap is around nothing, so it is what a lap itself costs; behind the last stage is no other.
fn stage_cycles(laps: &[Lap]) -> Vec<u64> {
    match laps {
        [nothing, stages @ .., _] => stages
            .iter()
            .map(|lap| lap.cycles.saturating_sub(nothing.cycles))
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_lap_itself_costs_is_in_no_stage() {
        let lap = |cycles| Lap {
            from: 0,
            instructions: 1,
            cycles,
        };
        assert_eq!(stage_cycles(&[lap(40), lap(140), lap(45), lap(9999)]), [100, 5]);
        assert!(stage_cycles(&[lap(40)]).is_empty());
    }
}
