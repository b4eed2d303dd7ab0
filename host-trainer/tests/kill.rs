//! Commands that are killed several times end with the same files as uninterrupted commands, and never leave an unreadable
//! file.
#![allow(clippy::unwrap_used, clippy::tests_outside_test_module, missing_docs)]

use core::time::Duration;
use denselet_train::train::checkpoint::{FILE_NAME, load};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const NET: &str = "name = \"tiny\"\nclasses = 10\ngrowth = 4\nblocks = [2, 2]\n\
                   [input]\nheight = 8\nwidth = 8\nchannels = 1\n";
const KILLS: usize = 20;
/// Files that a kill and a later `--resume` must not change: all files without times.
const FLOAT: [&str; 3] = [FILE_NAME, "best.safetensors", "recipe.toml"];
const TUNED: [&str; 4] = [
    "finetuned.safetensors",
    "finetuned-best.safetensors",
    FILE_NAME,
    "recipe.toml",
];

/// Starts a command in a folder. The words are the same in every folder, because the files record the command.
fn start(folder: &Path, line: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_denselet"))
        .args(line.split_whitespace())
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn run(folder: &Path, line: &str) {
    assert!(start(folder, line).wait().unwrap().success(), "{line}");
}

/// Returns two folders with the tiny network, next to the build, on a disk: in memory, writes are too short to be interrupted.
fn twins() -> (tempfile::TempDir, [std::path::PathBuf; 2]) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let twins = ["whole", "killed"].map(|name| folder.path().join(name));
    for twin in &twins {
        fs::create_dir(twin).unwrap();
        fs::write(twin.join("tiny.toml"), NET).unwrap();
    }
    (folder, twins)
}

/// Returns whether a file in the folder is being written.
fn is_writing(folder: &Path) -> bool {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    names
        .into_iter()
        .any(|entry| entry.file_name().to_string_lossy().ends_with(".tmp"))
}

fn assert_twins(twins: &[std::path::PathBuf; 2], out: &str, names: &[&str]) {
    for name in names {
        let [whole, killed] = twins
            .each_ref()
            .map(|twin| fs::read(twin.join(out).join(name)).unwrap());
        assert!(whole == killed, "{out}/{name}");
    }
    assert!(
        !is_writing(&twins[1].join(out)),
        "something half-written was left"
    );
}

#[test]
fn a_run_killed_twenty_times_ends_with_the_same_files() {
    const TRAIN: &str = "train --data digits --epochs 100 --resume --json --net tiny.toml --out run";
    let (_folder, twins) = twins();
    run(&twins[0], TRAIN);
    let killed = twins[1].join("run");
    let mut bits = ChaCha8Rng::seed_from_u64(1);
    let (mut epochs, mut while_writing) = (BTreeSet::new(), 0);
    for kill in 0..KILLS {
        let mut child = start(&twins[1], TRAIN);
        // A quarter of the kills happens during the start. After an epoch, some happen at any time, most during a write.
        let file = killed.join(FILE_NAME);
        let written = || file.metadata().and_then(|about| about.modified()).ok();
        let before = written();
        if kill % 4 != 0 {
            while written() == before && child.try_wait().unwrap().is_none() {}
        }
        let until = Instant::now() + Duration::from_millis(u64::from(bits.next_u32() % 100));
        let waits_for_a_file = kill % 4 > 1;
        while Instant::now() < until && !(waits_for_a_file && is_writing(&killed)) {}
        let ended = child.try_wait().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(
            ended.is_none(),
            "kill {kill} came after the end: train for longer"
        );
        while_writing += usize::from(is_writing(&killed));
        if let Ok(found) = load(&killed) {
            epochs.insert(found.meta.epoch);
        } else {
            assert!(!file.exists(), "a checkpoint that cannot be read");
        }
    }
    assert!(epochs.len() > KILLS / 2, "all in the same few epochs: {epochs:?}");
    assert!(while_writing > 0, "none while a file was written");
    run(&twins[1], TRAIN);
    assert_twins(&twins, "run", &FLOAT);
}

#[test]
fn fine_tuning_killed_in_every_epoch_ends_with_the_same_files() {
    const TUNE: &str = "finetune run --epochs 8 --resume --json --out tuned";
    let (_folder, twins) = twins();
    for twin in &twins {
        run(
            twin,
            "train --data digits --epochs 2 --json --net tiny.toml --out run",
        );
    }
    run(&twins[0], TUNE);
    let file = twins[1].join("tuned").join(TUNED[0]);
    let mut bits = ChaCha8Rng::seed_from_u64(2);
    for kill in 0..6 {
        let mut child = start(&twins[1], TUNE);
        let written = || file.metadata().and_then(|about| about.modified()).ok();
        let before = written();
        while kill > 0 && written() == before && child.try_wait().unwrap().is_none() {}
        std::thread::sleep(Duration::from_millis(u64::from(bits.next_u32() % 30)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(
            !file.exists() || denselet_train::finetune::checkpoint::load(&file).is_ok(),
            "kill {kill}"
        );
    }
    run(&twins[1], TUNE);
    assert_twins(&twins, "tuned", &TUNED);
}

#[test]
fn export_and_import_killed_at_any_moment_leave_the_old_file_or_the_new_one() {
    let (_folder, twins) = twins();
    for twin in &twins {
        run(
            twin,
            "train --data digits --epochs 2 --json --net tiny.toml --out run",
        );
        run(twin, "export-onnx run --out tiny.onnx --json");
    }
    let [whole, killed] = &twins;
    let mut bits = ChaCha8Rng::seed_from_u64(3);
    // The old file differs from the new one.
    run(killed, "export run --calibration 10 --out model.dlt --json");
    let old = fs::read(killed.join("model.dlt")).unwrap();
    for (line, file, old) in [
        ("export run --out model.dlt --json", "model.dlt", Some(old)),
        (
            "import tiny.onnx --out imported --json",
            "imported/checkpoint.safetensors",
            None,
        ),
    ] {
        let start_of = Instant::now();
        run(whole, line);
        let (new, lasts) = (fs::read(whole.join(file)).unwrap(), start_of.elapsed());
        for kill in 0..8 {
            let mut child = start(killed, line);
            std::thread::sleep(lasts.mul_f64(f64::from(bits.next_u32() % 1000) / 1000.0));
            child.kill().unwrap();
            child.wait().unwrap();
            let found = fs::read(killed.join(file)).ok();
            assert!(
                found == old || found.as_ref() == Some(&new),
                "kill {kill} of {line}"
            );
            if found.as_ref() == Some(&new) {
                break;
            }
        }
        // A second import is refused, because it would replace a checkpoint.
        if fs::read(killed.join(file)).ok().as_ref() != Some(&new) {
            run(killed, line);
        }
        assert!(fs::read(killed.join(file)).unwrap() == new, "{line}");
        assert!(
            !is_writing(killed) && !is_writing(&killed.join("imported")),
            "{line}"
        );
    }
}
