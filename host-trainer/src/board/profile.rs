//! Counts the instructions and cycles of each stage of an inference on an emulated board.

use super::cycles::Lap;
use super::error::Error;
use super::firmware::Program;
use super::request::Request;

/// Instructions and cycles of one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageCounts {
    /// Executed instructions.
    pub instructions: u64,
    /// Modelled cycles, if the request asks for them.
    pub cycles: Option<u64>,
}

/// Function of the firmware that ends one lap and begins the next.
const LAP: &str = "denselet_lap";

/// Returns the counts of every stage of the request's model, in the order they run. The program and the images of the
/// request are not used.
///
/// # Errors
///
/// Returns an error if the model cannot be built or run.
pub fn profile(request: &Request<'_>) -> Result<Vec<StageCounts>, Error> {
    let request = Request {
        program: Program::Stages,
        images: &[],
        labels: &[],
        ..*request
    };
    let execution = request.execute(request.build()?, &[LAP], &mut |_| {})?;
    let cycles = stage_cycles(&execution.laps.unwrap_or_default());
    let stages = execution.facts.stages.iter().enumerate();
    Ok(stages
        .map(|(index, &instructions)| StageCounts {
            instructions,
            cycles: cycles.get(index).copied(),
        })
        .collect())
}

/// Returns the cycles of the stages. The first lap is empty: it measures a lap's own cost. The last one is incomplete.
fn stage_cycles(laps: &[Lap]) -> Vec<u64> {
    match laps {
        [empty, stages @ .., _] => stages
            .iter()
            .map(|lap| lap.cycles.saturating_sub(empty.cycles))
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_a_lap_is_not_part_of_a_stage() {
        let lap = |cycles| Lap {
            from: 0,
            instructions: 1,
            cycles,
        };
        assert_eq!(stage_cycles(&[lap(40), lap(140), lap(45), lap(9999)]), [100, 5]);
        assert!(stage_cycles(&[lap(40)]).is_empty());
    }
}
