//! Boards in tests: which can be run here, and what a run came to.

use core::time::Duration;
use denselet_train::blob::Blob;
use denselet_train::board::{Board, Error, Outcome, Program, Request, Table, Workspace, run};
use std::process::Command;

/// Whether boards that cannot be run here are a failure: set by `tests/run`, which has installed everything.
const REQUIRED: &str = "DENSELET_BOARDS_REQUIRED";

/// How long one emulator may take.
pub const LIMIT: Duration = Duration::from_secs(300);

/// The workspace that these tests are of.
pub fn workspace() -> Workspace {
    Workspace::find(None).unwrap_or_else(|error| panic!("{error}"))
}

/// The table of boards.
pub fn table() -> Table {
    Table::load().unwrap_or_else(|error| panic!("{error}"))
}

/// Calls `test` with every board that can be run here, on two threads, and collects what they complain about. A board
/// that cannot be run is skipped with a line that says so and why, or is a failure where boards are required.
///
/// # Panics
///
/// With every complaint, each with its board's name.
pub fn on_every_board(test: impl Fn(&Table, &Board) -> Result<(), String> + Sync) {
    let table = table();
    let required = std::env::var_os(REQUIRED).is_some();
    let one = |board: &Board| match missing(board) {
        Some(what) if required => Err(what),
        Some(what) => {
            eprintln!(
                "SKIPPED {}: {what} (`firmware/setup {}` installs it)",
                board.name, board.name
            );
            Ok(())
        }
        None => test(&table, board),
    };
    let half = |first: usize| {
        let boards = table.boards.iter().skip(first).step_by(2);
        let complaints =
            boards.filter_map(|board| one(board).err().map(|text| format!("{}: {text}", board.name)));
        complaints.collect::<Vec<_>>()
    };
    let complaints = std::thread::scope(|scope| {
        let other = scope.spawn(|| half(1));
        let mut complaints = half(0);
        complaints.extend(
            other
                .join()
                .unwrap_or_else(|_| vec!["a test panicked".to_owned()]),
        );
        complaints
    });
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// What keeps a board from being run here, if anything.
fn missing(board: &Board) -> Option<String> {
    let setup = concat!(env!("CARGO_MANIFEST_DIR"), "/../firmware/setup");
    match Command::new(setup)
        .arg(&board.name)
        .env("DENSELET_SETUP", "never")
        .output()
    {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()),
        Err(error) => Some(format!("{setup}: {error}")),
    }
}

/// Runs pictures through `program` on a board, without modelled cycles; `None` where the model does not fit it.
///
/// # Errors
///
/// Whatever else keeps it from running.
pub fn outcome(
    table: &Table,
    board: &Board,
    program: Program,
    model: &Blob,
    images: &[u8],
) -> Result<Option<Outcome>, String> {
    let workspace = workspace();
    let request = Request {
        workspace: &workspace,
        table,
        board,
        program,
        model,
        images,
        labels: &[],
        cycles: false,
        limit: LIMIT,
    };
    match run(&request, &mut |_| ()) {
        Ok(outcome) => Ok(Some(outcome)),
        Err(Error::Ram { .. } | Error::Flash { .. }) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}
