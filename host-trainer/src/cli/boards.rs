//! `denselet boards`: lists the boards.

use super::output::{print_json, say};
use crate::board::{Board, Table};

/// Options of `denselet boards`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  denselet boards\n  denselet boards --json")]
pub struct Args {
    /// Print one JSON object: `boards`, a list.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// Returns an error if the table of boards is broken.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let Table { boards, .. } = Table::load()?;
    if args.json {
        return print_json(&serde_json::json!({ "boards": boards }));
    }
    for Board {
        name, about, triple, ..
    } in &boards
    {
        say(format_args!("{name:<14} {about} [{triple}]"));
    }
    Ok(())
}
