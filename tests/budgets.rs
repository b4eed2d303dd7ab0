//! Measures flash, RAM, stack and instructions of an 8x8 network on every board, with weights in the order of the core,
//! and compares them with the budgets in `golden/budgets.txt`.
//!
//! A number may be 1 % above its budget, because compilers differ; more is a failure. If a number is more than 1 % below,
//! lower the budget: `DENSELET_REGENERATE=1 cargo test -p denselet-tests --test budgets` writes new ones.

use core::fmt::Write as _;
use denselet_tests::boards::{on_every_board, outcome};
use denselet_tests::golden::{ALL, regenerates};
use denselet_train::board::{Outcome, Program};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

/// Columns after the name of a board, in order.
const COLUMNS: [&str; 6] = [
    "flash_code_bytes",
    "ram_bytes",
    "arena_bytes",
    "state_bytes",
    "stack_bytes",
    "instructions",
];

type Numbers = [u64; COLUMNS.len()];

fn numbers(outcome: &Outcome) -> Result<Numbers, String> {
    let instructions = outcome.instructions.ok_or("instructions were not counted")?;
    let bytes = [
        outcome.sizes.flash_code_bytes,
        outcome.sizes.ram_bytes,
        outcome.arena_bytes,
        outcome.state_bytes,
        outcome.stack_bytes,
    ];
    let [code, ram, arena, state, stack] = bytes.map(|bytes| bytes as u64);
    Ok([code, ram, arena, state, stack, instructions.max])
}

fn path() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/budgets.txt"))
}

fn read() -> BTreeMap<String, Vec<u64>> {
    let text =
        std::fs::read_to_string(path()).unwrap_or_else(|error| panic!("{}: {error}", path().display()));
    let rows = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut words = line.split_whitespace();
        let board = words.next().unwrap_or_default().to_owned();
        let number = |word: &str| {
            word.parse()
                .unwrap_or_else(|_| panic!("{}: {line}", path().display()))
        };
        (board, words.map(number).collect())
    });
    rows.collect()
}

fn write(found: &BTreeMap<String, Numbers>) {
    let mut text = format!(
        "# What an 8x8 network takes on each board; see tests/budgets.rs.\n# {:<13}",
        "board"
    );
    let mut row = |cells: &[String]| {
        for cell in cells {
            // Writing to a string cannot fail.
            let _ = write!(text, " {cell:>16}");
        }
        text += "\n";
    };
    row(&COLUMNS.map(str::to_owned));
    for (board, numbers) in found {
        let cells = numbers.map(|number| number.to_string());
        let _ = write!(text, "{board:<15}");
        for cell in cells {
            let _ = write!(text, " {cell:>16}");
        }
        text += "\n";
    }
    std::fs::write(path(), text).unwrap_or_else(|error| panic!("{}: {error}", path().display()));
}

#[test]
fn no_board_passes_its_budget() {
    let budgets = if regenerates() { BTreeMap::new() } else { read() };
    let found = Mutex::new(BTreeMap::new());
    on_every_board(|table, board| {
        let golden = ALL
            .iter()
            .find(|golden| golden.order == board.order())
            .ok_or("has no golden")?;
        let blob = golden.blob();
        let outcome = outcome(table, board, Program::Logits, &blob, &golden.images(&blob))?;
        let numbers = numbers(&outcome.ok_or("the first golden does not fit")?)?;
        if let Ok(mut found) = found.lock() {
            found.insert(board.name.clone(), numbers);
        }
        if regenerates() {
            return Ok(());
        }
        let budget = budgets.get(&board.name).ok_or("has no budget")?;
        let mut over = String::new();
        for ((column, number), budget) in COLUMNS.iter().zip(numbers).zip(budget) {
            let slack = budget / 100;
            if number > budget + slack {
                over += &format!(" {column} {number}, budget {budget}.");
            } else if number + slack < *budget {
                eprintln!("{}: {column} {number}, budget {budget}: lower it", board.name);
            }
        }
        if over.is_empty() { Ok(()) } else { Err(over) }
    });
    if regenerates() {
        write(&found.into_inner().unwrap_or_default());
    }
}
