//! `denselet run`: runs a model on an emulated board.

use super::data_flags::{DataFlags, print_notes};
use super::model::takes_of_blob;
use super::output::{print_json, say};
use super::terminal::{progress, spinner, warn_of_order};
use super::verbosity::detail;
use crate::blob::Blob;
use crate::board::{self, Outcome, Program, Progress, Request, Table, Workspace};
use crate::data::{SAMPLE_SEED, Sample};
use crate::inspect::grouped;
use crate::suit;
use crate::twin::raw_twin;
use core::time::Duration;
use rand::{Rng as _, SeedableRng as _};
use serde::Serialize;
use std::path::PathBuf;

/// Options of `denselet run`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  denselet run runs/digits/model.dlt --board microbit --data digits --count 100\n  \
                        denselet run model.dlt --board mps2-an386 --data noise --count 10 --json\n  \
                        denselet run model.dlt --board lm3s6965evb --data noise --rows"
)]
pub struct Args {
    /// A blob
    model: PathBuf,
    /// The board to run on; `denselet boards` lists them.
    #[arg(long, value_name = "NAME")]
    board: String,
    /// Source of the images: a data set (its test images), or `noise` (random images without classes).
    #[arg(long, value_name = "DATA")]
    data: String,
    /// Number of images: a seeded sample of the test images, balanced over the classes.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    #[command(flatten)]
    data_flags: DataFlags,
    /// Push the images row by row, as a camera would; counts no instructions.
    #[arg(long)]
    rows: bool,
    /// Longest time of the emulator, in seconds.
    #[arg(long, default_value_t = 1800, value_name = "SECONDS")]
    timeout: u64,
    /// Denselet's sources [default: those that this program was built from]
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Install what is missing: a Rust target, QEMU.
    #[arg(long)]
    install: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Summary<'r> {
    #[serde(flatten)]
    outcome: &'r Outcome,
    /// Which test images ran; absent for noise.
    sample: Option<&'r Sample>,
    notes: &'r [String],
    /// Instructions of an inference that decode weights: its own minus those of the same network with raw weights. Absent if no
    /// weights are coded, instructions are not counted, or the raw network does not fit the board.
    decode_instructions: Option<u64>,
}

/// Runs the command.
///
/// # Errors
///
/// Returns an error if the model does not run on the board, or its logits are not the host's.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let table = Table::load()?;
    let workspace = Workspace::find(args.workspace.as_deref())?.installing(args.install);
    let blob = Blob::read(&args.model)?;
    let model = blob.model()?;
    let Images {
        images,
        labels,
        sample,
        notes,
    } = load(args, &blob)?;
    let request = Request {
        workspace: &workspace,
        table: &table,
        board: table.find(&args.board)?,
        program: if args.rows { Program::Rows } else { Program::Logits },
        model: &blob,
        images: &images,
        labels: &labels,
        cycles: false,
        limit: Duration::from_secs(args.timeout),
    };
    warn_of_order(model.header().order, request.board);
    let outcome = run_with_progress(&request, args.json)?;
    let decode_instructions = decoding(&request, &outcome, args.json)?;
    if args.json {
        print_json(&Summary {
            decode_instructions,
            outcome: &outcome,
            sample: sample.as_ref(),
            notes: &notes,
        })?;
    } else {
        print(&outcome);
        if let (Some(decoding), Some(all)) = (decode_instructions, outcome.instructions) {
            let share = 100.0 * decoding as f64 / all.max.max(1) as f64;
            say(format_args!(
                "decoding      {} instructions of these, {share:.1} %",
                grouped(decoding)
            ));
        }
    }
    anyhow::ensure!(
        outcome.matches_host,
        "{} of {} images have other logits on the board than on the host",
        outcome.images - outcome.images_equal,
        outcome.images
    );
    Ok(())
}

