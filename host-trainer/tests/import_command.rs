//! `denselet import` and `denselet export-onnx` as a user runs them.

use denselet_train::train::checkpoint;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/import")
        .join(name)
}

fn denselet(args: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_denselet"));
    command.args(args.iter().map(|arg| arg.as_ref()));
    command.output().unwrap_or_else(|error| panic!("{error}"))
}

fn import(name: &str, vectors: &str, out: &Path) -> Output {
    let (file, vectors) = (fixture(name), fixture(vectors));
    denselet(&[&"import", &file, &"--out", &out, &"--check", &vectors, &"--json"])
}

#[test]
fn what_agrees_becomes_a_checkpoint_and_goes_out_again() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let first = import("article.keras", "article.npz", &out);
    assert!(
        first.status.success(),
        "{}",
        String::from_utf8_lossy(&first.stderr)
    );
    let report: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(report["checks"][0]["images"], 64);
    assert_eq!(report["checks"][0]["passes"], true);
    assert_eq!(report["parts"][1]["what"], "layers of 4, 6");
    let network = checkpoint::load(&out).unwrap().network;
    assert_eq!(network.spec.dropout, 0.4);

    let again = import("article.keras", "article.npz", &out);
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("expected a folder without a checkpoint"));

    let onnx = folder.path().join("out.onnx");
    assert!(
        denselet(&[&"export-onnx", &out, &"--out", &onnx])
            .status
            .success()
    );
    let back = folder.path().join("back");
    assert!(denselet(&[&"import", &onnx, &"--out", &back]).status.success());
    let mut returned = checkpoint::load(&back).unwrap().network;
    (returned.spec.name, returned.spec.dropout) = (network.spec.name.clone(), network.spec.dropout);
    assert!(returned == network);
}

#[test]
fn what_differs_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    // Answers of another network to images of the same shape.
    let output = import("bc.keras", "legacy.npz", &out);
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        message.contains("a difference from") && message.contains("no checkpoint was written"),
        "{message}"
    );
    assert!(!out.exists());
}

#[test]
fn a_network_from_elsewhere_is_fine_tuned() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // New channels first, a stem without padding, a transition after every block: forms that denselet does not train.
    assert!(
        import("article.keras", "article.npz", &folder.join("run"))
            .status
            .success()
    );
    let json = |line: &str| -> serde_json::Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_denselet"));
        let words = line.split_whitespace().chain(["--json"]);
        let output = command.current_dir(folder).args(words).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {errors}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let report = json("finetune run --data digits --resize --epochs 2 --lr 0.1");
    assert_eq!(report["epochs"], 2);
    let of_folder = json("eval run-int8 --data digits --resize");
    assert_eq!(of_folder["arithmetic"], "int8");
    assert_eq!(of_folder["accuracy"], report["int8_accuracy"]);
    // The preprocessing is an assumption, which every later step repeats.
    let guess = checkpoint::load(&folder.join("run")).unwrap().meta.guess.unwrap();
    for report in [&report, &json("export run-int8 --out tuned.dlt")] {
        let warning = report["warnings"][0].as_str().unwrap();
        assert!(
            warning.contains("is a guess") && warning.contains(&guess),
            "{report}"
        );
    }
    let of_blob = json("eval tuned.dlt --data digits --resize");
    assert_eq!(of_blob["confusion"], of_folder["confusion"]);
}
