//! The options of `denselet finetune`.

use crate::cli::data_flags::DataFlags;
use crate::cli::target;
use std::path::PathBuf;

/// Options of `denselet finetune`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  denselet finetune runs/fashion                                 (on the data set it was trained on, into runs/fashion-int8)
  denselet finetune runs/fashion --data fashion-mnist --epochs 1 --lr 0.02
  denselet finetune runs/imported --data images/ --resize --out runs/mine
  denselet finetune runs/fashion --target 20KB --out runs/small  (coded weights: a blob of at most 20 KiB)
  denselet finetune runs/fashion --resume                        (continues a stopped run)
  denselet eval runs/fashion-int8 --data fashion-mnist           (int8, bit-exact with the device)
  denselet export runs/fashion-int8 --out fashion.dlt            (exactly the integers that were trained)

The folder holds finetuned.safetensors (the last epoch), finetuned-best.safetensors (the last epoch whose held-out accuracy is \
within a standard error of the highest; with --target, of those whose blob fits), and a copy of the float network as checkpoint.safetensors.")]
pub struct Args {
    /// A run's folder or a checkpoint file: the float network
    #[arg(value_name = "DIR")]
    pub(super) run: PathBuf,
    /// Data set; its training images are used [default: the one it was trained on]
    #[arg(long, value_name = "NAME|DIR")]
    pub(super) data: Option<String>,
    /// Epochs: how often every image is seen [default: the recipe's, or 2]
    #[arg(long, value_name = "N")]
    pub(super) epochs: Option<usize>,
    /// Images per step [default: as in training]
    #[arg(long, value_name = "N")]
    pub(super) batch: Option<usize>,
    /// Highest learning rate, in steps of quantisation [default: the recipe's, or 0.01]
    #[arg(long, value_name = "RATE")]
    pub(super) lr: Option<f32>,
    /// Share of the loss that is the distance from the float network; the rest is cross-entropy
    /// [default: the recipe's, or 0.5]
    #[arg(long, value_name = "SHARE")]
    pub(super) distillation: Option<f32>,
    /// Training images that calibrate before the first step, a seeded sample balanced over the classes [default: the recipe's, or 256]
    #[arg(long, value_name = "N")]
    pub(super) calibration: Option<usize>,
    /// Bits of a weight in layers, transitions and the head; the stem keeps 8 [default: the recipe's, or 8]
    #[arg(long, value_name = "2-8", value_parser = clap::value_parser!(u8).range(2..=8))]
    pub(super) bits: Option<u8>,
    /// Size of the blob, in bytes or as 36KB (of 1,024 bytes): weights are trained until their codes fit
    #[arg(long, value_name = "SIZE", value_parser = target::size, conflicts_with = "bits_per_weight")]
    pub(super) target: Option<usize>,
    /// What a coded weight may take on average, in bits; the weights are trained towards it [default: the recipe's, or as many as
    /// it takes]
    #[arg(long, value_name = "BITS")]
    pub(super) bits_per_weight: Option<f32>,
    /// Share of the training split that is measured after every epoch instead of trained on, and chooses the best network; 0: the last
    /// network is kept [default: as in training]
    #[arg(long, value_name = "SHARE")]
    pub(super) held_out: Option<f32>,
    /// Blends pairs of images by shares from Beta(ALPHA, ALPHA); 0: none [default: 0]
    #[arg(long, value_name = "ALPHA")]
    pub(super) mixup: Option<f32>,
    /// Puts rectangles of images into others, with areas from Beta(ALPHA, ALPHA); 0: none [default: 0]
    #[arg(long, value_name = "ALPHA")]
    pub(super) cutmix: Option<f32>,
    /// Decides every random number of the run but which images are held out [default: as in training]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    #[command(flatten)]
    pub(super) data_flags: DataFlags,
    /// Folder of the fine-tuned network [default: DIR-int8]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Resume the run in the folder, or start it if there is none; its recipe is kept, and --epochs may be more
    #[arg(long)]
    pub(super) resume: bool,
    /// Use the last network of a run's folder, not the one with the highest held-out accuracy
    #[arg(long)]
    pub(super) last: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}
