//! `denselet net`: lists the presets, or prints one as the start of a network's file.

use super::output::{print_json, say};
use super::terminal::table;
use crate::inspect::{self, grouped};
use crate::spec::{Spec, preset_text, presets};
use anyhow::Context;
use denselet::layout::Order;
use serde::Serialize;

/// Options of `denselet net`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  denselet net                          (lists the presets)
  denselet net mono-32k > mine.toml     (a file to change, for `denselet train --net mine.toml`)")]
pub struct Args {
    /// Preset to print as TOML [default: list all]
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Print one JSON array of the presets, or the preset's text as a JSON string
    #[arg(long)]
    json: bool,
}

/// One preset in the list.
#[derive(Debug, Serialize)]
struct Preset {
    name: String,
    input: String,
    params: usize,
    macs: u64,
    arena_bytes: usize,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(name) = &args.name {
        let text = preset_text(name).with_context(|| {
            let known: Vec<&str> = presets().collect();
            format!(
                "network: expected a preset ({}), found `{name}`",
                known.join(", ")
            )
        })?;
        if args.json {
            return print_json(&text);
        }
        say(text.trim_end());
        return Ok(());
    }
    let presets = presets().map(|name| {
        let spec = Spec::load(name)?;
        let sizes = inspect::network(&spec, Order::Plain).with_context(|| {
            format!(
                "preset `{name}`: expected a size that fits the address space of this machine, found more"
            )
        })?;
        Ok(Preset {
            name: name.to_owned(),
            input: spec.input.to_string(),
            params: spec.parameters(),
            macs: spec.macs(),
            arena_bytes: sizes.arena_bytes,
        })
    });
    let presets = presets.collect::<anyhow::Result<Vec<_>>>()?;
    if args.json {
        return print_json(&presets);
    }
    let rows = presets.iter().map(|preset| {
        vec![
            preset.name.clone(),
            preset.input.clone(),
            grouped(preset.params as u64),
            grouped(preset.macs),
            grouped(preset.arena_bytes as u64),
        ]
    });
    say(table(
        &["preset", "input", "parameters", "MACs as trained", "arena bytes"],
        rows,
    ));
    say("`denselet train` adapts the input and the classes to the data.");
    Ok(())
}
