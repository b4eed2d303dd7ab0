//! Folders of runs and files of commands: files of other programs stay, one process writes, values that are not finite are not
//! saved, and a closed output ends a command quietly.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::tests_outside_test_module, missing_docs)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const NET: &str = "name = \"tiny\"\nclasses = 10\ngrowth = 4\nblocks = [2, 2]\n\
                   [input]\nheight = 8\nwidth = 8\nchannels = 1\n";

fn command(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_denselet"));
    command.current_dir(folder).args(line.split_whitespace());
    command
}

fn denselet(folder: &Path, line: &str) -> Output {
    command(folder, line).output().unwrap()
}

fn succeeds(folder: &Path, line: &str) -> String {
    let output = denselet(folder, line);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the error of a command that must fail; it is not the message of a panic.
fn fails(folder: &Path, line: &str) -> String {
    let output = denselet(folder, line);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{line}: {errors}");
    assert!(errors.starts_with("error: "), "{line}: {errors}");
    for dump in ["Some(", "None", "panicked", " { "] {
        assert!(!errors.contains(dump), "{line}: {errors}");
    }
    errors
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.toml"), NET).unwrap();
    folder
}

const TRAIN: &str = "train --net tiny.toml --data digits";

#[test]
fn a_run_stops_where_numbers_end_and_its_last_checkpoint_can_be_read() {
    let folder = folder();
    let folder = folder.path();
    for (rate, out) in [("300", "a"), ("3000", "b"), ("1e6", "c")] {
        let error = fails(
            folder,
            &format!("{TRAIN} --epochs 6 --batch 256 --held-out 0 --lr {rate} --out {out}"),
        );
        for part in ["epoch ", "step ", "--lr", "--clip", "--warm-up"] {
            assert!(error.contains(part), "{error}");
        }
        // Every saved file is readable.
        for file in ["checkpoint.safetensors", "best.safetensors"] {
            let path = folder.join(out).join(file);
            assert!(
                !path.exists() || denselet_train::train::checkpoint::load(&path).is_ok(),
                "{file}"
            );
        }
    }
    // A value out of range is refused before the first step.
    for (field, text) in [
        ("augment.operations", "[augment]\noperations = 1000000000000"),
        (
            "class_weights",
            "class_weights = [1e38, 1, 1, 1, 1, 1, 1, 1, 1, 1]",
        ),
        ("rate", "rate = inf"),
    ] {
        fs::write(folder.join("recipe.toml"), text).unwrap();
        let error = fails(folder, &format!("{TRAIN} --recipe recipe.toml --out d"));
        assert!(error.contains(field) && !folder.join("d").exists(), "{error}");
    }
}

#[test]
fn a_foreign_folder_is_left_alone() {
    let folder = folder();
    let folder = folder.path();
    succeeds(folder, &format!("{TRAIN} --epochs 1 --out good"));
    succeeds(folder, "export-onnx good --out good.onnx");
    let mine = folder.join("mine");
    fs::create_dir(&mine).unwrap();
    let names = [
        "best.safetensors",
        "report.html",
        "log.csv",
        "recipe.toml",
        ".denselet-notes",
    ];
    for name in names {
        fs::write(mine.join(name), "precious").unwrap();
    }
    for line in [
        format!("{TRAIN} --epochs 1 --out mine"),
        format!("{TRAIN} --epochs 1 --out mine --resume"),
        "finetune good --out mine".into(),
        "import good.onnx --out mine".into(),
    ] {
        let error = fails(folder, &line);
        assert!(
            error.contains("mine: ") && error.contains(".denselet-notes"),
            "{error}"
        );
    }
    let error = fails(folder, "report good --out mine/report.html");
    assert!(error.contains("--force"), "{error}");
    assert_eq!(fs::read_dir(&mine).unwrap().count(), names.len());
    for name in names {
        assert_eq!(fs::read_to_string(mine.join(name)).unwrap(), "precious", "{name}");
    }
    // An empty folder and a run's folder are accepted; files that the user adds to a run's folder stay.
    fs::create_dir(folder.join("empty")).unwrap();
    succeeds(folder, &format!("{TRAIN} --epochs 1 --out empty"));
    fs::write(folder.join("empty/notes.txt"), "precious").unwrap();
    succeeds(folder, &format!("{TRAIN} --epochs 2 --out empty --resume"));
    assert_eq!(
        fs::read_to_string(folder.join("empty/notes.txt")).unwrap(),
        "precious"
    );
}

/// Reads the bytes of every file of a folder, by name.
fn contents(folder: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_command_leaves_the_folders_of_other_commands_alone() {
    let folder = folder();
    let folder = folder.path();
    succeeds(folder, &format!("{TRAIN} --epochs 1 --out run"));
    succeeds(
        folder,
        &format!("{TRAIN} --epochs 1 --seed 2 --held-out 0 --out other"),
    );
    succeeds(folder, "export-onnx run --out run.onnx");
    succeeds(folder, "import run.onnx --out imported");
    succeeds(folder, "finetune run --epochs 1 --out tuned");
    // A copied best network does not turn a folder with other files into a run's folder.
    fs::create_dir(folder.join("kept")).unwrap();
    fs::copy(
        folder.join("run/best.safetensors"),
        folder.join("kept/best.safetensors"),
    )
    .unwrap();
    fs::write(folder.join("kept/log.csv"), "precious").unwrap();
    let finetune = |from: &str, out: &str| format!("finetune {from} --data digits --epochs 1 --out {out}");
    for (out, lines) in [
        (
            "run",
            vec![
                finetune("run", "run"),
                finetune("other", "run"),
                finetune("imported", "run"),
            ],
        ),
        (
            "other",
            vec![finetune("run", "other"), finetune("other", "other")],
        ),
        (
            "imported",
            vec![finetune("run", "imported"), finetune("imported", "imported")],
        ),
        (
            "tuned",
            vec![
                format!("{TRAIN} --epochs 1 --out tuned"),
                "import run.onnx --out tuned".into(),
            ],
        ),
        (
            "kept",
            vec![format!("{TRAIN} --epochs 1 --out kept"), finetune("run", "kept")],
        ),
    ] {
        let before = contents(&folder.join(out));
        for line in lines {
            let mut ways = vec![line.clone()];
            if !line.starts_with("import") {
                ways.push(format!("{line} --resume"));
            }
            for line in ways {
                let error = fails(folder, &line);
                assert!(error.contains(out) && error.contains("--out"), "{line}: {error}");
                assert!(!error.contains("TOML"), "{line}: {error}");
                assert!(contents(&folder.join(out)) == before, "{line} changed {out}");
            }
        }
    }
    fs::write(folder.join("file"), "precious").unwrap();
    let error = fails(folder, &format!("{TRAIN} --epochs 1 --out file"));
    assert!(
        error.contains("expected a folder or a free name, found a file"),
        "{error}"
    );
}

#[test]
fn a_run_does_not_go_on_with_other_images() {
    let folder = folder();
    let folder = folder.path();
    let table = |seed: usize| {
        let row = |n: usize| {
            let pixels = (0..64).map(|at| ((n * 31 + at * 17 + seed) % 256).to_string());
            format!("{},{}\n", n % 10, pixels.collect::<Vec<_>>().join(","))
        };
        let names = (0..64).map(|at| format!("pixel{at}"));
        let header = format!("label,{}\n", names.collect::<Vec<_>>().join(","));
        header + &(0..200).map(row).collect::<String>()
    };
    let train = |line: &str| format!("train -q --net tiny.toml --data table.csv --out run {line}");
    let tune = |line: &str| format!("finetune -q run --out tuned {line}");
    fs::write(folder.join("table.csv"), table(0)).unwrap();
    succeeds(folder, &train("--epochs 1"));
    succeeds(folder, &tune("--epochs 1"));
    fs::write(folder.join("table.csv"), table(1)).unwrap();
    for line in [train("--resume --epochs 2"), tune("--resume --epochs 2")] {
        let error = fails(folder, &line);
        assert!(
            error.contains("images and labels of `table.csv`") && error.contains("--out"),
            "{error}"
        );
    }
    fs::write(folder.join("table.csv"), table(0)).unwrap();
    succeeds(folder, &train("--resume --epochs 2"));
}

#[test]
fn a_recipe_that_is_not_an_ordinary_file_is_refused() {
    let folder = folder();
    let error = fails(folder.path(), &format!("{TRAIN} --recipe /dev/zero --out run"));
    assert!(error.contains("found a device"), "{error}");
}

#[test]
fn outputs_go_through_links_and_replace_only_their_kind() {
    use std::os::unix::fs::symlink;
    let folder = folder();
    let folder = folder.path();
    succeeds(folder, &format!("{TRAIN} --epochs 1 --out good"));
    let at = |name: &str| folder.join(name);
    fs::write(at("target.dlt"), "keep").unwrap();
    symlink("target.dlt", at("link.dlt")).unwrap();
    let error = fails(folder, "export good --out link.dlt");
    assert!(error.contains("link.dlt") && error.contains("--force"), "{error}");
    assert_eq!(fs::read_to_string(at("target.dlt")).unwrap(), "keep");
    for more in ["--force", ""] {
        succeeds(folder, &format!("export good --out link.dlt {more}"));
        assert!(fs::symlink_metadata(at("link.dlt")).unwrap().is_symlink());
        assert!(fs::read(at("target.dlt")).unwrap().starts_with(b"DLET"));
    }
    let blob = fs::read(at("target.dlt")).unwrap();
    // Standard output receives only the file.
    let output = denselet(folder, "export good --out /dev/stdout");
    assert!(output.status.success() && output.stdout == blob);
    assert!(!output.stderr.is_empty());
    let error = fails(folder, "export good --out /dev/full");
    assert!(error.contains("/dev/full"), "{error}");
    for line in [
        "export good --out good",
        "export-onnx good --out target.dlt",
        "report good --out target.dlt",
    ] {
        fails(folder, line);
    }
    assert_eq!(fs::read(at("target.dlt")).unwrap(), blob);
}

/// Starts a run that lasts, and waits until it has its folder.
fn started(folder: &Path, out: &str) -> Child {
    let mut long = command(folder, &format!("{TRAIN} --epochs 100000 --out {out}"));
    let child = long.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !folder.join(out).join("checkpoint.safetensors").exists() {
        std::thread::yield_now();
    }
    child
}

#[test]
fn one_process_writes_a_folder_until_it_ends_however_it_ends() {
    let folder = folder();
    let folder = folder.path();
    let mut child = started(folder, "run");
    for line in [format!("{TRAIN} --out run --resume"), "report run".into()] {
        let error = fails(folder, &line);
        assert!(error.contains("run: another denselet process"), "{error}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    succeeds(folder, "report run");
}

#[test]
fn a_reader_that_goes_away_ends_a_command_quietly() {
    let folder = folder();
    let folder = folder.path();
    succeeds(folder, &format!("{TRAIN} --epochs 1 --out good"));
    let lines = [
        "export good --out x.dlt",
        "eval good --data digits",
        "inspect --net digits --json",
        "boards",
        "report good",
    ];
    for line in lines {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command(folder, line).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(141), "{line}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
    }
    // A run whose output is closed ends after an epoch. Its folder is whole, and the run resumes.
    let mut child = command(folder, &format!("{TRAIN} --epochs 100000 --out run"));
    let mut child = child
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut String::new()).unwrap();
    drop(out);
    assert_eq!(child.wait().unwrap().code(), Some(141));
    let epochs = denselet_train::train::checkpoint::load(&folder.join("run"))
        .unwrap()
        .meta
        .epoch;
    assert!(epochs >= 1);
    let error = fails(folder, &format!("{TRAIN} --epochs {epochs} --out run --resume"));
    assert!(error.contains("100000 or more"), "{error}");
    // A full output is an error.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command(folder, "boards").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_run_goes_on_for_longer_and_ends_the_same_however_it_was_stopped() {
    let folder = folder();
    let folder = folder.path();
    let bytes = |out: &str, file: &str| fs::read(folder.join(out).join(file)).unwrap();
    // The files record the command, so both runs have the same words.
    for at in ["a", "b"] {
        fs::create_dir(folder.join(at)).unwrap();
        fs::copy(folder.join("tiny.toml"), folder.join(at).join("tiny.toml")).unwrap();
        succeeds(&folder.join(at), &format!("{TRAIN} --epochs 3 --out run"));
    }
    succeeds(
        &folder.join("a"),
        &format!("{TRAIN} --epochs 6 --out run --resume"),
    );
    // A run that is stopped at the beginning of the longer run resumes as the longer run.
    let mut child = command(
        &folder.join("b"),
        &format!("{TRAIN} --epochs 6 --out run --resume"),
    );
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !String::from_utf8_lossy(&bytes("b/run", "recipe.toml")).contains("epochs = 6") {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    succeeds(&folder.join("b"), &format!("{TRAIN} --out run --resume"));
    for file in ["checkpoint.safetensors", "best.safetensors", "recipe.toml"] {
        assert!(bytes("a/run", file) == bytes("b/run", file), "{file}");
    }
    let run = denselet_train::train::checkpoint::load(&folder.join("a/run")).unwrap();
    assert_eq!((run.meta.epoch, run.meta.recipe.epochs), (6, 6));
    assert_eq!(
        run.meta.command.unwrap(),
        format!("denselet {TRAIN} --epochs 3 --out run")
    );
    let error = fails(
        &folder.join("a"),
        &format!("{TRAIN} --out run --resume --decay 0.5"),
    );
    for part in ["`decay`", "0.001", "0.5"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_run_that_was_killed_before_its_first_checkpoint_keeps_its_recipe_and_command() {
    let folder = folder();
    let folder = folder.path();
    // The state after such a kill, at any speed of the machine: a run's folder with only its recipe.
    succeeds(folder, &format!("{TRAIN} --epochs 2 --lr 0.05 --out run"));
    let whole = ["checkpoint.safetensors", "best.safetensors", "recipe.toml"]
        .map(|file| (file, fs::read(folder.join("run").join(file)).unwrap()));
    for file in [
        "checkpoint.safetensors",
        "best.safetensors",
        "report.html",
        "log.csv",
        "events.out.tfevents.denselet",
    ] {
        fs::remove_file(folder.join("run").join(file)).unwrap();
    }
    let error = fails(folder, &format!("{TRAIN} --lr 0.2 --out run --resume"));
    assert!(error.contains("`rate`") && error.contains("0.05"), "{error}");
    succeeds(folder, &format!("{TRAIN} --out run --resume"));
    for (file, bytes) in whole {
        assert!(
            fs::read(folder.join("run").join(file)).unwrap() == bytes,
            "{file}"
        );
    }
}

#[test]
fn a_run_that_stops_early_reports_when_and_which_epoch_is_best() {
    let folder = folder();
    let folder = folder.path();
    let text = succeeds(folder, &format!("{TRAIN} --epochs 300 --patience 1 --out run"));
    let run = denselet_train::train::checkpoint::load(&folder.join("run")).unwrap();
    assert!(run.meta.stopped_early());
    let best = denselet_train::train::best(&run.meta.history).unwrap();
    assert!(
        text.contains(&format!("stopped early after epoch {}", run.meta.epoch))
            && text.contains(&format!("the best is epoch {best}")),
        "{text}"
    );
    let log = fs::read_to_string(folder.join("run/log.csv")).unwrap();
    assert!(log.lines().next().unwrap().contains("held_out_loss"));
    assert!(
        run.meta
            .history
            .iter()
            .all(|epoch| epoch.held_out_loss.is_some_and(|loss| loss > 0.0))
    );
}
