//! `denselet export-onnx`: exports a trained network for viewers and other runtimes.

use super::output::{Kind, Output, print_json, say};
use crate::inspect::grouped;
use crate::interchange::{onnx_export, state_dict};
use crate::train::checkpoint;
use serde::Serialize;
use std::path::PathBuf;

/// Options of `denselet export-onnx`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  denselet export-onnx runs/fashion --out fashion.onnx
  denselet export-onnx runs/fashion --state-dict fashion.safetensors    (for PyTorch, by torchvision's names)")]
pub struct Args {
    /// A run's folder or a checkpoint file
    #[arg(value_name = "DIR")]
    run: PathBuf,
    /// ONNX file; its input is raw bytes as floats from 0 to 255, [N, C, H, W], its output is logits
    /// [default: model.onnx, unless --state-dict is given]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Safetensors file of a PyTorch state dict
    #[arg(long, value_name = "FILE")]
    state_dict: Option<PathBuf>,
    /// Use the last network of a run's folder, not the one with the highest held-out accuracy
    #[arg(long)]
    last: bool,
    /// Replace a file of another kind
    #[arg(long)]
    force: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The written files.
#[derive(Debug, Serialize)]
struct Exported {
    onnx: Option<PathBuf>,
    onnx_bytes: usize,
    state_dict: Option<PathBuf>,
    /// Value of --preprocess for an import of the state dict, which contains no normalisation.
    preprocess: String,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let onnx = match (&args.out, &args.state_dict) {
        (Some(path), _) => Some(path.clone()),
        (None, None) => Some(PathBuf::from("model.onnx")),
        (None, Some(_)) => None,
    };
    let checked = |path: &Option<PathBuf>, kind| {
        let output = path.as_ref().map(|path| Output::new(path, kind, args.force));
        output.transpose()
    };
    let outputs = [
        checked(&onnx, Kind::Onnx)?,
        checked(&args.state_dict, Kind::Safetensors)?,
    ];
    let network = checkpoint::load(&checkpoint::choose(&args.run, args.last))?.network;
    let mut onnx_bytes = 0;
    let [to_onnx, to_state_dict] = outputs;
    if let Some(output) = to_onnx {
        let bytes = onnx_export::to_onnx(&network);
        onnx_bytes = bytes.len();
        output.write(&bytes)?;
    }
    if let Some(output) = to_state_dict {
        output.write(&state_dict::to_state_dict(&network)?)?;
    }
    let listed = |values: &[f32]| {
        let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
        texts.join(",")
    };
    let report = Exported {
        onnx,
        onnx_bytes,
        state_dict: args.state_dict.clone(),
        preprocess: format!(
            "mean={};std={}",
            listed(&network.input.mean),
            listed(&network.input.std)
        ),
    };
    if args.json {
        return print_json(&report);
    }
    if let Some(path) = &report.onnx {
        say(format_args!(
            "{}: {} bytes; input `image`, floats from 0 to 255, [N, {}, {}, {}]",
            path.display(),
            grouped(onnx_bytes as u64),
            network.spec.input.channels,
            network.spec.input.height,
            network.spec.input.width
        ));
    }
    if let Some(path) = &report.state_dict {
        say(format_args!(
            "{}: the network's inputs are x = (byte - mean) / std with {}",
            path.display(),
            report.preprocess
        ));
    }
    Ok(())
}
