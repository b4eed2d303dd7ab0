//! Imported networks of Keras, PyTorch and ONNX give the answers of their frameworks. The fixtures, and the scripts that made
//! them with the frameworks, are in `tests/fixtures/import`.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use denselet_train::interchange::import::{Ending, Format, Imported, Options, import};
use denselet_train::spec::Input;
use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/import")
        .join(name)
}

fn input(height: usize, width: usize, channels: usize) -> Option<Input> {
    Some(Input {
        height,
        width,
        channels,
    })
}

/// Imports a fixture and compares it with the answers of its framework to 64 inputs, and with its own graph.
fn agrees(name: &str, vectors: &str, input: Option<Input>) -> Imported {
    let options = Options {
        input,
        ..Options::default()
    };
    let imported = import(&fixture(name), &options).unwrap_or_else(|error| panic!("{error}"));
    let found = imported.against_file(&fixture(vectors));
    let found = found.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(found.images, 64, "{name}");
    assert!(found.passes(), "{name}: {found:?}");
    let own = imported.against_graph(&imported.noise(8, 1));
    assert!(own.passes(), "{name}: {own:?}");
    imported
}

fn widths(imported: &Imported) -> Vec<Vec<usize>> {
    let blocks = imported.network.spec.blocks.iter();
    blocks
        .map(|block| block.layers.iter().map(|layer| layer.growth).collect())
        .collect()
}

#[test]
fn article_model_comes_in_from_every_format_that_holds_it() {
    for (name, format) in [
        ("article.keras", Format::Keras),
        ("article.h5", Format::KerasH5),
        ("article-tf2onnx.onnx", Format::Onnx),
    ] {
        let imported = agrees(name, "article.npz", None);
        assert_eq!(imported.format, format);
        assert_eq!(imported.ending, Ending::Softmax);
        assert_eq!(widths(&imported), [[4, 6], [8, 10], [12, 14]], "{name}");
        let spec = &imported.network.spec;
        assert!(
            spec.blocks.iter().all(|block| block.transition == Some(12)),
            "{name}"
        );
        assert!(!spec.final_norm && !spec.stem.norm, "{name}");
        assert_eq!(spec.stem.pad_top + spec.stem.pad_right, 0, "{name}");
        if format != Format::Onnx {
            assert_eq!(spec.epsilon, 1.1e-5, "{name}");
            assert_eq!(spec.dropout, 0.4, "{name}");
        }
    }
}

#[test]
fn bc_network_comes_in_from_keras() {
    for name in ["bc.keras", "bc.h5", "bc-tf2onnx.onnx"] {
        let imported = agrees(name, "bc-keras.npz", None);
        assert_eq!(widths(&imported), [[4; 4]; 3], "{name}");
        assert_eq!(
            imported.network.spec.blocks[0].layers[0].bottleneck,
            Some(16),
            "{name}"
        );
        assert_eq!(imported.network.spec.blocks[0].transition, Some(12), "{name}");
        assert!(imported.network.spec.final_norm, "{name}");
        // Rescaling(1/127.5, -1) is in the file.
        assert!(imported.preprocess_is_known, "{name}");
        assert!((imported.network.input.mean[0] - 127.5).abs() < 1e-4, "{name}");
    }
}

#[test]
fn bc_network_comes_in_from_torch() {
    for name in ["bc-dynamo.onnx", "bc-legacy.onnx"] {
        assert_eq!(widths(&agrees(name, "bc-torch.npz", None)), [[4; 4]; 3], "{name}");
    }
    for name in ["bc.safetensors", "bc-older.safetensors"] {
        let imported = agrees(name, "bc-torch.npz", input(12, 12, 1));
        assert_eq!(widths(&imported), [[4; 4]; 3], "{name}");
        assert_eq!(imported.network.spec.epsilon, 1e-5);
        assert!(!imported.preprocess_is_known, "{name}");
    }
}

#[test]
fn plain_network_with_weights_beside_it_comes_in() {
    for name in ["plain-dynamo.onnx", "plain-legacy.onnx"] {
        let imported = agrees(name, "plain.npz", None);
        assert_eq!(widths(&imported), [vec![4, 4], vec![4, 4, 4]], "{name}");
        assert_eq!(
            imported.network.spec.blocks[0].layers[0].bottleneck, None,
            "{name}"
        );
    }
}

#[test]
fn imagenet_form_comes_in() {
    for (name, input) in [
        ("imagenet-dynamo.onnx", None),
        ("imagenet-legacy.onnx", None),
        ("imagenet.safetensors", input(32, 32, 3)),
    ] {
        let imported = agrees(name, "imagenet.npz", input);
        let stem = imported.network.spec.stem;
        assert_eq!(
            (stem.kernel_height, stem.stride, stem.pad_left),
            (7, 2, 3),
            "{name}"
        );
        assert!(stem.norm && stem.pool, "{name}");
    }
}

#[test]
fn unusual_ways_of_writing_come_in() {
    for name in ["odd.keras", "odd.h5", "odd-tf2onnx.onnx"] {
        let imported = agrees(name, "odd.npz", None);
        assert_eq!(widths(&imported), [vec![3, 5], vec![4]], "{name}");
        let spec = &imported.network.spec;
        assert_eq!((spec.stem.stride, spec.stem.pad_top), (2, 1), "{name}");
        assert!(spec.final_norm, "{name}: a bare ReLU before the average");
        assert!(
            imported.network.blocks[0].layers[1].conv2.bias.is_some(),
            "{name}"
        );
    }
}

#[test]
fn models_in_models_come_in() {
    let imported = agrees("nested.keras", "nested.npz", None);
    assert_eq!(imported.network.input.std, [60.0], "Normalization is in the file");
    agrees("nested.h5", "nested.npz", None);
    agrees("legacy-nested.h5", "legacy-nested.npz", None);
}

#[test]
fn keras_2_comes_in() {
    for name in ["legacy.keras", "legacy.h5"] {
        assert_eq!(
            widths(&agrees(name, "legacy.npz", None)),
            [vec![3, 3], vec![3]],
            "{name}"
        );
    }
}
