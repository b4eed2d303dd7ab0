//! Options of `denselet train`.

use crate::cli::data_flags::DataFlags;
use crate::cli::flags::Flags;
use crate::train::{Method, Schedule};
use std::path::PathBuf;

/// Options of `denselet train`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  denselet train --net digits --data digits
  denselet train --net d1 --data fashion-mnist --out runs/fashion
  denselet train --net mine.toml --data images/ --resize --epochs 50 --lr 0.05
  denselet train --net d1 --data fashion-mnist --recipe mine.toml --lr 0.05    (the flag wins)
  denselet train --net d2 --data cifar10 --out runs/cifar --resume    (continues a stopped run)
  denselet train --net d2 --data cifar10 --out runs/cifar --resume --epochs 60    (trains for longer than planned)
  mpirun -n 4 denselet train --net d2 --data cifar10    (four processes; needs a build with the feature `mpi`)

A run's folder holds checkpoint.safetensors (the last epoch), best.safetensors (the highest held-out accuracy; of equal \
ones the lowest held-out loss), recipe.toml, log.csv, TensorBoard's events and report.html. With --finetune, the integers go \
into a folder of the same name with -int8 after it.")]
pub struct Args {
    /// A preset's name or a TOML file
    #[arg(long, value_name = "NAME|FILE")]
    pub(in crate::cli) net: String,
    /// `digits`, `fashion-mnist`, `cifar10`, `har`, `keywords`, a folder that holds one of them, NumPy arrays (.npz, or a folder of
    /// .npy), a table (.csv), or a folder of images by class
    #[arg(long, value_name = "NAME|DIR|FILE")]
    pub(in crate::cli) data: String,
    /// A TOML file with fields of a recipe; what it leaves out depends on the data, and flags win over it
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) recipe: Option<PathBuf>,
    /// Epochs: how often every image is seen [default: depends on the data]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) epochs: Option<usize>,
    /// Images per step, of all ranks together [default: depends on the data]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) batch: Option<usize>,
    /// Highest learning rate [default: 0.1]
    #[arg(long, value_name = "RATE")]
    pub(in crate::cli) lr: Option<f32>,
    /// Optimiser of the weights [default: sgd]
    #[arg(long, value_enum, value_name = "NAME")]
    pub(in crate::cli) optimiser: Option<Method>,
    /// Schedule of the learning rate [default: cosine]
    #[arg(long, value_enum, value_name = "NAME")]
    pub(in crate::cli) schedule: Option<Schedule>,
    /// Epochs in which the learning rate rises to its highest [default: 0]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) warm_up: Option<f32>,
    /// Longest gradient, as one vector of all tensors; 0: any length [default: 0]
    #[arg(long, value_name = "NORM")]
    pub(in crate::cli) clip: Option<f32>,
    /// Epochs without a better held-out accuracy, or an equal one with a lower held-out loss, that end the run early; 0: never
    /// [default: 0]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) patience: Option<usize>,
    /// Weight decay of convolutions and head [default: depends on the data]
    #[arg(long, value_name = "RATE")]
    pub(in crate::cli) decay: Option<f32>,
    /// Decides every random number of the run [default: 1]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) seed: Option<u64>,
    /// Largest shift of a training image, in pixels [default: depends on the data]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) shift: Option<usize>,
    /// Mirror training images left to right [default: depends on the data]
    #[arg(long, value_name = "BOOL")]
    pub(in crate::cli) flip: Option<bool>,
    /// Share of the labels spread over all classes [default: 0]
    #[arg(long, value_name = "SHARE")]
    pub(in crate::cli) smoothing: Option<f32>,
    /// Share of the training images that is measured after every epoch instead of trained on; 0: all are trained on
    /// [default: 0.1]
    #[arg(long, value_name = "SHARE", alias = "hold-out")]
    pub(in crate::cli) held_out: Option<f32>,
    #[command(flatten)]
    pub(in crate::cli) flags: Flags,
    #[command(flatten)]
    pub(in crate::cli) data_flags: DataFlags,
    /// The run's folder [default: runs/NET-DATA]
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) out: Option<PathBuf>,
    /// Resume the run in the folder, or start it if there is none; its recipe is kept, and --epochs may be more
    #[arg(long)]
    pub(in crate::cli) resume: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(in crate::cli) json: bool,
}
