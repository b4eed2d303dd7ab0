//! `denselet bench-train`: how fast this machine trains a network.

use super::output::{print_json, say};
use crate::bench;
use crate::spec::Spec;

/// Options of `denselet bench-train`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  denselet bench-train --net d1 --batch 64
  RAYON_NUM_THREADS=1 denselet bench-train --net d2 --seconds 20 --json")]
pub struct Args {
    /// A preset's name or a TOML file
    #[arg(long, value_name = "NAME|FILE")]
    net: String,
    /// Images per step
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Seconds to measure for
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    seconds: f64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let spec = Spec::load(&args.net)?;
    let speed = bench::train_speed(&spec, usize::from(args.batch), args.seconds);
    if args.json {
        return print_json(&speed);
    }
    say(format_args!(
        "{}, batch {}, {} threads: {:.0} images/s (fastest step {:.0})",
        speed.net, speed.batch, speed.threads, speed.images_per_second, speed.best_images_per_second
    ));
    say(format_args!(
        "{:.1} GFLOP/s, {:.0} % of the {:.0} GFLOP/s that a matrix product in cache reaches",
        speed.gflops,
        100.0 * speed.fraction_of_peak,
        speed.peak_gflops
    ));
    if let Some(mb) = speed.peak_rss_mb {
        say(format_args!("{mb:.0} MB peak resident memory"));
    }
    Ok(())
}
