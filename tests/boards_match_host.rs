//! Every board computes the golden logits, bit for bit, for whole images and for images that are pushed row by row. Its inner
//! loops compute the bytes of the reference. It counts instructions exactly, and cycles if its core is modelled.

use denselet_tests::boards::{LIMIT, on_every_board, outcome, workspace};
use denselet_tests::golden::{ALL, Golden, IMAGES};
use denselet_train::board::{Board, Emulation, Error, Program, Request, Table, emulate, run};

/// Compares the logits of every golden that fits the board with the stored ones. At least one must fit.
fn logits_agree(table: &Table, board: &Board, program: Program, goldens: &[Golden]) -> Result<(), String> {
    let mut models = 0;
    for golden in goldens {
        let blob = golden.blob();
        let Some(outcome) = outcome(table, board, program, &blob, &golden.images(&blob))? else {
            continue;
        };
        if outcome.logits != golden.logits() {
            let (found, expected) = (&outcome.logits, golden.logits());
            return Err(format!(
                "{}: logits {found:?}, expected {expected:?}",
                golden.name
            ));
        }
        if outcome.images_equal != IMAGES || !outcome.matches_host {
            return Err(format!(
                "{}: {} of {IMAGES} equal to the host",
                golden.name, outcome.images_equal
            ));
        }
        models += 1;
    }
    if models == 0 {
        Err("no golden fits".to_owned())
    } else {
        Ok(())
    }
}

#[test]
fn whole_images_have_the_golden_logits() {
    on_every_board(|table, board| logits_agree(table, board, Program::Logits, &ALL));
}

#[test]
fn images_pushed_row_by_row_have_the_golden_logits() {
    on_every_board(|table, board| logits_agree(table, board, Program::Rows, &ALL[..1]));
}

/// Builds a program that checks its own result, and runs it.
fn passes(table: &Table, board: &Board, program: Program) -> Result<(), String> {
    let blob = ALL[0].blob();
    let built = workspace().build(table, board, program, blob.bytes());
    let built = built.map_err(|error| error.to_string())?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let elf = folder.path().join(program.name());
    built.write(&elf).map_err(|error| error.to_string())?;
    let emulation = Emulation {
        table,
        board,
        elf: &elf,
        images: &[],
        arguments: &[],
        limit: LIMIT,
    };
    emulate(&emulation, &mut |_| ()).map_err(|error| error.to_string())?;
    Ok(())
}

#[test]
fn instructions_are_counted_to_the_instruction() {
    on_every_board(|table, board| passes(table, board, Program::Counter));
}

#[test]
fn inner_loops_agree_with_the_reference() {
    on_every_board(|table, board| passes(table, board, Program::Kernels));
}

#[test]
fn cycles_are_modelled_for_a_cortex_m4_and_refused_for_others() {
    let blob = ALL[0].blob();
    let images = ALL[0].images(&blob);
    on_every_board(|table, board| {
        let workspace = workspace();
        let request = Request {
            workspace: &workspace,
            table,
            board,
            program: Program::Logits,
            model: &blob,
            images: &images,
            labels: &[],
            cycles: true,
            limit: LIMIT,
        };
        match run(&request, &mut |_| ()) {
            Ok(outcome) => {
                let counted = outcome.instructions.ok_or("counted no instructions")?.max;
                let cycles = outcome.cycles.ok_or("has no cycles")?;
                let is_likely = counted < cycles && cycles < 2 * counted;
                is_likely
                    .then_some(())
                    .ok_or(format!("{cycles} cycles for {counted} instructions"))
            }
            Err(Error::NoCycles { .. }) if board.core != "cortex-m4" => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    });
}
