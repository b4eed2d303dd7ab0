//! Builds and runs every fuzz target: guided by coverage, under the address sanitiser, with limits of time and memory.

use crate::table::Row;
use crate::{Job, Options, kept, root, target};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The target triple of the fuzzers. It is given explicitly, so that build scripts are not instrumented.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// Flags of the compiler. With `RUSTC_BOOTSTRAP` the stable compiler accepts them.
const FLAGS: &str = "--cfg fuzzing -Zsanitizer=address -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cdebug-assertions -Coverflow-checks";

/// Seconds for each target in the short form.
const SHORT: f64 = 4.0;

/// Seconds after which one input is a finding.
const TIMEOUT: u32 = 20;

/// Highest size of one allocation and of all memory, in mebibytes. More is a finding.
const ALLOCATION: u32 = 1024;
const MEMORY: u32 = 2048;

/// Longest input of the targets of `core`, in bytes: short inputs run fast, and small networks have every part.
const MAX_LEN: &str = "-max_len=1024";

/// A fuzz target: the folder of its package, its name, its share of the time, and its seeds beside the corpus: a folder, and the
/// ending of the files in it.
struct Target {
    package: &'static str,
    name: &'static str,
    share: f64,
    seeds: Option<(&'static str, &'static str)>,
    /// Size in bytes of the largest seed, because large inputs run slowly.
    largest: u64,
}

const fn core(name: &'static str) -> Target {
    Target {
        package: "core/fuzz",
        name,
        share: 3.0,
        seeds: None,
        largest: 0,
    }
}

const fn reader(name: &'static str, seeds: Option<(&'static str, &'static str)>) -> Target {
    Target {
        package: "host-trainer/fuzz",
        name,
        share: 1.0,
        seeds,
        largest: 110_000,
    }
}

const FIXTURES: &str = "host-trainer/tests/fixtures/import";

const TARGETS: [Target; 16] = [
    core("parse"),
    core("run"),
    core("round_trip"),
    core("push_rows"),
    reader("keras", Some((FIXTURES, "keras"))),
    reader("keras_h5", Some((FIXTURES, "h5"))),
    reader("onnx", Some((FIXTURES, "onnx"))),
    reader("safetensors", Some((FIXTURES, "safetensors"))),
    reader("vectors", Some((FIXTURES, "npz"))),
    reader("npz", None),
    reader("csv", None),
    reader("idx", None),
    reader("images", None),
    reader("checkpoint", None),
    reader("net", Some(("host-trainer/presets", "toml"))),
    reader("recipe", Some(("host-trainer/recipes", "toml"))),
];

/// Builds the wanted targets and returns one job for each.
pub(crate) fn jobs(
    options: &Options,
    cores: usize,
    is_wanted: &impl Fn(&str) -> bool,
) -> Result<Vec<Job>, Row> {
    let name = |target: &Target| {
        format!(
            "fuzz {}/{}",
            target.package.trim_end_matches("/fuzz"),
            target.name
        )
    };
    let targets: Vec<&Target> = TARGETS.iter().filter(|target| is_wanted(&name(target))).collect();
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    if std::env::consts::ARCH != "x86_64" || std::env::consts::OS != "linux" {
        let mut row = Row::skipped("fuzzers are set up for x86-64 Linux only");
        row.name = "fuzzing".into();
        return Err(row);
    }
    for package in ["core/fuzz", "host-trainer/fuzz"] {
        if targets.iter().any(|target| target.package == package) {
            build(package)?;
        }
    }
    let shares: f64 = targets.iter().map(|target| target.share).sum();
    let jobs = targets.into_iter().map(|target| {
        let seconds = if options.short {
            SHORT
        } else {
            options.minutes * 60.0 * cores as f64 * target.share / shares
        };
        let seed = options.seed;
        Job::new(name(target), move || run(target, seconds.max(1.0), seed))
    });
    Ok(jobs.collect())
}

/// Builds the fuzzers of one package outside the workspace, with the versions in the lockfile of the workspace.
fn build(package: &str) -> Result<(), Row> {
    eprintln!("-- builds {package}");
    let [from, to] = [root(), root().join(package)].map(|folder| folder.join("Cargo.lock"));
    let age = |path: &Path| path.metadata().and_then(|about| about.modified()).ok();
    if age(&from) > age(&to) {
        let _ = std::fs::copy(from, to);
    }
    let status = Command::new("cargo")
        .args(["build", "--quiet", "--bins", "--target", TRIPLE])
        .current_dir(root().join(package))
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_TARGET_DIR", target().join("fuzz"))
        .status();
    if status.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let mut row = Row::finding(format!("{package} does not build: see the output above"));
    row.name = "fuzzing".into();
    Err(row)
}

/// Runs one target. Its corpus grows in the folder of the builds; inputs with findings are kept.
fn run(fuzzer: &Target, seconds: f64, seed: u64) -> Row {
    let package = root().join(fuzzer.package);
    let program = target().join("fuzz").join(TRIPLE).join("debug").join(fuzzer.name);
    let corpus = target().join("fuzz/corpus").join(fuzzer.name);
    let artifacts = kept().join(fuzzer.name);
    if let Err(error) = [&corpus, &artifacts]
        .into_iter()
        .try_for_each(std::fs::create_dir_all)
    {
        return Row::finding(format!("cannot create folders: {error}"));
    }
    let before = files(&artifacts);
    let mut command = Command::new(program);
    command
        .arg(&corpus)
        .args(Some(package.join("corpus").join(fuzzer.name)).filter(|seeds| seeds.is_dir()))
        .args((fuzzer.package == "core/fuzz").then_some(MAX_LEN))
        .arg(format!("-max_total_time={seconds:.0}"))
        .arg(format!("-seed={seed}"))
        .arg(format!("-timeout={TIMEOUT}"))
        .arg(format!("-malloc_limit_mb={ALLOCATION}"))
        .arg(format!("-rss_limit_mb={MEMORY}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args(["-print_final_stats=1", "-verbosity=1"])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if let Some((folder, ending)) = fuzzer.seeds {
        command.arg(format!(
            "-seed_inputs={}",
            seeds(folder, ending, fuzzer.largest).join(",")
        ));
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => return Row::finding(format!("cannot be run: {error}")),
    };
    let text = String::from_utf8_lossy(&output.stderr);
    let executions = text
        .lines()
        .filter_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
        .find_map(|number| number.trim().parse().ok());
    if output.status.success() {
        return match executions {
            Some(executions) if executions > 0 => Row::of(executions, &[]),
            _ => Row::finding("expected executions, found none"),
        };
    }
    let log = artifacts.join("log.txt");
    let _ = std::fs::write(&log, text.as_bytes());
    let new = files(&artifacts)
        .into_iter()
        .find(|file| !before.contains(file) && *file != log);
    let mut row = Row::finding(format!(
        "{}, log {}",
        new.unwrap_or(artifacts).display(),
        log.display()
    ));
    row.executions = executions.unwrap_or(0);
    row
}

/// Returns the files with an ending that are not larger than `largest`.
fn seeds(folder: &str, ending: &str, largest: u64) -> Vec<String> {
    let small = files(&root().join(folder)).into_iter().filter(|path| {
        path.extension().is_some_and(|end| end == ending)
            && path.metadata().is_ok_and(|about| about.len() <= largest)
    });
    small.map(|path| path.display().to_string()).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}
