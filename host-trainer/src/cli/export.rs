//! `denselet export`: folds, calibrates, quantises and packs a trained network into a blob.

use super::data_flags::{DataFlags, at_least_one, print_notes, warn};
use super::model::load_for;
use super::output::{Kind, Output, print_json, say};
use super::target;
use crate::about::About;
use crate::blob::Blob;
use crate::board::Table;
use crate::calibrate::{self, Calibration};
use crate::code::Coding;
use crate::data::Sample;
use crate::export::{self, Calibrated, ExportError, Form};
use crate::fidelity::{Fidelity, calibration_warning};
use crate::finetune::checkpoint as finetuned;
use crate::inspect::{self, grouped};
use crate::net::{Network, Normalisation};
use crate::quantise::Quantised;
use crate::spec::Spec;
use crate::train::checkpoint;
use anyhow::{Context, bail};
use denselet::layout::Order;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Options of `denselet export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  denselet export runs/fashion --out fashion.dlt
  denselet export runs/fashion --data ~/fashion-mnist --calibration 1024 --out fashion.dlt
  denselet export runs/digits --board microbit --out digits.dlt
  denselet export runs/digits --strip --out digits.dlt          (the smallest blob: parameters only)
  denselet export runs/digits --bits 5 --out digits.dlt         (5 bits per weight, coded: a smaller blob)
  denselet export runs/digits --target 9KB --out digits.dlt      (weights as fine as codes of this size allow)
  denselet export runs/fashion-int8 --out fashion.dlt           (fine-tuned: exactly the integers that were trained)
  denselet export --untrained --net d2 --seed 1 --out d2.dlt    (for sizing and benchmarks)")]
pub struct Args {
    /// A run's folder, a checkpoint file, or the folder of a fine-tuned network
    #[arg(value_name = "DIR", required_unless_present = "untrained")]
    run: Option<PathBuf>,
    /// Blob to write; an older blob there is replaced
    #[arg(long, value_name = "FILE", default_value = "model.dlt")]
    out: PathBuf,
    /// Data set to calibrate on, its training images only [default: the one it was trained on]
    #[arg(long, value_name = "NAME|DIR")]
    data: Option<String>,
    /// Training images that calibrate: a seeded sample balanced over the classes
    #[arg(long, value_name = "N", default_value_t = calibrate::IMAGES, value_parser = at_least_one())]
    calibration: usize,
    /// Bits of a weight in layers, transitions and the head; the stem keeps 8
    #[arg(long, value_name = "2-8", value_parser = clap::value_parser!(u8).range(2..=8))]
    bits: Option<u8>,
    /// Size of the blob, in bytes or as 36KB (of 1,024 bytes): the steps of all weights grow until their codes fit
    #[arg(long, value_name = "SIZE", value_parser = target::size, conflicts_with_all = ["bits", "untrained"])]
    target: Option<usize>,
    /// Order the weights for this board's core; the blob runs everywhere, and fastest there
    #[arg(long, value_name = "NAME", default_value = "mps2-an386")]
    board: String,
    /// Order the weights like this instead of for a board
    #[arg(long, value_enum, conflicts_with = "board")]
    order: Option<OrderName>,
    /// Code of the weights; it changes no result
    #[arg(long, value_enum, value_name = "CODE", default_value = "auto")]
    coding: CodingName,
    /// Export a network with seeded random weights instead of a trained one
    #[arg(long, requires = "net", conflicts_with_all = ["run", "data"])]
    untrained: bool,
    /// With --untrained: a preset's name or a TOML file
    #[arg(long, value_name = "NAME", requires = "untrained")]
    net: Option<String>,
    /// With --untrained: the seed of the weights
    #[arg(long, value_name = "N", default_value_t = 1, requires = "untrained")]
    seed: u64,
    #[command(flatten)]
    data_flags: DataFlags,
    /// Use the last network of a run's folder, not the one with the highest held-out accuracy
    #[arg(long)]
    last: bool,
    /// Leave out the metadata: names, provenance, accuracy, scales; the answers stay the same
    #[arg(long)]
    strip: bool,
    /// Replace a file of another kind
    #[arg(long)]
    force: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The orders by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OrderName {
    /// Filter after filter.
    Plain,
    /// Two filters side by side.
    Pairs,
    /// Four filters, a vector of each in turn.
    Quads,
}

impl From<OrderName> for Order {
    fn from(name: OrderName) -> Self {
        match name {
            OrderName::Plain => Self::Plain,
            OrderName::Pairs => Self::Pairs,
            OrderName::Quads => Self::Quads,
        }
    }
}

/// The codes by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum CodingName {
    /// For each array of weights of at most 7 bits the smallest code, if it saves at least a quarter
    Auto,
    /// A byte per weight
    Raw,
    /// 3 or 4 bits per weight where they suffice: decoding takes hardly any time
    Fixed,
    /// Huffman codes where they are smaller than bytes
    Huffman,
}

impl From<CodingName> for Coding {
    fn from(name: CodingName) -> Self {
        match name {
            CodingName::Auto => Self::Auto,
            CodingName::Raw => Self::Raw,
            CodingName::Fixed => Self::Fixed,
            CodingName::Huffman => Self::Huffman,
        }
    }
}

/// What was exported.
#[derive(Debug, Serialize)]
struct Summary {
    out: PathBuf,
    blob_bytes: usize,
    /// Of these, bytes that an inference does not read.
    metadata_bytes: usize,
    arena_bytes: usize,
    /// Bytes of all weights, as they are stored.
    weight_bytes: usize,
    /// Bits that a weight takes of them on average.
    bits_per_weight: f64,
    /// Most bytes of the arena that a stage's decoded weights take.
    window_bytes: usize,
    /// 0 if the integers themselves were trained.
    calibration_images: usize,
    /// Which training images calibrated; absent if none did.
    sample: Option<Sample>,
    /// Float against int8; absent if nothing was calibrated.
    #[serde(flatten)]
    fidelity: Option<Fidelity>,
    warnings: Vec<String>,
    notes: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let out = Output::new(&args.out, Kind::Blob, args.force)?;
    let order = match args.order {
        Some(order) => order.into(),
        None => Table::load()?.find(&args.board)?.order(),
    };
    let coding = args.coding.into();
    let form = Form { order, coding };
    let exported = match (&args.run, &args.net) {
        (None, Some(net)) => Exported {
            blob: untrained_blob(net, args, form)?,
            calibration_images: UNTRAINED_IMAGES,
            ..Exported::default()
        },
        (Some(run), _) => match finetuned::find(run, args.last) {
            Some(file) => trained_integers(&file, args, form)?,
            None => calibrated(run, args, form)?,
        },
        (None, None) => bail!("give a run's folder, or --untrained and --net"),
    };
    let blob = &exported.blob;
    out.write(blob)?;
    let sizes = inspect::blob("", &Blob::new(blob)?).context("a blob of this size has no plan here")?;
    let summary = Summary {
        out: args.out.clone(),
        blob_bytes: blob.len(),
        metadata_bytes: sizes.metadata_bytes,
        arena_bytes: sizes.arena_bytes,
        weight_bytes: sizes.weight_bytes,
        bits_per_weight: sizes.bits_per_weight,
        window_bytes: sizes.window_bytes,
        calibration_images: exported.calibration_images,
        sample: exported.sample,
        fidelity: exported.fidelity,
        warnings: exported.warnings,
        notes: exported.notes,
    };
    if args.json {
        return print_json(&summary);
    }
    let how = match summary.calibration_images {
        0 => "fine-tuned".to_owned(),
        count => format!("calibrated on {count} images"),
    };
    let coded = match summary.window_bytes {
        0 => String::new(),
        _ => format!(", {:.2} bits per weight", summary.bits_per_weight),
    };
    say(format_args!(
        "{}: {} bytes of flash, {} of them metadata, {} bytes of arena{coded}, {how}",
        summary.out.display(),
        grouped(summary.blob_bytes as u64),
        grouped(summary.metadata_bytes as u64),
        grouped(summary.arena_bytes as u64),
    ));
    Ok(())
}

/// A blob, and how it was made.
#[derive(Default)]
struct Exported {
    blob: Vec<u8>,
    calibration_images: usize,
    sample: Option<Sample>,
    fidelity: Option<Fidelity>,
    warnings: Vec<String>,
    notes: Vec<String>,
}

/// A float network in integers of as many bits as are asked for, or as fit the target beside `metadata` bytes.
fn quantised(
    args: &Args,
    form: Form,
    (network, images): (&Network, &[u8]),
    metadata: usize,
) -> anyhow::Result<Quantised> {
    let Some(target) = args.target else {
        return Ok(match args.bits {
            Some(bits) => export::quantised_to(bits, network, images)?,
            None => export::quantised(network, images)?,
        });
    };
    let room = target.saturating_sub(metadata);
    let within = Calibrated::new(network, images).within(room, form)?;
    within.map_err(|least| {
        anyhow::anyhow!(
            "--target: expected at least {} bytes, found {}: less leaves no room for weights",
            grouped((least + metadata) as u64),
            grouped(target as u64)
        )
    })
}

/// Bytes of metadata that say how accurate a blob is, at most.
const ACCURACY_BYTES: usize = 64;

/// A float network's blob, calibrated and compared with the network.
fn calibrated(run: &Path, args: &Args, form: Form) -> anyhow::Result<Exported> {
    let chosen = checkpoint::choose(run, args.last);
    let checkpoint = checkpoint::load(&chosen)?;
    if !args.json {
        say(format_args!("reads {}", chosen.display()));
    }
    let data = load_for(&chosen, &checkpoint, args.data.as_deref(), &args.data_flags)?;
    print_notes(&data);
    let calibration = Calibration::draw(&data, args.calibration);
    let network = &checkpoint.network;
    let metadata = match args.strip {
        true => 0,
        false => {
            let raw = export::quantised(network, &calibration.images.images)?;
            let len = |about: Option<&About>| Ok::<_, ExportError>(export::write(&raw, form, about)?.len());
            len(Some(&checkpoint.about()))? - len(None)? + ACCURACY_BYTES
        }
    };
    let quantised = quantised(args, form, (network, &calibration.images.images), metadata)?;
    let stripped = Blob::new(&export::write(&quantised, form, None)?)?;
    let fidelity = Fidelity::measure(network, &stripped, &data, checkpoint.meta.recipe_for(&data))?;
    let about = (!args.strip).then(|| About {
        accuracy: fidelity.text(),
        ..checkpoint.about()
    });
    let bytes = export::write(&quantised, form, about.as_ref())?;
    let guess = checkpoint.meta.guess.as_deref().map(guess_warning);
    let warnings = [guess, calibration_warning(&calibration), fidelity.warning()];
    let warnings: Vec<String> = warnings.into_iter().flatten().collect();
    warn(&warnings);
    Ok(Exported {
        blob: bytes,
        calibration_images: calibration.sample.len(),
        sample: Some(calibration.sample),
        fidelity: Some(fidelity),
        warnings,
        notes: data.notes,
    })
}

/// The blob of exactly the integers that were fine-tuned: nothing is calibrated again.
fn trained_integers(file: &Path, args: &Args, form: Form) -> anyhow::Result<Exported> {
    anyhow::ensure!(
        args.data.is_none(),
        "{} is fine-tuned and is not calibrated again: leave out --data, or export the float network beside it",
        file.display()
    );
    anyhow::ensure!(
        args.bits.is_none() && args.target.is_none(),
        "{} is fine-tuned and keeps the bits of its weights: leave out --bits and --target, or give them to `denselet finetune`",
        file.display()
    );
    if !args.json {
        say(format_args!("reads {}", file.display()));
    }
    let found = finetuned::load(file)?;
    let about = (!args.strip).then(|| found.about());
    let blob = export::write(&found.parameters.quantise()?, form, about.as_ref())?;
    let warnings: Vec<String> = found
        .meta
        .guess
        .as_deref()
        .map(guess_warning)
        .into_iter()
        .collect();
    warn(&warnings);
    Ok(Exported {
        blob,
        warnings,
        ..Exported::default()
    })
}

/// That a network was imported without knowing how images become its input.
pub(super) fn guess_warning(guess: &str) -> String {
    format!(
        "the preprocessing of this imported network is a guess: {guess}. If its framework scaled images otherwise, every \
         answer of the blob is wrong: import it again with --preprocess, or check its accuracy with `denselet eval`"
    )
}

/// Images of noise that calibrate an untrained network: what it answers means nothing.
const UNTRAINED_IMAGES: usize = 2;

fn untrained_blob(net: &str, args: &Args, form: Form) -> anyhow::Result<Vec<u8>> {
    let (network, images) = untrained(net, args.seed)?;
    let about = (!args.strip).then(|| About {
        name: network.spec.name.clone(),
        provenance: format!(
            "denselet {}: untrained, seed {}",
            env!("CARGO_PKG_VERSION"),
            args.seed
        ),
        ..About::default()
    });
    let quantised = quantised(args, form, (&network, &images), 0)?;
    Ok(export::write(&quantised, form, about.as_ref())?)
}

/// A network with seeded weights and seeded images that calibrate it.
pub fn untrained(net: &str, seed: u64) -> anyhow::Result<(Network, Vec<u8>)> {
    let spec = Spec::load(net)?;
    let channels = spec.input.channels;
    let input = Normalisation {
        mean: vec![127.5; channels],
        std: vec![64.0; channels],
    };
    let image_len = spec.input.height * spec.input.width * channels;
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let images = (0..UNTRAINED_IMAGES * image_len).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    let images = images.collect();
    Ok((Network::new(&spec, input, seed), images))
}