/// What decoding adds to the instructions of an inference, which are the same for every image.
fn decoding(request: &Request<'_>, outcome: &Outcome, quiet: bool) -> anyhow::Result<Option<u64>> {
    let Some(twin) = raw_twin(request.model)? else {
        return Ok(None);
    };
    let image_len = request.images.len() / outcome.images.max(1);
    let raw = run_with_progress(
        &Request {
            model: &twin,
            images: &request.images[..image_len],
            labels: request.labels.get(..1).unwrap_or(&[]),
            ..*request
        },
        quiet,
    );
    let raw = match raw {
        Err(board::Error::Ram { .. } | board::Error::Flash { .. }) => None,
        raw => raw?.instructions,
    };
    let both = outcome.instructions.zip(raw);
    Ok(both.map(|(coded, raw)| coded.max.saturating_sub(raw.max)))
}

/// Runs a request with a spinner for the build and a bar for the images, without them if `quiet`.
///
/// # Errors
///
/// As [`board::run`].
pub fn run_with_progress(request: &Request<'_>, quiet: bool) -> Result<Outcome, board::Error> {
    let name = &request.board.name;
    let mut bar = spinner(format!("builds the firmware for {name}"), quiet);
    let mut is_running = false;
    let start = std::time::Instant::now();
    let outcome = board::run(request, &mut |state| {
        if let Progress::Running { done, of } = state {
            if !is_running {
                is_running = true;
                bar.finish_and_clear();
                detail(format_args!(
                    "building for {name} took {:.1} s",
                    start.elapsed().as_secs_f64()
                ));
                bar = progress(of, &format!("images on {name}"), quiet);
                // An image can take seconds: the time that has passed still moves.
                bar.enable_steady_tick(Duration::from_millis(250));
            }
            bar.set_position(done as u64);
        }
    });
    bar.finish_and_clear();
    detail(format_args!(
        "building and running on {name} took {:.1} s",
        start.elapsed().as_secs_f64()
    ));
    outcome
}

/// What runs on the board.
struct Images {
    images: Vec<u8>,
    labels: Vec<u16>,
    sample: Option<Sample>,
    notes: Vec<String>,
}

/// A sample of the test images of a data set, their classes, and which they are; noise has no classes.
fn load(args: &Args, blob: &Blob) -> anyhow::Result<Images> {
    let takes = takes_of_blob(&args.model, blob)?;
    let count = args.count as usize;
    if args.data == "noise" {
        let len = takes.input.height * takes.input.width * takes.input.channels;
        let mut noise = vec![0; count * len];
        rand_chacha::ChaCha8Rng::seed_from_u64(0).fill_bytes(&mut noise);
        return Ok(Images {
            images: noise,
            labels: Vec::new(),
            sample: None,
            notes: Vec::new(),
        });
    }
    let data = suit::load(&args.data, &takes, args.data_flags.reading())?;
    print_notes(&data);
    let (test, sample) = data.test.draw(count, SAMPLE_SEED);
    Ok(Images {
        images: test.images,
        labels: test.labels,
        sample: Some(sample),
        notes: data.notes,
    })
}

fn print(outcome: &Outcome) {
    let accuracy = outcome
        .accuracy
        .map(|share| format!(", accuracy {:.2} %", share * 100.0));
    let instructions = match outcome.instructions {
        Some(range) if range.min == range.max => grouped(range.max),
        Some(range) => format!("{} to {}", grouped(range.min), grouped(range.max)),
        None => "not counted".to_owned(),
    };
    let bytes = |count: usize| grouped(count as u64);
    say(format_args!("board         {}", outcome.board));
    say(format_args!(
        "images        {}{}",
        outcome.images,
        accuracy.unwrap_or_default()
    ));
    say(format_args!(
        "equal to host {} of {}, every logit",
        outcome.images_equal, outcome.images
    ));
    say(format_args!("instructions  {instructions} per inference"));
    say(format_args!(
        "RAM           arena {}, state {}, stack {} bytes",
        bytes(outcome.arena_bytes),
        bytes(outcome.state_bytes),
        bytes(outcome.stack_bytes)
    ));
    say(format_args!(
        "flash         code {}, model {} bytes",
        bytes(outcome.sizes.flash_code_bytes),
        bytes(outcome.sizes.flash_model_bytes)
    ));
}
