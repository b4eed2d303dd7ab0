//! `denselet inspect`: sizes of a blob or a network, layer by layer.

use super::output::{print_json, say};
use super::terminal::table;
use crate::blob::Blob;
use crate::board::{Ram, Table, order_name};
use crate::finetune::checkpoint as finetuned;
use crate::inspect::{self, Sizes, grouped};
use crate::spec::Spec;
use crate::train::checkpoint;
use anyhow::Context;
use denselet::layout::Order;
use std::path::PathBuf;

/// Options of `denselet inspect`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  denselet inspect model.dlt
  denselet inspect runs/fashion
  denselet inspect --net densenet-bc-100-12
  denselet inspect --net my-network.toml --json")]
pub struct Args {
    /// A blob, or a run's folder or checkpoint
    #[arg(required_unless_present = "net", conflicts_with = "net")]
    model: Option<PathBuf>,
    /// A preset's name or a TOML file: sizes without training
    #[arg(long, value_name = "NAME")]
    net: Option<String>,
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let too_large = || "network does not fit in this machine's address space";
    let sizes = match (&args.model, &args.net) {
        (Some(path), _) if !super::model::is_blob(path) => {
            let tuned = finetuned::find(path, false).map(|file| finetuned::load(&file));
            match tuned.transpose()? {
                // The sizes of coded weights depend on their values.
                Some(tuned) if tuned.meta.recipe.finetune.bits < 8 => {
                    let blob = tuned.blob(Order::Pairs)?;
                    inspect::blob(&path.display().to_string(), &blob).with_context(too_large)?
                }
                Some(tuned) => {
                    let spec = &tuned.parameters.folded.spec;
                    inspect::network(spec, Order::Plain).with_context(too_large)?
                }
                None => {
                    let spec = &checkpoint::load(path)?.network.spec;
                    inspect::network(spec, Order::Plain).with_context(too_large)?
                }
            }
        }
        (Some(path), _) => {
            let blob = Blob::read(path)?;
            inspect::blob(&path.display().to_string(), &blob).with_context(too_large)?
        }
        (None, Some(name)) => inspect::network(&Spec::load(name)?, Order::Plain).with_context(too_large)?,
        (None, None) => anyhow::bail!("give a blob or --net"),
    };
    if args.json {
        return print_json(&sizes);
    }
    print(&sizes)
}

/// Which boards read weights in this order, and how much longer the others take.
fn boards_of(order: &str) -> anyhow::Result<String> {
    let table = Table::load()?;
    let Some(order) = [Order::Plain, Order::Pairs, Order::Quads]
        .into_iter()
        .find(|known| order_name(*known) == order)
    else {
        anyhow::bail!("weights in {order} order: expected plain, pairs or quads");
    };
    // A hundredth is not worth another export.
    let (fast, slow): (Vec<_>, Vec<_>) = table.boards.iter().partition(|board| board.times(order) < 1.01);
    let names: Vec<&str> = fast.iter().map(|board| board.name.as_str()).collect();
    let slow: Vec<String> = slow
        .iter()
        .map(|board| format!("{} {:.1}", board.name, board.times(order)))
        .collect();
    let own = if names.is_empty() {
        "as a host reads them".to_owned()
    } else {
        format!("for {}", names.join(", "))
    };
    Ok(if slow.is_empty() {
        own
    } else {
        format!("{own}; times as many instructions elsewhere: {}", slow.join(", "))
    })
}

fn print(sizes: &Sizes) -> anyhow::Result<()> {
    let sides = |[height, width, channels]: [usize; 3]| format!("{height}x{width}x{channels}");
    let rows = sizes.layers.iter().enumerate().map(|(index, row)| {
        let mark = if index == sizes.peak { " <- peak" } else { "" };
        vec![
            row.name.clone(),
            row.what.clone(),
            sides(row.input),
            sides(row.output),
            grouped(row.macs_executed),
            grouped(row.bytes as u64),
            format!("{} {:.2}", row.codecs.join(", "), row.bits_per_weight),
            format!("{}{mark}", grouped(row.arena_bytes as u64)),
        ]
    });
    say(table(
        &[
            "stage",
            "computes",
            "reads",
            "writes",
            "MACs as executed",
            "blob bytes",
            "weights, bits each",
            "arena bytes",
        ],
        rows,
    ));
    say(format_args!("{}", sizes.name));
    let fact = |name: &str, value: String| say(format_args!("  {name:<19}{value}"));
    if let Some(params) = sizes.params {
        fact("parameters", grouped(params));
    }
    fact(
        "weights and biases",
        format!("{} in a blob, batch norms folded", grouped(sizes.folded_params)),
    );
    fact(
        "MACs as trained",
        format!(
            "{} (the paper's count: transitions convolve, then pool)",
            grouped(sizes.macs)
        ),
    );
    fact(
        "MACs as executed",
        format!("{} (transitions pool first)", grouped(sizes.macs_executed)),
    );
    let bytes = |count: usize| grouped(count as u64);
    let Ram {
        arena_bytes,
        image_bytes,
        stack_bytes,
        total_bytes,
    } = sizes.ram;
    fact(
        "RAM",
        format!(
            "{} bytes: arena {}, one image {}, reserved for the stack {}",
            bytes(total_bytes),
            bytes(arena_bytes),
            bytes(image_bytes),
            bytes(stack_bytes)
        ),
    );
    let metadata = match (sizes.order, sizes.metadata_bytes) {
        (None, _) => " without metadata".to_owned(),
        (Some(_), 0) => ", stripped of metadata".to_owned(),
        (Some(_), count) => format!(
            ", {} of them metadata (`export --strip` leaves it out)",
            bytes(count)
        ),
    };
    fact(
        "blob",
        format!("{} bytes of flash{metadata}", bytes(sizes.blob_bytes)),
    );
    if sizes.window_bytes > 0 {
        fact(
            "weights",
            format!(
                "{} bytes, {:.2} bits each; decoded into {} bytes of arena, with a table of {}",
                bytes(sizes.weight_bytes),
                sizes.bits_per_weight,
                bytes(sizes.window_bytes),
                bytes(sizes.table_bytes)
            ),
        );
    }
    let texts = [
        ("network", &sizes.network),
        ("input", &sizes.input),
        ("made by", &sizes.provenance),
        ("accuracy", &sizes.accuracy),
        ("classes", &sizes.labels.join(", ")),
    ];
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        fact(name, text.clone());
    }
    if let Some(order) = sizes.order {
        fact("order of weights", format!("{order}, {}", boards_of(order)?));
    }
    Ok(())
}
