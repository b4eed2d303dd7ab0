//! Networks of other families and damaged files are refused with an error that names the cause. None is imported wrongly, and
//! none makes the importer panic.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use denselet_train::interchange::import::{Options, import, import_bytes};
use denselet_train::spec::Input;
use proptest::prelude::*;
use std::io;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/import")
        .join(name)
}

fn message_of(path: &Path, input: Option<Input>) -> String {
    let options = Options {
        input,
        ..Options::default()
    };
    match import(path, &options) {
        Ok(_) => panic!("{} was imported", path.display()),
        Err(error) => error.to_string(),
    }
}

const SMALL: Option<Input> = Some(Input {
    height: 8,
    width: 8,
    channels: 1,
});

#[test]
fn other_families_are_refused_by_name() {
    for (name, cause) in [
        (
            "resnet.onnx",
            "node `/layer1/Add` is Add: it adds two feature maps, as residual networks do",
        ),
        (
            "resnet.keras",
            "node `add` is Add: it adds feature maps, as residual networks do",
        ),
        (
            "resnet.safetensors",
            "`features.conv0.weight`: expected the first tensor of a DenseNet",
        ),
        (
            "transformer.onnx",
            "is LayerNormalization: it normalises each image by itself",
        ),
        ("residual.onnx", "node `/Add` is Add"),
        ("post.onnx", "activations belong before convolutions"),
        ("depthwise.keras", "node `depthwise_conv2d` is DepthwiseConv2D"),
        ("grouped.onnx", "a convolution of 2 groups"),
        (
            "wide.onnx",
            "5x5, padding 2 2 2 2 (top, left, bottom, right); a dense layer ends in a 3x3",
        ),
        ("strided.onnx", "stride 2x2"),
        (
            "flat.onnx",
            "flattens or regroups a map of 4x4x4; a network of the family ends in a global average",
        ),
        ("max.onnx", "node `/MaxPool` is MaxPool"),
        ("three.onnx", "it averages 3x3, stride 3x3"),
        (
            "leaky.onnx",
            "node `/LeakyRelu` is LeakyRelu: it is another activation than ReLU",
        ),
        ("relu6.onnx", "it bounds values between 0 and 6; use ReLU"),
        ("sigmoid.onnx", "node `/Sigmoid` is Sigmoid"),
        ("two-inputs.onnx", "`inputs`: expected one, the image"),
        ("two-outputs.onnx", "`outputs`: expected one"),
        ("own.keras", "found `Own`"),
        (
            "alone.weights.h5",
            "save the whole model with model.save, not its weights alone",
        ),
        (
            "pickle.pt",
            "a PyTorch pickle: save with safetensors.torch.save_file",
        ),
    ] {
        let message = message_of(&fixture(&format!("foreign/{name}")), SMALL);
        assert!(
            message.contains(cause) && message.contains(name),
            "{name}: {message}"
        );
    }
}

