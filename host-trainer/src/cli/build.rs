//! `denselet build`: builds the firmware with a model embedded.

use super::output::{Kind, Output, print_json, say};
use super::terminal::{spinner, warn_of_order};
use crate::blob::Blob;
use crate::board::{Program, Table, Workspace};
use crate::inspect::grouped;
use std::path::PathBuf;

/// Options of `denselet build`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  denselet build runs/digits/model.dlt --board microbit --out digits.elf\n  \
                        denselet build model.dlt --board mps2-an386 --out fw.elf --json"
)]
pub struct Args {
    /// A blob
    model: PathBuf,
    /// The board to build for; `denselet boards` lists them.
    #[arg(long, value_name = "NAME")]
    board: String,
    /// The firmware to write, an ELF file.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Denselet's sources [default: those that this program was built from]
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Install what is missing: a Rust target, QEMU
    #[arg(long)]
    install: bool,
    /// Replace a file of another kind
    #[arg(long)]
    force: bool,
    /// Print one JSON object: board, file, sizes.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// Returns an error if the model is not a blob or does not fit, the firmware does not build, or its file cannot be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let out = Output::new(&args.out, Kind::Elf, args.force)?;
    let table = Table::load()?;
    let board = table.find(&args.board)?;
    let workspace = Workspace::find(args.workspace.as_deref())?.installing(args.install);
    let model = Blob::read(&args.model)?;
    let arena = denselet::arena_len(model.bytes());
    warn_of_order(model.model()?.header().order, board);
    let busy = spinner(format!("builds the firmware for {}", board.name), args.json);
    let built = workspace.build(&table, board, Program::Logits, model.bytes())?;
    out.write(&built.elf)?;
    busy.finish_and_clear();

    let sizes = built.sizes;
    if args.json {
        return print_json(&serde_json::json!({
            "board": board.name,
            "elf": args.out,
            "flash_code_bytes": sizes.flash_code_bytes,
            "flash_model_bytes": sizes.flash_model_bytes,
            "ram_bytes": sizes.ram_bytes,
            "arena_bytes": arena,
        }));
    }
    let bytes = |count: usize| grouped(count as u64);
    say(format_args!("{} for {}", args.out.display(), board.name));
    let flash = sizes.flash_code_bytes + sizes.flash_model_bytes;
    say(format_args!(
        "flash  {:>11} of {} bytes: code {}, model {}",
        bytes(flash),
        bytes(board.flash_bytes),
        bytes(sizes.flash_code_bytes),
        bytes(sizes.flash_model_bytes)
    ));
    say(format_args!(
        "RAM    {:>11} of {} bytes beside the stack: arena {}, one image and the rest {}",
        bytes(sizes.ram_bytes),
        bytes(board.ram_bytes),
        bytes(arena),
        bytes(sizes.ram_bytes.saturating_sub(arena))
    ));
    Ok(())
}
