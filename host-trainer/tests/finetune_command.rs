//! `denselet finetune` as a user runs it, and the other commands on its folder.
#![allow(clippy::unwrap_used, clippy::tests_outside_test_module, missing_docs)]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn denselet(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_denselet"))
        .current_dir(folder)
        .args(args)
        .output()
        .unwrap()
}

/// Returns the JSON object that a command prints.
fn json(folder: &Path, args: &[&str]) -> Value {
    let output = denselet(folder, args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}"))
}

/// Returns the error of a command that must fail.
fn complaint(folder: &Path, args: &[&str]) -> String {
    let output = denselet(folder, args);
    assert!(!output.status.success(), "{args:?} should fail");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_fine_tuned_folder_is_taken_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let run = |args: &[&str]| json(folder, &[args, &["--json"]].concat());
    run(&[
        "train", "--net", "digits", "--data", "digits", "--epochs", "3", "--out", "float",
    ]);
    let tuned = run(&["finetune", "float", "--epochs", "2", "--lr", "0.05"]);
    assert!(tuned["int8_accuracy"].as_f64() >= tuned["float_accuracy"].as_f64().map(|share| share - 0.02));

    // The folder and its blob hold the same integers; the float network is in the folder too.
    let of_folder = run(&["eval", "float-int8", "--data", "digits"]);
    assert_eq!(of_folder["arithmetic"], "int8");
    assert_eq!(of_folder["accuracy"], tuned["int8_accuracy"]);
    let export = run(&["export", "float-int8", "--out", "tuned.dlt"]);
    assert_eq!(export["calibration_images"], 0);
    let of_blob = run(&["eval", "tuned.dlt", "--data", "digits"]);
    assert_eq!(of_blob["confusion"], of_folder["confusion"]);
    let float = run(&["eval", "float-int8/checkpoint.safetensors", "--data", "digits"]);
    assert_eq!(float["accuracy"], tuned["float_accuracy"]);
    run(&["export", "float", "--out", "float.dlt"]);
    let bytes = |name: &str| std::fs::read(folder.join(name)).unwrap();
    assert_ne!(bytes("tuned.dlt"), bytes("float.dlt"));
    assert_eq!(
        run(&["inspect", "float-int8"])["arena_bytes"],
        export["arena_bytes"]
    );

    // Resuming changes nothing if all epochs are done, and is refused if it would be another run.
    let file = "float-int8/finetuned.safetensors";
    let before = bytes(file);
    run(&["finetune", "float", "--resume"]);
    assert_eq!(bytes(file), before);
    let says = |args: &[&str]| complaint(folder, args);
    assert!(says(&["finetune", "float"]).contains("--resume"));
    assert!(says(&["finetune", "float", "--resume", "--lr", "0.5"]).contains("recipe"));
    run(&[
        "train", "--net", "digits", "--data", "digits", "--epochs", "1", "--out", "other",
    ]);
    let other = says(&["finetune", "other", "--out", "float-int8", "--resume"]);
    assert!(other.contains("another network"), "{other}");
    assert!(says(&["finetune", "float-int8"]).contains("fine-tuned already"));
    assert!(says(&["export", "float-int8", "--data", "digits"]).contains("not calibrated again"));
}

