//! Runs the tests of the runtime under the address sanitiser, under Miri and as a 32-bit program.

use crate::table::Row;
use crate::{Job, Options, kept, root, target};
use std::process::{Command, Stdio};

const HOST: &str = "x86_64-unknown-linux-gnu";
const NARROW: &str = "i686-unknown-linux-gnu";

/// Returns one job for each; the short form has only the 32-bit host.
pub(crate) fn jobs(options: &Options) -> Vec<Job> {
    let mut jobs = vec![Job::new("32-bit host, tests of core", narrow)];
    if !options.short {
        jobs.push(Job::new("address sanitiser, tests of core", sanitised));
        jobs.push(Job::new("Miri, core without x86", miri));
    }
    jobs
}

/// Tests the runtime as a 32-bit program, golden logits included.
fn narrow() -> Row {
    if let Err(reason) = rustup(&["target", "add", NARROW]).and_then(|()| narrow_linker()) {
        return Row::skipped(reason);
    }
    let mut cargo = Command::new("cargo");
    cargo
        .args(["test", "--target", NARROW, "-p", "denselet", "--lib", "--tests"])
        // A folder of its own, so that neither build waits for the other.
        .env("CARGO_TARGET_DIR", target().join("narrow"));
    test(cargo, "narrow")
}

/// Tests the runtime with its AVX2 and VNNI kernels; every memory access is checked.
fn sanitised() -> Row {
    let mut cargo = Command::new("cargo");
    cargo
        .args([
            "test",
            "--target",
            HOST,
            "-p",
            "denselet",
            "--features",
            "std",
            "--lib",
            "--tests",
        ])
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address")
        .env("CARGO_TARGET_DIR", target().join("sanitised"));
    test(cargo, "sanitised")
}

/// Tests all code without vector instructions, which Miri does not support: the format, the plan, the portable kernels.
fn miri() -> Row {
    let install = [
        "toolchain",
        "install",
        "nightly",
        "--profile",
        "minimal",
        "--component",
        "miri,rust-src",
    ];
    let has_miri = Command::new("cargo")
        .args(["+nightly", "miri", "--version"])
        .output();
    if !has_miri.is_ok_and(|output| output.status.success())
        && let Err(reason) = rustup(&install)
    {
        return Row::skipped(reason);
    }
    let mut cargo = Command::new("cargo");
    cargo
        .args(["+nightly", "miri", "test", "-p", "denselet", "--lib"])
        .args(
            [
                "format_rules",
                "format_round_trip",
                "kernels_agree",
                "network_agrees",
            ]
            .map(|test| format!("--test={test}")),
        )
        // Thousands of networks would take days.
        .env("PROPTEST_CASES", "2")
        .env("MIRIFLAGS", "-Zmiri-disable-isolation")
        .env("CARGO_TARGET_DIR", target().join("miri"));
    test(cargo, "miri")
}

/// Runs rustup and prints its arguments.
fn rustup(arguments: &[&str]) -> Result<(), String> {
    eprintln!("-- rustup {}", arguments.join(" "));
    let output = Command::new("rustup")
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    let output = output.map_err(|error| format!("needs rustup: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.trim_end().lines().last().unwrap_or_default().to_owned();
    Err(format!("rustup {}: {last}", arguments.join(" ")))
}

/// Checks that 32-bit programs link, and installs a linker for them if not.
fn narrow_linker() -> Result<(), String> {
    let links = || {
        let script = "echo 'int main(void) { return 0; }' | cc -m32 -x c - -o /dev/null";
        Command::new("sh")
            .args(["-c", script])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if links() {
        return Ok(());
    }
    let install = ". firmware/packages; install gcc-multilib";
    let installed = Command::new("bash")
        .args(["-c", install])
        .current_dir(root())
        .status();
    if installed.is_ok_and(|status| status.success()) && links() {
        return Ok(());
    }
    Err("cc -m32 does not link: install gcc-multilib".into())
}

/// Runs tests and counts those that pass. If a test fails, the log is kept.
fn test(mut cargo: Command, name: &str) -> Row {
    let output = cargo.current_dir(root()).stdin(Stdio::null()).output();
    let output = match output {
        Ok(output) => output,
        Err(error) => return Row::finding(format!("cargo cannot be run: {error}")),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let results = text.lines().filter_map(|line| line.strip_prefix("test result:"));
    let passed = results
        .filter_map(|line| {
            line.split_once(" passed")
                .and_then(|(words, _)| words.rsplit(' ').next())
        })
        .filter_map(|number| number.parse::<u64>().ok())
        .sum();
    if output.status.success() && passed > 0 {
        return Row::of(passed, &[]);
    }
    let log = kept().join(format!("{name}.txt"));
    let _ = std::fs::create_dir_all(kept());
    let _ = std::fs::write(&log, [&output.stdout[..], &output.stderr[..]].concat());
    Row {
        executions: passed,
        ..Row::finding(format!("log {}", log.display()))
    }
}
