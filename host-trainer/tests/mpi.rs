//! Several processes under `mpirun` train the same network as one process, and end together.
#![allow(clippy::unwrap_used, clippy::tests_outside_test_module, missing_docs)]

use core::time::Duration;
use denselet_train::train::checkpoint::{FILE_NAME, load};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const PROGRAM: &str = env!("CARGO_BIN_EXE_denselet");
/// A rate at which a difference in the last bit of a weight does not grow.
const TRAIN: [&str; 7] = ["train", "--data", "digits", "--lr", "0.01", "--dropout", "0.1"];
/// Longest time that a rank may wait for a rank that has ended.
const PATIENCE: Duration = Duration::from_secs(120);

/// Returns a command that runs `denselet` with these words on `count` ranks; one rank runs without `mpirun`.
fn ranks(words: &[&[&str]]) -> Command {
    let mut command = Command::new(if words.len() > 1 { "mpirun" } else { PROGRAM });
    match words {
        [alone] => {
            command.args(*alone);
        }
        _ => {
            command.args(["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]);
            for (rank, words) in words.iter().enumerate() {
                command.args((rank > 0).then_some(":"));
                command.args(["-n", "1", PROGRAM]).args(*words);
            }
        }
    }
    command
        .env("RAYON_NUM_THREADS", "1")
        // If there are more ranks than cores, a waiting rank yields.
        .env("OMPI_MCA_mpi_yield_when_idle", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Returns a command that runs `denselet train` on `count` ranks.
fn train(count: usize, net: &str, out: &Path, more: &[&str]) -> Command {
    let out = ["--net", net, "--out", out.to_str().unwrap()];
    let words = [&TRAIN[..], &out, more].concat();
    ranks(&vec![&words[..]; count])
}

/// Returns whether a command succeeded, with its standard output and standard error.
fn wait(mut child: Child) -> (bool, String, String) {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("still there after {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let (mut printed, mut complained) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut complained)
        .unwrap();
    (child.wait().unwrap().success(), printed, complained)
}

fn run(mut command: Command) -> (bool, String, String) {
    wait(command.spawn().unwrap())
}

/// Returns the losses of the epochs of a run.
fn losses(folder: &Path) -> Vec<f64> {
    let log = std::fs::read_to_string(folder.join("log.csv")).unwrap();
    let rows = log.lines().skip(1);
    rows.map(|row| row.split(',').nth(1).unwrap().parse().unwrap())
        .collect()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn shared_statistics_are_those_of_one_rank() {
    let folder = tempfile::tempdir().unwrap();
    let [alone, shared, own] = ["alone", "shared", "own"].map(|name| folder.path().join(name));
    let epochs = ["--epochs", "3"];
    let shares = ["--epochs", "3", "--sync-batch-norm"];
    let mut printed = Vec::new();
    for (count, out, more) in [
        (1, &alone, &epochs[..]),
        (2, &shared, &shares),
        (2, &own, &epochs),
    ] {
        let (is_well, lines, complaints) = run(train(count, "digits", out, more));
        assert!(is_well, "{complaints}");
        printed.push(lines);
    }
    let apart = |run: &Path| {
        let pairs = losses(&alone).into_iter().zip(losses(run));
        pairs
            .map(|(one, two)| (one - two).abs() / one)
            .collect::<Vec<_>>()
    };
    let (shared_apart, own_apart) = (apart(&shared), apart(&own));
    assert_eq!((shared_apart.len(), own_apart.len()), (3, 3));
    // Measured: 3e-9, and 3e-3 to 1.5e-2.
    assert!(shared_apart.iter().all(|apart| *apart < 1e-5), "{shared_apart:?}");
    assert!(own_apart.iter().all(|apart| *apart > 1e-3), "{own_apart:?}");
    // One rank writes and prints.
    assert_eq!(names(&shared), names(&alone));
    assert!(
        printed
            .iter()
            .all(|printed| printed.matches("epoch 2: loss").count() == 1),
        "{printed:?}"
    );
    assert_eq!(printed[1].lines().count(), printed[0].lines().count());
}

/// Trains on two ranks, stops them after the first checkpoint, and returns the number of epochs in the last one.
fn train_and_stop(net: &str, out: &Path, epochs: usize) -> usize {
    let epochs = epochs.to_string();
    let words = ["--epochs", &epochs, "--resume", "--json"];
    let mut child = train(2, net, out, &words).spawn().unwrap();
    let file = out.join(FILE_NAME);
    while !file.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(file.exists(), "ended without a checkpoint");
    // It may have ended already.
    let _ = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    wait(child);
    load(out).unwrap().meta.epoch
}

#[test]
fn a_run_that_was_stopped_goes_on_as_if_it_had_not_been() {
    const NET: &str = "name = \"tiny\"\nclasses = 10\ngrowth = 4\nblocks = [2, 2]\n\
                       [input]\nheight = 8\nwidth = 8\nchannels = 1\n";
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let net = folder.path().join("tiny.toml");
    std::fs::write(&net, NET).unwrap();
    let net = net.to_str().unwrap();
    // `mpirun` passes the signal on when it is scheduled: on a busy machine a short training ends first.
    let (epochs, stopped) = [30, 300, 3000]
        .into_iter()
        .find_map(|epochs| {
            let out = folder.path().join(format!("stopped-{epochs}"));
            (train_and_stop(net, &out, epochs) < epochs).then_some((epochs, out))
        })
        .expect("a training that lasts longer than a signal takes");
    let whole = folder.path().join("whole");
    let epochs = epochs.to_string();
    let words = ["--epochs", &epochs, "--resume", "--json"];
    assert!(run(train(2, net, &whole, &words)).0);
    let (is_well, _, complaints) = run(train(2, net, &stopped, &words));
    assert!(is_well, "{complaints}");
    for name in [FILE_NAME, "best.safetensors"] {
        let [expected, found] = [&whole, &stopped].map(|run| {
            let mut run = load(&run.join(name)).unwrap();
            run.meta.command = None; // says where the run lies
            run
        });
        assert_eq!(found.meta.epoch, expected.meta.epoch);
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn one_that_cannot_go_on_takes_all_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let (is_well, _, complaints) = run(train(2, "digits", &out, &["--batch", "33"]));
    assert!(!is_well && !out.exists());
    let expected =
        "error: recipe field `batch`: expected a multiple of the number of ranks, found 33 on 2 ranks";
    assert_eq!(complaints.matches(expected).count(), 1, "{complaints}");

    let out = ["--net", "digits", "--out", out.to_str().unwrap()];
    let first = [&TRAIN[..], &out].concat();
    for (net, data, expected) in [
        ("d4", "digits", "error: rank 1 has another network than rank 0"),
        ("digits", "nosuch", "error: rank 1: "),
    ] {
        let second: Vec<&str> = (first.iter().enumerate())
            .map(|(at, word)| match (at, *word) {
                (2, _) => data,
                (_, "digits") => net,
                (_, word) => word,
            })
            .collect();
        let (is_well, _, complaints) = run(ranks(&[&first, &second]));
        assert!(!is_well);
        assert_eq!(complaints.matches("error: ").count(), 1, "{complaints}");
        assert!(complaints.contains(expected), "{complaints}");
    }
}