#[test]
fn other_files_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let mut safetensors = 2u64.to_le_bytes().to_vec();
    safetensors.extend(b"{}");
    for (name, bytes, cause) in [
        ("empty.onnx", &b""[..], "an empty file"),
        (
            "text.keras",
            b"hello, this is text",
            "something else, or a damaged file",
        ),
        ("net.tflite", b"\x1c\0\0\0TFL3\0\0\0\0", "a TensorFlow Lite file"),
        ("blob.dlt", b"DLET\x01\0\0\0", "a denselet blob"),
        ("old.pth", b"\x80\x02\x8a\x0a", "an old PyTorch pickle"),
        ("bare.safetensors", &safetensors, "none among 0 tensors"),
        ("h5.h5", b"\x89HDF\r\n\x1a\nxxxxxxxxxxxx", "an HDF5 file"),
        ("z.keras", b"PK\x03\x04xxxx", "a damaged zip file"),
    ] {
        let message = message_of(&written(name, bytes), None);
        assert!(message.contains(cause), "{name}: {message}");
    }
    let saved = folder.path().join("model");
    std::fs::create_dir(&saved).unwrap();
    std::fs::write(saved.join("saved_model.pb"), b"x").unwrap();
    assert!(message_of(&saved, None).contains("SavedModel"));
    assert!(message_of(&folder.path().join("nothing.onnx"), None).contains("nothing.onnx"));
    // Weights in a separate file that is absent.
    let lonely = written(
        "plain-dynamo.onnx",
        &std::fs::read(fixture("plain-dynamo.onnx")).unwrap(),
    );
    assert!(message_of(&lonely, None).contains("plain-dynamo.onnx.data"));
    assert!(message_of(&fixture("article.npz"), None).contains("reference vectors go to --check"));
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    let imported = import(&fixture("bc.keras"), &Options::default()).unwrap();
    let message = imported
        .against_file(&fixture("article.npz"))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("article.npz: `x`: expected [N, 12, 12, 1], found [64, 18, 18, 3]"),
        "{message}"
    );
    let wrong = Some(Input {
        height: 9,
        width: 12,
        channels: 1,
    });
    assert!(
        message_of(&fixture("bc.keras"), wrong)
            .contains("--input's height`: expected the file's 12, found 9")
    );
    assert!(message_of(&fixture("bc.safetensors"), None).contains("`--input`"));
    let colour = Some(Input {
        height: 12,
        width: 12,
        channels: 3,
    });
    assert!(message_of(&fixture("bc.safetensors"), colour).contains("features.conv0"));
    // A state dict whose tensor was swapped for one of another shape.
    let mut bytes = std::fs::read(fixture("bc.safetensors")).unwrap();
    let at = bytes.windows(9).position(|part| part == b"[16,12,1,").unwrap();
    bytes[at..at + 9].copy_from_slice(b"[12,16,1,");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("swapped.safetensors");
    std::fs::write(&path, bytes).unwrap();
    let grey = Some(Input {
        height: 12,
        width: 12,
        channels: 1,
    });
    let message = message_of(&path, grey);
    assert!(
        message.contains("denselayer2.conv1") && message.contains("channels"),
        "{message}"
    );
}

#[test]
fn preprocessing_must_fit_the_channels() {
    let options = Options {
        preprocess: Some("imagenet".parse().unwrap()),
        ..Options::default()
    };
    let message = import(&fixture("bc.keras"), &options).unwrap_err().to_string();
    assert!(
        message.contains("`imagenet` is for 3 channels, the network takes 1"),
        "{message}"
    );
}

fn try_bytes(bytes: &[u8]) {
    let nothing = |_: &str| Err(io::Error::from(io::ErrorKind::NotFound));
    let options = Options {
        input: SMALL,
        ..Options::default()
    };
    let _ = import_bytes(bytes, "bytes", &nothing, &options);
}

const FILES: [&str; 6] = [
    "odd.keras",
    "odd.h5",
    "odd-tf2onnx.onnx",
    "plain-legacy.onnx",
    "bc.safetensors",
    "foreign/transformer.onnx",
];

#[test]
fn truncated_files_are_refused() {
    for name in FILES {
        let whole = std::fs::read(fixture(name)).unwrap();
        let step = whole.len() / 40 + 1;
        for length in (0..whole.len()).step_by(step) {
            let nothing = |_: &str| Err(io::Error::from(io::ErrorKind::NotFound));
            let options = Options {
                input: SMALL,
                ..Options::default()
            };
            let found = import_bytes(&whole[..length], "cut", &nothing, &options);
            assert!(found.is_err(), "{name} cut to {length}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn damaged_files_never_panic(file in 0..FILES.len(), damage in prop::collection::vec((any::<u32>(), any::<u8>()), 1..8)) {
        let mut bytes = std::fs::read(fixture(FILES[file])).unwrap();
        let length = bytes.len();
        for (at, value) in damage {
            // Half of the damage is at the start, which holds the headers.
            let within = if at % 2 == 0 { length } else { length.min(4096) };
            bytes[at as usize % within] = value;
        }
        try_bytes(&bytes);
    }
}
