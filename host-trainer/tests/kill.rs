//! A run that is killed again and again ends with the very file of a run that was left alone.
#![allow(clippy::unwrap_used, clippy::tests_outside_test_module, missing_docs)]

use core::time::Duration;
use denselet_train::train::checkpoint::{FILE_NAME, load};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const NET: &str = "name = \"tiny\"\nclasses = 10\ngrowth = 4\nblocks = [2, 2]\n\
                   [input]\nheight = 8\nwidth = 8\nchannels = 1\n";
const KILLS: usize = 20;

fn train(net: &Path, out: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_denselet"))
        .args([
            "train", "--data", "digits", "--epochs", "100", "--resume", "--json", "--net",
        ])
        .arg(net)
        .arg("--out")
        .arg(out)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Whether a file is being written in the folder right now.
fn is_writing(folder: &Path) -> bool {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    names
        .into_iter()
        .any(|entry| entry.file_name().to_string_lossy().starts_with('.'))
}

#[test]
fn killed_twenty_times_ends_with_the_same_file() {
    // Beside the build, on a disk: in memory, nothing takes long enough to be interrupted.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let net = folder.path().join("tiny.toml");
    std::fs::write(&net, NET).unwrap();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    assert!(train(&net, &whole).wait().unwrap().success());

    let mut bits = ChaCha8Rng::seed_from_u64(1);
    let (mut epochs, mut while_writing) = (BTreeSet::new(), 0);
    for kill in 0..KILLS {
        let mut child = train(&net, &killed);
        // A quarter dies while it starts; of those that have gone on for an epoch, some at any time, most while they write.
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
    assert!(train(&net, &killed).wait().unwrap().success());
    for name in [FILE_NAME, "best.safetensors"] {
        let [expected, found] = [&whole, &killed].map(|run| {
            let mut run = load(&run.join(name)).unwrap();
            run.meta.command = None; // says where the run lies
            run
        });
        assert_eq!(found, expected, "{name}");
    }
    assert!(!is_writing(&killed), "something half-written was left");
}
