//! `denselet bench`: compares five networks on a board with a peer's recorded figures, with raw and with coded weights.

mod coded;

use super::output::{print_json, say};
use super::run::run_with_progress;
use super::terminal::table;
use crate::blob::Blob;
use crate::board::{Board, Code, Outcome, Program, Request, Table, Workspace};
use crate::export;
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
    after_help = "The networks d1 to d5 are built untrained with a fixed seed: the number of instructions of \
an inference does not depend on the weights or the image. A ratio is denselet's figure divided by the peer's.

The coded blobs have weights that are drawn from those of the trained network host-trainer/models/cifar10-small, in the codes that `export` \
chooses for them.

--cycles models a Cortex-M4 by its published timing table, with memory without wait states. It needs a C compiler (cc) and an \
emulator with plugins.

Examples:
  denselet bench --board mps2-an386
  denselet bench --board mps2-an386 --cycles
  denselet bench --board mps3-an547 --net d1 --net d2 --json"
)]
pub struct Args {
    /// Board to run on; `denselet boards` lists them
    #[arg(long, value_name = "NAME", default_value = "mps2-an386")]
    board: String,
    /// Networks to run
    #[arg(long, value_name = "NAME", default_values_t = ["d1", "d2", "d3", "d4", "d5"].map(str::to_owned))]
    net: Vec<String>,
    /// Images of noise per network; the fewest and the most instructions of them are compared
    #[arg(long, value_name = "N", default_value_t = 2)]
    count: usize,
    /// Model cycles too, of a Cortex-M4
    #[arg(long)]
    cycles: bool,
    /// Longest time of the emulator for one network, in seconds
    #[arg(long, default_value_t = 1800, value_name = "SECONDS")]
    timeout: u64,
    /// Denselet's sources [default: those that this program was built from]
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Install what is missing: a Rust target, QEMU
    #[arg(long)]
    install: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Figures of all networks on a board.
#[derive(Debug, Serialize)]
struct Benchmark {
    board: String,
    networks: Vec<NetworkFigures>,
}

/// Figures of one network.
#[derive(Debug, Serialize)]
struct NetworkFigures {
    name: String,
    macs_executed: u64,
    instructions: u64,
    instructions_min: u64,
    /// Modelled cycles.
    #[serde(skip_serializing_if = "Option::is_none")]
    cycles: Option<u64>,
    /// Arena, state and stack.
    ram_bytes: usize,
    arena_bytes: usize,
    stack_bytes: usize,
    blob_bytes: usize,
    /// Flash without the model, of a program that only runs the network.
    code_bytes: usize,
    code: Code,
    matches_host: bool,
    /// With coded weights.
    coded: CodedFigures,
}

/// Figures of the same network with coded weights.
#[derive(Debug, Serialize)]
struct CodedFigures {
    bits_per_weight: f64,
    blob_bytes: usize,
    instructions: u64,
    /// Arena, state and stack.
    ram_bytes: usize,
    /// As of the raw network.
    code_bytes: usize,
}

/// Recorded figures of the peer.
#[derive(Debug, Deserialize)]
struct Peer {
    recorded: String,
    name: String,
    stack_bytes: usize,
    code_bytes: usize,
    instructions: BTreeMap<String, BTreeMap<String, u64>>,
    cycles: BTreeMap<String, BTreeMap<String, u64>>,
    arena_bytes: BTreeMap<String, usize>,
    model_bytes: BTreeMap<String, usize>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let boards = Table::load()?;
    let board = boards.find(&args.board)?;
    let workspace = Workspace::find(args.workspace.as_deref())?.installing(args.install);
    let trained = coded::trained_weights(&workspace.root().join(TRAINED))?;
    let mut networks = Vec::new();
    for net in &args.net {
        networks.push(measure(net, &trained, (&boards, board, &workspace), args)?);
    }
    let report = Benchmark {
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
        "logits on the board: expected those of the host, found others"
    );
    Ok(())
}

/// The network whose weights the coded blobs' are drawn from.
const TRAINED: &str = "host-trainer/models/cifar10-small/finetuned.safetensors";

fn measure(
    net: &str,
    trained: &[i8],
    (boards, board, workspace): (&Table, &Board, &Workspace),
    args: &Args,
) -> anyhow::Result<NetworkFigures> {
    let (network, images) = super::export::untrained(net, 1)?;
    let order = board.order();
    let mut quantised = export::quantised(&network, &images)?;
    let blob = Blob::new(&export::write(&quantised, order.into(), None)?)?;
    coded::draw(&mut quantised, trained);
    let coded = Blob::new(&export::write(&quantised, order.into(), None)?)?;
    let sizes = inspect::network(&Spec::load(net)?, order).context("network is too large")?;
    let image_len = images.len() / 2;
    let images: Vec<u8> = images
        .iter()
        .copied()
        .cycle()
        .take(image_len * args.count)
        .collect();
    let run = |model: &Blob, cycles: bool| {
        let request = Request {
            workspace,
            table: boards,
            board,
            program: Program::Logits,
            model,
            images: &images,
            labels: &[],
            cycles,
            limit: Duration::from_secs(args.timeout),
        };
        let outcome = run_with_progress(&request, args.json).with_context(|| format!("network {net}"))?;
        let counted = outcome
            .instructions
            .context("the board counted no instructions")?;
        anyhow::Ok((outcome, counted))
    };
    let (outcome, instructions) = run(&blob, args.cycles)?;
    let (of_coded, counted) = run(&coded, false)?;
    let minimal = |model: &Blob| workspace.build(boards, board, Program::Minimal, model.bytes());
    let (minimal, minimal_coded) = (minimal(&blob)?, minimal(&coded)?);
    let coded_sizes = inspect::blob("", &coded).context("network is too large")?;
    let ram = |outcome: &Outcome| outcome.arena_bytes + outcome.state_bytes + outcome.stack_bytes;
    Ok(NetworkFigures {
        name: net.to_owned(),
        macs_executed: sizes.macs_executed,
        instructions: instructions.max,
        instructions_min: instructions.min,
        cycles: outcome.cycles,
        ram_bytes: ram(&outcome),
        arena_bytes: outcome.arena_bytes,
        stack_bytes: outcome.stack_bytes,
        blob_bytes: blob.bytes().len(),
        code_bytes: minimal.sizes.flash_code_bytes,
        code: Code::of(&minimal.elf)?,
        matches_host: outcome.matches_host && of_coded.matches_host,
        coded: CodedFigures {
            bits_per_weight: coded_sizes.bits_per_weight,
            blob_bytes: coded.bytes().len(),
            instructions: counted.max,
            ram_bytes: ram(&of_coded),
            code_bytes: minimal_coded.sizes.flash_code_bytes,
        },
    })
}

fn print(report: &Benchmark, peer: &Peer) {
    let has_cycles = report.networks.iter().any(|row| row.cycles.is_some());
    let mut header = vec![
        "network",
        "MACs as executed",
        "instructions",
        "per MAC",
        "of peer",
    ];
    if has_cycles {
        header.extend(["cycles", "per MAC", "of peer"]);
    }
    header.extend([
        "RAM bytes",
        "of peer",
        "stack",
        "blob bytes",
        "of peer",
        "code bytes",
    ]);
    let ratio =
        |ours: f64, theirs: Option<f64>| theirs.map_or("-".to_owned(), |n| format!("{:.2}", ours / n));
    let counted = |ours: u64, macs: u64, theirs: Option<u64>| {
        let per_mac = format!("{:.2}", ours as f64 / macs as f64);
        [
            grouped(ours),
            per_mac,
            ratio(ours as f64, theirs.map(|n| n as f64)),
        ]
    };
    let rows = report.networks.iter().map(|row| {
        let of = |all: &BTreeMap<String, BTreeMap<String, u64>>| {
            all.get(&report.board).and_then(|all| all.get(&row.name)).copied()
        };
        let arena = peer.arena_bytes.get(&row.name);
        let model = peer.model_bytes.get(&row.name);
        let mut cells = vec![row.name.clone(), grouped(row.macs_executed)];
        cells.extend(counted(
            row.instructions,
            row.macs_executed,
            of(&peer.instructions),
        ));
        if has_cycles {
            cells.extend(counted(
                row.cycles.unwrap_or_default(),
                row.macs_executed,
                of(&peer.cycles),
            ));
        }
        cells.extend([
            grouped(row.ram_bytes as u64),
            ratio(row.ram_bytes as f64, arena.map(|n| (n + peer.stack_bytes) as f64)),
            grouped(row.stack_bytes as u64),
            grouped(row.blob_bytes as u64),
            ratio(row.blob_bytes as f64, model.map(|&n| n as f64)),
            grouped(row.code_bytes as u64),
        ]);
        cells
    });
    say(table(&header, rows));
    print_coded(report, peer);
    say(format_args!(
        "board {}; peer: {}, recorded {}; its code {} bytes",
        report.board,
        peer.name,
        peer.recorded,
        grouped(peer.code_bytes as u64)
    ));
    say("RAM: arena, state and stack; the peer's: arena and stack.");
    if let Some(row) = report.networks.first() {
        let code = &row.code;
        let parts = [
            ("kernels", code.kernels),
            ("network", code.network),
            ("format", code.format),
            ("plan", code.plan),
            ("compiler's", code.compiler),
            ("main and inlined code", code.program),
            ("start and rest", code.rest),
            (
                "constants and vectors",
                row.code_bytes.saturating_sub(code.total()),
            ),
        ];
        let parts = parts.map(|(name, bytes)| format!("{name} {}", grouped(bytes as u64)));
        say(format_args!(
            "Code: a program that only runs the network (firmware/src/bin/minimal.rs), without the model; {}: {}.",
            row.name,
            parts.join(", ")
        ));
    }
    if has_cycles {
        say("Cycles are modelled: a Cortex-M4 with memory without wait states.");
    }
    let same = report
        .networks
        .iter()
        .all(|row| row.instructions == row.instructions_min);
    say(if same {
        "All images took the same number of instructions."
    } else {
        "The number of instructions differed between images."
    });
}

/// The same networks with coded weights.
fn print_coded(report: &Benchmark, peer: &Peer) {
    let header = [
        "coded",
        "bits per weight",
        "blob bytes",
        "of peer",
        "instructions",
        "of peer",
        "RAM bytes",
        "of peer",
        "code bytes",
    ];
    let ratio = |ours: f64, theirs: Option<f64>| theirs.map_or("-".into(), |n| format!("{:.2}", ours / n));
    let rows = report.networks.iter().map(|row| {
        let coded = &row.coded;
        let instructions = peer
            .instructions
            .get(&report.board)
            .and_then(|all| all.get(&row.name));
        let arena = peer.arena_bytes.get(&row.name);
        let model = peer.model_bytes.get(&row.name);
        vec![
            row.name.clone(),
            format!("{:.2}", coded.bits_per_weight),
            grouped(coded.blob_bytes as u64),
            ratio(coded.blob_bytes as f64, model.map(|&n| n as f64)),
            grouped(coded.instructions),
            ratio(coded.instructions as f64, instructions.map(|&n| n as f64)),
            grouped(coded.ram_bytes as u64),
            ratio(
                coded.ram_bytes as f64,
                arena.map(|n| (n + peer.stack_bytes) as f64),
            ),
            grouped(coded.code_bytes as u64),
        ]
    });
    say(table(&header, rows));
    say(
        "Coded: weights drawn from those of host-trainer/models/cifar10-small, in the codes that `export` chooses.",
    );
}