#[test]
fn few_bits_are_asked_for_once_and_their_sizes_are_those_of_the_blob() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let run = |args: &[&str]| json(folder, &[args, &["--json"]].concat());
    run(&[
        "train", "--net", "digits", "--data", "digits", "--epochs", "2", "--out", "float",
    ]);
    let tuned = run(&[
        "finetune",
        "float",
        "--bits",
        "4",
        "--epochs",
        "1",
        "--distillation",
        "0.3",
    ]);
    let bytes = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let file = "float-int8/finetuned.safetensors";
    let whole = bytes(file);
    // A tenth of the images chose the network, as in training.
    assert_eq!(tuned["checkpoint"], "float-int8/finetuned-best.safetensors");
    assert!(tuned["held_out_accuracy"].as_f64() > Some(0.1), "{tuned}");
    let log = String::from_utf8(bytes("float-int8/log.csv")).unwrap();
    let header: Vec<&str> = log.lines().next().unwrap().split(',').collect();
    let row: Vec<&str> = log.lines().nth(1).unwrap().split(',').collect();
    let column = header.iter().position(|name| *name == "blob_bytes").unwrap();
    assert_eq!(row[column], tuned["blob_bytes"].to_string());
    // Killed before the first epoch was done: what was asked for is in the folder.
    std::fs::remove_file(folder.join(file)).unwrap();
    run(&["finetune", "float", "--resume"]);
    assert_eq!(bytes(file), whole);

    let export = run(&["export", "float-int8", "--out", "four.dlt"]);
    assert_eq!(export["blob_bytes"], tuned["blob_bytes"]);
    let (of_folder, of_blob) = (run(&["inspect", "float-int8"]), run(&["inspect", "four.dlt"]));
    for field in [
        "blob_bytes",
        "arena_bytes",
        "weight_bytes",
        "window_bytes",
        "bits_per_weight",
    ] {
        assert_eq!(of_folder[field], of_blob[field], "{field}");
        assert_eq!(of_blob[field], export[field], "{field}");
    }
    assert!(export["bits_per_weight"].as_f64() < Some(6.0), "{export}");
    // Without training, a size is kept to as well, and more bytes give finer integers.
    let sized = |target: &str| run(&["export", "float", "--target", target, "--out", "sized.dlt"]);
    let [small, large] = ["6KB", "9KB"].map(sized);
    assert!(
        (5_900..=6_144).contains(&small["blob_bytes"].as_u64().unwrap()),
        "{small}"
    );
    assert!(
        (9_000..=9_216).contains(&large["blob_bytes"].as_u64().unwrap()),
        "{large}"
    );
    let error = complaint(folder, &["export", "float", "--target", "2KB"]);
    assert!(error.contains("at least"), "{error}");
    for (arguments, says) in [
        (&["--target", "6KB", "--bits", "8"][..], "--bits below 8"),
        (&["--target", "900KB"], "leave out --target"),
        (&["--target", "100"], "expected more than"),
        (&["--mixup", "nan"], "augment.mixup"),
        (&["--held-out", "1"], "`held_out`"),
        (&["--held-out", "0.999"], "images are trained on"),
    ] {
        let error = complaint(
            folder,
            &[&["finetune", "float", "--out", "wrong"], arguments].concat(),
        );
        assert!(error.contains(says), "{error}");
        assert!(!folder.join("wrong").exists(), "{arguments:?}");
    }
    // An option that would change nothing is refused, and an untrained network takes it.
    let error = complaint(folder, &["export", "float-int8", "--bits", "3"]);
    assert!(error.contains("leave out --bits"), "{error}");
    let untrained = ["export", "--untrained", "--net", "digits", "--out", "u.dlt"];
    let raw = run(&untrained);
    let four = run(&[&untrained[..], &["--bits", "4"]].concat());
    assert!(four["blob_bytes"].as_u64() < raw["blob_bytes"].as_u64(), "{four}");
}

#[test]
fn a_recipe_fine_tunes_after_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let recipe = "epochs = 2\n[finetune]\nepochs = 1\nrate = 0.02\n[augment]\njitter = 1.0\nmixup = 0.2\n";
    std::fs::write(folder.join("mine.toml"), recipe).unwrap();
    let train = |more: &[&str]| {
        let args = [
            "train",
            "--net",
            "digits",
            "--data",
            "digits",
            "--recipe",
            "mine.toml",
            "--out",
            "run",
            "--json",
        ];
        json(folder, &[&args[..], more].concat())
    };
    let report = train(&[]);
    let tuned = &report["finetuned"];
    assert_eq!(tuned["float_accuracy"], report["test_accuracy"]);
    assert_eq!(tuned["epochs"], 1);
    let bytes = || std::fs::read(folder.join("run-int8/finetuned.safetensors")).unwrap();
    let whole = bytes();
    // If it is stopped between training and fine-tuning, the run resumes with the fine-tuning.
    std::fs::remove_dir_all(folder.join("run-int8")).unwrap();
    train(&["--resume"]);
    assert_eq!(bytes(), whole);
    std::fs::remove_dir_all(folder.join("run")).unwrap();
    let args = [
        "train",
        "--net",
        "digits",
        "--data",
        "digits",
        "--recipe",
        "mine.toml",
        "--out",
        "run",
    ];
    assert!(complaint(folder, &args).contains("run-int8 holds a fine-tuned network already"));
}

#[test]
fn what_cannot_be_fine_tuned_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let says = |args: &[&str]| complaint(folder, args);
    assert!(says(&["finetune", "nosuch"]).contains("nosuch"));
    let train = [
        "train", "--net", "digits", "--data", "digits", "--epochs", "1", "--out", "float", "--json",
    ];
    json(folder, &train);
    assert!(says(&["finetune", "float", "--data", "nosuch"]).contains("nosuch"));
    assert!(says(&["finetune", "float", "--batch", "0"]).contains("`batch`"));
    let images = folder.join("images");
    for class in ["cats", "dogs"] {
        std::fs::create_dir_all(images.join(class)).unwrap();
        for n in 0..6 {
            let blank = image::GrayImage::new(9, 9);
            blank.save(images.join(class).join(format!("{n}.png"))).unwrap();
        }
    }
    let shape = says(&["finetune", "float", "--data", "images"]);
    assert!(
        shape.contains("expected 8x8x1") && shape.contains("--resize"),
        "{shape}"
    );
    let classes = says(&["finetune", "float", "--data", "images", "--resize"]);
    assert!(
        classes.contains("cats, dogs") && classes.contains("all 10"),
        "{classes}"
    );
    assert!(!folder.join("float-int8").exists());
}
