//! `tests/soak`: runs the long and the destructive checks and prints one table of their results.

mod disk;
mod flips;
mod fuzz;
mod kills;
mod rivals;
mod runs;
mod table;
mod toolchains;

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use table::Row;

/// Fuzzes every reader and the runtime, flips every bit of every shipped blob, kills and starves commands, and runs the
/// tests under sanitisers and on a 32-bit host.
#[derive(Debug, Parser)]
#[command(
    name = "tests/soak",
    after_help = "Inputs with findings are kept in target/soak and named in the table; the exit code is then 1.\n\
                  To run an input again: target/fuzz/x86_64-unknown-linux-gnu/debug/TARGET FILE"
)]
pub(crate) struct Options {
    /// Minutes of fuzzing on all cores; the other checks come on top
    #[arg(default_value_t = 30.0)]
    minutes: f64,
    /// About two minutes in all: seconds for each target, fewer kills, only the smaller blobs, no other toolchains
    #[arg(long, conflicts_with = "minutes")]
    short: bool,
    /// Only checks whose name contains this
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Moments at which a command is killed [default: 50, or 12 in the short form]
    #[arg(long, value_name = "N")]
    kills: Option<usize>,
    /// Decides the random moments
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A check: its name in the table and its function.
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) run: Box<dyn FnOnce() -> Row + Send>,
}

impl Job {
    pub(crate) fn new(name: impl Into<String>, run: impl FnOnce() -> Row + Send + 'static) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

/// Returns the root of the workspace.
pub(crate) fn root() -> PathBuf {
    let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// Returns the folder of the builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Returns the folder of inputs with findings.
pub(crate) fn kept() -> PathBuf {
    target().join("soak")
}

fn main() -> ExitCode {
    let options = Options::parse();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let is_wanted = |name: &str| options.only.as_ref().is_none_or(|only| name.contains(only));

    let mut jobs = kills::jobs(&options);
    jobs.extend(rivals::jobs());
    jobs.extend(disk::jobs(&options));
    jobs.extend(flips::jobs(&options));
    jobs.extend(toolchains::jobs(&options));
    jobs.retain(|job| is_wanted(&job.name));
    let mut rows = Vec::new();
    match fuzz::jobs(&options, cores, &is_wanted) {
        Ok(found) => jobs.extend(found),
        Err(row) => rows.push(row),
    }
    rows.extend(all(jobs, cores));

    if options.json {
        table::print_json(&rows, &options, cores);
    } else {
        table::print(&rows);
    }
    if rows.iter().any(|row| row.findings > 0) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Runs the jobs on every core. Returns rows in the order of the jobs.
fn all(jobs: Vec<Job>, cores: usize) -> Vec<Row> {
    let rows = Mutex::new(Vec::new());
    let jobs = Mutex::new(jobs.into_iter().enumerate());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let next = jobs.lock().map_or(None, |mut jobs| jobs.next());
                    let Some((place, job)) = next else {
                        return;
                    };
                    eprintln!("-- {}", job.name);
                    let since = std::time::Instant::now();
                    let mut row = (job.run)();
                    row.name = job.name;
                    row.seconds = since.elapsed().as_secs_f64();
                    if row.findings > 0 {
                        eprintln!("FOUND: {}: {}", row.name, row.note);
                    }
                    if let Ok(mut rows) = rows.lock() {
                        rows.push((place, row));
                    }
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap_or_default();
    rows.sort_by_key(|(place, _)| *place);
    rows.into_iter().map(|(_, row)| row).collect()
}
