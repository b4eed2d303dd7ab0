//! `denselet export`: folds, calibrates, quantises and packs a trained network into a blob.

use super::{print_json, say};
use crate::board::Table;
use crate::calibrate::{self, Calibration};
use crate::data::Sample;
use crate::finetune::checkpoint as finetuned;
use crate::inspect::grouped;
use crate::net::{Network, Normalisation};
use crate::spec::Spec;
use crate::train::checkpoint;
use crate::{export, whole_file};
use anyhow::bail;
use denselet::layout::Order;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Options of `denselet export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  denselet export runs/fashion --out fashion.dlt
  denselet export runs/fashion --data ~/fashion-mnist --calibration 1024 --out fashion.dlt
  denselet export runs/digits --board microbit --out digits.dlt
  denselet export runs/fashion-int8 --out fashion.dlt           (fine-tuned: exactly the integers that were trained)
  denselet export --untrained --net d2 --seed 1 --out d2.dlt    (for sizing and benchmarks)")]
pub struct Args {
    /// A run's folder, a checkpoint file, or what `finetune` made of one
    #[arg(value_name = "DIR", required_unless_present = "untrained")]
    run: Option<PathBuf>,
    /// Where the blob goes
    #[arg(long, value_name = "FILE", default_value = "model.dlt")]
    out: PathBuf,
    /// Data set to calibrate on, its training images only [default: the one it was trained on]
    #[arg(long, value_name = "NAME|DIR")]
    data: Option<String>,
    /// Training images that calibrate: a seeded sample balanced over the classes
    #[arg(long, value_name = "N", default_value_t = calibrate::IMAGES)]
    calibration: usize,
    /// Order the weights for this board's core; the blob runs everywhere, and fastest there
    #[arg(long, value_name = "NAME", default_value = "mps2-an386")]
    board: String,
    /// Order the weights like this, whatever the board
    #[arg(long, value_enum, conflicts_with = "board")]
    order: Option<OrderName>,
    /// Export a network with seeded random weights instead of a trained one
    #[arg(long, requires = "net", conflicts_with_all = ["run", "data"])]
    untrained: bool,
    /// With --untrained: a preset's name or a TOML file
    #[arg(long, value_name = "NAME", requires = "untrained")]
    net: Option<String>,
    /// With --untrained: the seed of the weights
    #[arg(long, value_name = "N", default_value_t = 1, requires = "untrained")]
    seed: u64,
    /// Of a run's folder take the last network, not the one with the highest held-out accuracy
    #[arg(long)]
    last: bool,
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

/// What was exported.
#[derive(Debug, Serialize)]
struct Report {
    out: PathBuf,
    blob_bytes: usize,
    arena_bytes: usize,
    /// 0 if the integers themselves were trained.
    calibration_images: usize,
    /// Which training images calibrated; absent if none did.
    sample: Option<Sample>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let order = match args.order {
        Some(order) => order.into(),
        None => Table::load()?.find(&args.board)?.order(),
    };
    let (blob, calibrated_on, sample) = match (&args.run, &args.net) {
        (None, Some(net)) => {
            let (blob, images) = calibrated(&untrained(net, args.seed)?, order)?;
            (blob, images, None)
        }
        (Some(run), _) => match finetuned::find(run) {
            Some(file) => (trained_integers(&file, args, order)?, 0, None),
            None => {
                let (network, calibration) = trained(run, args)?;
                let (blob, images) = calibrated(&(network, calibration.images.images), order)?;
                (blob, images, Some(calibration.sample))
            }
        },
        (None, None) => bail!("give a run's folder, or --untrained and --net"),
    };
    whole_file::write(&args.out, &blob)?;
    let report = Report {
        out: args.out.clone(),
        blob_bytes: blob.len(),
        arena_bytes: denselet::arena_len(&blob),
        calibration_images: calibrated_on,
        sample,
    };
    if args.json {
        return print_json(&report);
    }
    let how = match report.calibration_images {
        0 => "fine-tuned".to_owned(),
        count => format!("calibrated on {count} images"),
    };
    say(format_args!(
        "{}: {} bytes of flash, {} bytes of arena, {how}",
        report.out.display(),
        grouped(report.blob_bytes as u64),
        grouped(report.arena_bytes as u64),
    ));
    Ok(())
}

/// A float network's blob, and the number of images that calibrated it.
fn calibrated((network, images): &(Network, Vec<u8>), order: Order) -> anyhow::Result<(Vec<u8>, usize)> {
    let blob = export::export(network, images, order, &crate::about::About::default())?;
    Ok((blob, images.len() / network.image_len()))
}

/// The blob of exactly the integers that were fine-tuned: nothing is calibrated again.
fn trained_integers(file: &Path, args: &Args, order: Order) -> anyhow::Result<Vec<u8>> {
    anyhow::ensure!(
        args.data.is_none(),
        "{} is fine-tuned and is not calibrated again: leave out --data, or export the float network beside it",
        file.display()
    );
    if !args.json {
        say(format_args!("takes {}", file.display()));
    }
    let quantised = finetuned::load(file)?.parameters.quantise()?;
    Ok(export::write(&quantised, order, &crate::about::About::default())?)
}

/// A network with seeded weights and seeded pictures that calibrate it.
pub fn untrained(net: &str, seed: u64) -> anyhow::Result<(Network, Vec<u8>)> {
    let spec = Spec::load(net)?;
    let channels = spec.input.channels;
    let input = Normalisation {
        mean: vec![127.5; channels],
        std: vec![64.0; channels],
    };
    let image_len = spec.input.height * spec.input.width * channels;
    // Two pictures of noise are enough: nobody asks an untrained network anything.
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let images = (0..2 * image_len).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    let images = images.collect();
    Ok((Network::new(&spec, input, seed), images))
}

/// A trained network and the training images that calibrate it.
fn trained(run: &Path, args: &Args) -> anyhow::Result<(Network, Calibration)> {
    let chosen = checkpoint::choose(run, args.last);
    let checkpoint = checkpoint::load(&chosen)?;
    if !args.json {
        say(format_args!("takes {}", chosen.display()));
    }
    let name = args.data.as_ref().unwrap_or(&checkpoint.meta.data);
    let network = checkpoint.network;
    let data = super::eval::load(name, network.spec.input, network.spec.classes)?;
    Ok((network, Calibration::draw(&data, args.calibration)))
}
