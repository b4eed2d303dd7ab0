//! `denselet bench-train`: how fast this machine trains a network.

use super::output::{print_json, say};
use crate::bench;
use crate::spec::Spec;

/// Options of `denselet bench-train`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  denselet bench-train --net d1 --batch 64
  RAYON_NUM_THREADS=1 denselet bench-train --net d2 --seconds 20 --json
  denselet bench-train --net d1 --int8 --seconds 60    (float training and fine-tuning of the integers, in alternating runs)")]
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
    /// Compare float training with fine-tuning of the integers, in alternating runs
    #[arg(long)]
    int8: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let spec = Spec::load(&args.net)?;
    if args.int8 {
        return compare(args, &spec);
    }
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

/// Measures float training and fine-tuning.
fn compare(args: &Args, spec: &Spec) -> anyhow::Result<()> {
    let speed = bench::int8_speed(spec, usize::from(args.batch), args.seconds)?;
    if args.json {
        return print_json(&speed);
    }
    say(format_args!(
        "{}, batch {}, {} threads, {} alternating runs of {} steps each",
        speed.net, speed.batch, speed.threads, speed.turns, speed.steps
    ));
    say(format_args!(
        "float training               {:7.0} images/s",
        speed.float
    ));
    say(format_args!(
        "fine-tuning                  {:7.0} images/s, {:.2} of float training",
        speed.int8, speed.ratio
    ));
    say(format_args!(
        "fine-tuning, distillation    {:7.0} images/s, {:.2} of float training",
        speed.distilled, speed.distilled_ratio
    ));
    Ok(())
}
