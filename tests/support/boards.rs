//! Boards in tests: runs a test on every board that can be emulated here.

use core::time::Duration;
use denselet_train::blob::Blob;
use denselet_train::board::{Board, Error, Outcome, Program, Request, Table, Workspace, run};
use std::process::Command;

/// If this variable is set, a board that cannot be emulated here is a failure. `tests/run` sets it after its set-up.
const REQUIRED: &str = "DENSELET_BOARDS_REQUIRED";

/// Longest time of one emulator.
pub const LIMIT: Duration = Duration::from_secs(300);

/// Returns the workspace of these tests.
pub fn workspace() -> Workspace {
    Workspace::find(None).unwrap_or_else(|error| panic!("{error}"))
}

/// Loads the table of boards.
pub fn table() -> Table {
    Table::load().unwrap_or_else(|error| panic!("{error}"))
}

/// Calls `test` with every board, on two threads, and collects the errors. If a board cannot be emulated here, it is skipped
/// with a line that gives the reason; if boards are required, this is an error too.
///
/// # Panics
///
/// Panics with all errors, each after the name of its board.
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

/// Returns why a board cannot be emulated here, if it cannot.
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

/// Runs images through `program` on a board, without modelled cycles. Returns `None` if the model does not fit the board.
///
/// # Errors
///
/// Returns an error if the run fails for another reason.
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
