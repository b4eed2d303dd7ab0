//! The command line as a user runs it: its output, its errors, and the whole way from training to a blob on a few epochs of
//! the digits.
#![allow(clippy::unwrap_used, clippy::tests_outside_test_module, missing_docs)]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn denselet(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_denselet"))
        .args(args)
        .output()
        .unwrap()
}

/// Returns the JSON object that a command prints.
fn json(args: &[&str]) -> Value {
    let output = denselet(args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}"))
}

/// Returns the error of a command that must fail.
fn complaint(args: &[&str]) -> String {
    let output = denselet(args);
    assert!(!output.status.success(), "{args:?} should fail");
    assert!(
        output.stdout.is_empty(),
        "{args:?} printed something on standard output"
    );
    String::from_utf8(output.stderr).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn every_command_explains_itself_with_examples() {
    for command in [
        "demo",
        "train",
        "finetune",
        "export",
        "eval",
        "inspect",
        "run",
        "build",
        "boards",
        "profile",
        "bench",
        "bench-train",
        "report",
        "net",
        "predict",
        "import",
    ] {
        let output = denselet(&[command, "--help"]);
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && help.contains("Examples:"),
            "{command}: {help}"
        );
        assert!(help.contains("--json") || command == "build", "{command}: {help}");
    }
}

#[test]
fn bench_train_compares_fine_tuning_with_float_training() {
    let short = [
        "bench-train",
        "--net",
        "digits",
        "--batch",
        "4",
        "--seconds",
        "0",
        "--int8",
    ];
    let output = denselet(&short);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    assert!(
        output.status.success() && lines("float training") == 1 && lines("fine-tuning") == 2,
        "{text}"
    );
    let speed = json(&[&short[..], &["--json"]].concat());
    for field in ["float", "int8", "distilled", "ratio", "distilled_ratio"] {
        assert!(speed[field].as_f64().unwrap() > 0.0, "{field}: {speed}");
    }
}

#[test]
fn inspect_counts_parameters_as_people_do() {
    let counts = [
        ("densenet-40-12", 1_019_722),
        ("densenet-bc-100-12", 769_162),
        ("densenet-bc-190-40", 25_624_430),
        ("densenet-121", 7_978_856),
        ("densenet-201", 20_013_928),
    ];
    for (net, params) in counts {
        let report = json(&["inspect", "--net", net, "--json"]);
        assert_eq!(report["params"], params, "{net}");
        for field in ["macs", "macs_executed", "arena_bytes", "blob_bytes"] {
            assert!(report[field].as_u64().unwrap() > 0, "{net}: {field}");
        }
        for field in ["input", "output", "macs_executed", "bytes"] {
            assert!(
                !report["layers"][0][field].is_null(),
                "{net}: layers have {field}"
            );
        }
    }
    let report = json(&["inspect", "--net", "d1", "--json"]);
    assert!(report["arena_bytes"].as_u64().unwrap() <= 42 * 1024, "{report}");
}

#[test]
fn every_error_names_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("noise.dlt");
    std::fs::write(&file, [7; 100]).unwrap();
    let network = folder.path().join("bad.toml");
    std::fs::write(
        &network,
        "name = \"bad\"\nclasses = 1\nblocks = [2]\ngrowth = 4\n",
    )
    .unwrap();
    let narrow = folder.path().join("narrow.toml");
    let body = "classes = 3\nblocks = [2]\ngrowth = 4\ntheta = 1.5\n";
    let tables = "[stem]\nfilters = 8\n[input]\nheight = 8\nwidth = 8\nchannels = 1\n";
    std::fs::write(&narrow, format!("{body}{tables}")).unwrap();
    let missing = folder.path().join("missing.dlt");
    let cases: [(&[&str], &str); 7] = [
        (
            &["inspect", "--net", text(&narrow)],
            "narrow.toml: network field `theta`",
        ),
        (&["inspect", text(&file)], "noise.dlt: not a denselet blob"),
        (&["inspect", text(&missing)], "missing.dlt"),
        (&["inspect", "--net", "densenet-7"], "densenet-7"),
        (&["inspect", "--net", text(&network)], "bad.toml"),
        (&["eval", text(&missing), "--data", "digits"], "missing.dlt"),
        (
            &[
                "train",
                "--net",
                "digits",
                "--data",
                "nowhere",
                "--out",
                text(folder.path()),
            ],
            "nowhere",
        ),
    ];
    for (args, part) in cases {
        let error = complaint(args);
        assert!(
            error.starts_with("error: ") && error.contains(part),
            "{args:?}: {error}"
        );
    }
}

#[test]
fn digits_go_from_training_to_a_blob() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let whole = folder.path().join("whole");
    let blob = folder.path().join("digits.dlt");
    let train = |out: &Path, epochs: &str, more: &[&str]| {
        let start = [
            "train", "--net", "digits", "--data", "digits", "--epochs", epochs, "--json", "--out",
        ];
        json(&[&start[..], &[text(out)], more].concat())
    };
    let report = train(&whole, "4", &[]);
    assert_eq!(report["epochs"], 4);

    // The same run again gives the same checkpoint, to the last bit; only the recorded command names another folder.
    train(&run, "4", &[]);
    let weights = |folder: &Path| {
        let mut run = denselet_train::train::checkpoint::load(folder).unwrap();
        assert!(run.meta.command.take().unwrap().contains(text(folder)));
        run
    };
    assert!(
        weights(&run) == weights(&whole),
        "the same seed gives the same weights"
    );
    assert!(
        complaint(&[
            "train",
            "--net",
            "digits",
            "--data",
            "digits",
            "--out",
            text(&run)
        ])
        .contains("--resume")
    );

    let export = json(&["export", text(&run), "--out", text(&blob), "--json"]);
    let inspect = json(&["inspect", text(&blob), "--json"]);
    assert_eq!(export["arena_bytes"], inspect["arena_bytes"]);
    assert_eq!(export["blob_bytes"], std::fs::metadata(&blob).unwrap().len());

    let float = json(&["eval", text(&run), "--data", "digits", "--json"]);
    let integers = json(&["eval", text(&blob), "--data", "digits", "--json"]);
    assert_eq!(
        (&float["images"], &integers["images"]),
        (&360.into(), &360.into())
    );
    let accuracy = |report: &Value| report["accuracy"].as_f64().unwrap();
    assert!(accuracy(&float) > 0.85, "{float}");
    assert!(
        (accuracy(&float) - accuracy(&integers)).abs() < 0.02,
        "{float} {integers}"
    );
    assert_eq!(integers["confusion"].as_array().unwrap().len(), 10);
}
