//! `denselet bench`: five networks on a board, beside a peer's recorded figures.

use super::run::run_with_progress;
use super::{print_json, say, table};
use crate::blob::Blob;
use crate::board::{Board, Program, Request, Table, Workspace};
use crate::export::export;
use crate::inspect;
use crate::inspect::grouped;
use crate::spec::Spec;
use anyhow::Context;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Options of `denselet bench`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The networks d1 to d5 are built untrained with a fixed seed: an inference takes the same number of
instructions whatever the weights and the image are. Ratios are ours over theirs.

Examples:
  denselet bench --board mps2-an386
  denselet bench --board mps3-an547 --net d1 --net d2 --json"
)]
pub struct Args {
    /// Board to run on; `denselet boards` lists them
    #[arg(long, value_name = "NAME", default_value = "mps2-an386")]
    board: String,
    /// Only these networks
    #[arg(long, value_name = "NAME", default_values_t = ["d1", "d2", "d3", "d4", "d5"].map(str::to_owned))]
    net: Vec<String>,
    /// Images of noise per network; the fewest and the most instructions of them are compared
    #[arg(long, value_name = "N", default_value_t = 2)]
    count: usize,
    /// Seconds the emulator may take for one network
    #[arg(long, default_value_t = 1800, value_name = "SECONDS")]
    timeout: u64,
    /// Denselet's sources [default: those that this program was built from]
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Report {
    board: String,
    networks: Vec<Row>,
}

/// One network.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    /// As executed.
    macs: u64,
    instructions: u64,
    instructions_min: u64,
    /// Arena, state and stack.
    ram_bytes: usize,
    arena_bytes: usize,
    stack_bytes: usize,
    blob_bytes: usize,
    code_bytes: usize,
    matches_host: bool,
}

/// The peer's recorded figures.
#[derive(Debug, Deserialize)]
struct Peer {
    recorded: String,
    name: String,
    stack_bytes: usize,
    code_bytes: usize,
    instructions: BTreeMap<String, BTreeMap<String, u64>>,
    arena_bytes: BTreeMap<String, usize>,
    model_bytes: BTreeMap<String, usize>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let boards = Table::load()?;
    let board = boards.find(&args.board)?;
    let workspace = Workspace::find(args.workspace.as_deref())?;
    let mut networks = Vec::new();
    for net in &args.net {
        networks.push(measure(net, &boards, board, &workspace, args)?);
    }
    let report = Report {
        board: board.name.clone(),
        networks,
    };
    if args.json {
        print_json(&report)?;
    } else {
        let peer: Peer = toml::from_str(include_str!("../../peers.toml")).context("peers.toml")?;
        print(&report, &peer);
    }
    let different = report.networks.iter().find(|row| !row.matches_host);
    anyhow::ensure!(
        different.is_none(),
        "a network's logits on the board are not the host's"
    );
    Ok(())
}

fn measure(
    net: &str,
    boards: &Table,
    board: &Board,
    workspace: &Workspace,
    args: &Args,
) -> anyhow::Result<Row> {
    let (network, images) = super::export::untrained(net, 1)?;
    let order = board.order();
    let blob = Blob::new(&export(&network, &images, order)?)?;
    let sizes = inspect::network(&Spec::load(net)?, order).context("network is too large")?;
    let image_len = images.len() / 2;
    let images: Vec<u8> = images
        .iter()
        .copied()
        .cycle()
        .take(image_len * args.count)
        .collect();
    let outcome = run_with_progress(&Request {
        workspace,
        table: boards,
        board,
        program: Program::Logits,
        model: &blob,
        images: &images,
        labels: &[],
        limit: Duration::from_secs(args.timeout),
    })
    .with_context(|| format!("network {net}"))?;
    let instructions = outcome
        .instructions
        .context("the board counted no instructions")?;
    Ok(Row {
        name: net.to_owned(),
        macs: sizes.macs_executed,
        instructions: instructions.max,
        instructions_min: instructions.min,
        ram_bytes: outcome.arena_bytes + outcome.state_bytes + outcome.stack_bytes,
        arena_bytes: outcome.arena_bytes,
        stack_bytes: outcome.stack_bytes,
        blob_bytes: blob.bytes().len(),
        code_bytes: outcome.sizes.flash_code_bytes,
        matches_host: outcome.matches_host,
    })
}

fn print(report: &Report, peer: &Peer) {
    let header = [
        "network",
        "MACs",
        "instructions",
        "per MAC",
        "of peer",
        "RAM bytes",
        "of peer",
        "stack",
        "blob bytes",
        "of peer",
        "code bytes",
    ];
    let theirs = peer.instructions.get(&report.board);
    let rows = report.networks.iter().map(|row| {
        let ratio =
            |ours: f64, theirs: Option<f64>| theirs.map_or("-".to_owned(), |n| format!("{:.2}", ours / n));
        let arena = peer
            .arena_bytes
            .get(&row.name)
            .map(|n| (n + peer.stack_bytes) as f64);
        vec![
            row.name.clone(),
            grouped(row.macs),
            grouped(row.instructions),
            format!("{:.2}", row.instructions as f64 / row.macs as f64),
            ratio(
                row.instructions as f64,
                theirs.and_then(|all| all.get(&row.name)).map(|&n| n as f64),
            ),
            grouped(row.ram_bytes as u64),
            ratio(row.ram_bytes as f64, arena),
            grouped(row.stack_bytes as u64),
            grouped(row.blob_bytes as u64),
            ratio(
                row.blob_bytes as f64,
                peer.model_bytes.get(&row.name).map(|&n| n as f64),
            ),
            grouped(row.code_bytes as u64),
        ]
    });
    say(table(&header, rows));
    say(format_args!(
        "board {}; peer: {}, recorded {}; its code {} bytes",
        report.board,
        peer.name,
        peer.recorded,
        grouped(peer.code_bytes as u64)
    ));
    say(
        "RAM: arena, state and stack; the peer's: arena and stack. Code: all of the firmware's flash but the model.",
    );
    let same = report
        .networks
        .iter()
        .all(|row| row.instructions == row.instructions_min);
    say(if same {
        "Every image took the same number of instructions."
    } else {
        "The number of instructions differed from image to image."
    });
}
