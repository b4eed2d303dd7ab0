//! Each form of a DenseNet is imported and gives the answers of its framework, or is refused with the true reason.
//! `tests/fixtures/import/make_forms.py` made the fixtures with the frameworks.

#![allow(clippy::unwrap_used, missing_docs)]

use denselet_train::calibrate::calibrate;
use denselet_train::fold::fold;
use denselet_train::interchange::import::{
    Assumed, Ending, Imported, Options, Precision, Structure, Vectors, import,
};
use denselet_train::interchange::{onnx_export, state_dict};
use denselet_train::net::Network;
use denselet_train::quantise::quantise;
use denselet_train::spec::Input;
use std::path::PathBuf;
use std::rc::Rc;

fn form(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/import/forms")
        .join(name)
}

fn read(name: &str, options: &Options) -> Imported {
    import(&form(name), options).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(name: &str, options: &Options) -> String {
    match import(&form(name), options) {
        Ok(_) => panic!("{name} was imported"),
        Err(error) => error.to_string(),
    }
}

/// Imports a form and compares it with the answers of its framework and with its own graph.
fn agrees(name: &str, vectors: &str, options: &Options) -> Imported {
    let options = Options {
        vectors: Some(Rc::new(Vectors::load(&form(vectors)).unwrap())),
        ..options.clone()
    };
    let imported = read(name, &options);
    let found = imported.against(options.vectors.as_ref().unwrap()).unwrap();
    assert!(found.passes() && !found.is_saturated(), "{name}: {found:?}");
    let own = imported.against_graph(&imported.noise(8, 1));
    assert!(own.passes(), "{name}: {own:?}");
    imported
}

fn colour() -> Options {
    Options {
        input: Some(Input {
            height: 32,
            width: 32,
            channels: 3,
        }),
        ..Options::default()
    }
}

#[test]
fn transitions_without_a_relu_are_linear_in_every_later_step() {
    for name in ["transition-linear", "transition-bare", "transition-pooled"] {
        let imported = agrees(
            &format!("{name}.onnx"),
            &format!("{name}.npz"),
            &Options::default(),
        );
        let network = &imported.network;
        assert!(network.spec.blocks[0].linear, "{name}");
        assert!(
            network.blocks[0].transition.as_ref().unwrap().norm.is_none(),
            "{name}"
        );
        out_and_in_again(network, name);
        assert!(
            state_dict::to_state_dict(network).is_err(),
            "those names have batch norms"
        );
        integers_are_near(&imported, name);
    }
}

/// Writes the network as ONNX, imports it, and checks that it is the same network.
fn out_and_in_again(network: &Network, name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("again.onnx");
    std::fs::write(&path, onnx_export::to_onnx(network)).unwrap();
    let again = import(&path, &Options::default()).unwrap();
    assert!(again.preprocess_is_known, "an export takes bytes");
    let mut again = again.network;
    again.spec.name.clone_from(&network.spec.name);
    assert!(again == *network, "{name}");
}

/// Quantises the network and checks that the integers stay near the floats.
fn integers_are_near(imported: &Imported, name: &str) {
    let network = &imported.network;
    let images = imported.noise(64, 2);
    let quantised = quantise(&fold(network), &calibrate(network, &images)).unwrap();
    let about = denselet_train::about::About::default();
    let blob = denselet_train::export::write(&quantised, denselet::layout::Order::Plain.into(), Some(&about))
        .unwrap();
    let blob = denselet_train::blob::Blob::new(&blob).unwrap();
    let test = imported.noise(32, 3);
    let integers = denselet_train::evaluate::logits(&blob, &test, &|_| {}).unwrap();
    let floats = network.logits(&test, 32);
    // One scale for all logits, by least squares.
    let both = || integers.iter().zip(&floats).map(|(a, b)| (*a as f32, *b));
    let scale = both().map(|(a, b)| a * b).sum::<f32>() / both().map(|(a, _)| a * a).sum::<f32>();
    let (low, high) = floats
        .iter()
        .fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
    let largest = both().map(|(a, b)| (scale * a - b).abs()).fold(0.0, f32::max);
    assert!(
        largest < 0.1 * (high - low),
        "{name}: {largest} of {}",
        high - low
    );
}

#[test]
fn one_score_becomes_two_logits() {
    for (name, vectors, ending) in [
        ("score.onnx", "score.npz", Ending::Logits),
        // The sigmoid is not in the file, only in the network that gave the answers.
        ("score.onnx", "score-sigmoid.npz", Ending::Logits),
        ("sigmoid.onnx", "sigmoid.npz", Ending::Sigmoid),
        ("sigmoid-keras.keras", "sigmoid-keras.npz", Ending::Sigmoid),
    ] {
        let imported = agrees(name, vectors, &Options::default());
        assert_eq!(imported.ending, ending);
        assert_eq!(imported.network.spec.classes, 2, "{name}");
        let logits = imported.network.logits(&imported.noise(4, 1), 4);
        assert!(
            logits.chunks_exact(2).all(|two| two[0] == 0.0),
            "{name}: logits are 0 and the score"
        );
        assert!(
            imported
                .assumptions
                .iter()
                .any(|one| one.what.contains("second of two classes"))
        );
    }
    assert!(
        refused("several.keras", &Options::default()).contains("each of 3 classes a probability of its own")
    );
}

#[test]
fn a_stem_pool_that_pads_as_same_is_the_same_on_every_road() {
    for (file, name) in [
        ("pool-same.keras", "pool-same"),
        ("pool-mixed.keras", "pool-mixed"),
        ("pool-ceil.onnx", "pool-ceil"),
    ] {
        let imported = agrees(file, &format!("{name}.npz"), &Options::default());
        let network = &imported.network;
        assert!(network.spec.stem.pool_same, "{name}");
        out_and_in_again(network, name);
        assert!(
            state_dict::to_state_dict(network).is_err(),
            "{name}: those names pad every side"
        );
        integers_are_near(&imported, name);
        let mut other = network.clone();
        other.spec.stem.pool_same = false;
        let images = imported.noise(4, 1);
        assert!(
            other.logits(&images, 4) != network.logits(&images, 4),
            "{name}: the pools differ"
        );
    }
}

#[test]
fn networks_of_one_dimension_take_images_of_one_row() {
    for (name, vectors) in [("row.keras", "row.npz"), ("row-torch.onnx", "row-torch.npz")] {
        let input = agrees(name, vectors, &Options::default()).network.spec.input;
        assert_eq!((input.height, input.width, input.channels), (1, 24, 3), "{name}");
    }
}

#[test]
fn functions_of_keras_are_read_like_layers() {
    for (name, vectors) in [
        ("functions.keras", "functions.npz"),
        ("functions.h5", "functions.npz"),
        ("divided.keras", "divided.npz"),
        ("legacy-functions.keras", "legacy-functions.npz"),
        ("legacy-functions.h5", "legacy-functions.npz"),
        ("legacy-swapped.h5", "legacy-swapped.npz"),
        ("legacy-normalization.h5", "legacy-normalization.npz"),
    ] {
        let imported = agrees(name, vectors, &Options::default());
        assert!(imported.preprocess_is_known, "{name}: the file scales bytes");
        assert_eq!(imported.preprocess.to_string(), "bytes", "{name}");
    }
    assert!(refused("lambda.keras", &Options::default()).contains("a function of your own"));
}

#[test]
fn nodes_and_operator_sets_of_any_order_and_age_are_read() {
    agrees("reversed.onnx", "transition-linear.npz", &Options::default());
    for name in ["opset9", "opset11", "opset12"] {
        agrees(
            &format!("{name}.onnx"),
            &format!("{name}.npz"),
            &Options::default(),
        );
    }
}

#[test]
fn preprocessing_that_does_not_fit_bytes_is_not_believed() {
    let alone = read("unit.keras", &Options::default());
    assert!(!alone.preprocess_is_known);
    assert_eq!(alone.preprocess.to_string(), "0..1");
    let assumed = alone
        .assumptions
        .iter()
        .find(|one| one.flag.as_deref() == Some("--preprocess"));
    assert!(assumed.unwrap().what.contains("not bytes"));
    // The vectors hold bytes divided by 255.
    let told = agrees("unit.keras", "unit.npz", &Options::default());
    assert!(told.preprocess_is_known);
    assert_eq!(told.preprocess.to_string(), "0..1");
}

#[test]
fn names_of_other_libraries_and_heads_are_known() {
    for name in ["sequential", "monai"] {
        let imported = agrees(&format!("{name}.safetensors"), &format!("{name}.npz"), &colour());
        assert_eq!(imported.structure, Structure::Assumed);
        assert!(imported.graph_is_of().contains("holds no graph"));
        let flags: Vec<&str> = imported
            .assumptions
            .iter()
            .filter_map(|one| one.flag.as_deref())
            .collect();
        for flag in [
            "--epsilon",
            "--stem-stride",
            "--stem-pool",
            "--transition-relu",
            "--head-relu",
            "--preprocess",
        ] {
            assert!(flags.contains(&flag), "{name}: {flag} in {flags:?}");
        }
    }
    let message = refused("two-layers.safetensors", &colour());
    assert!(
        message.contains("found 2: classifier.0.weight of 4x")
            && message.contains("classifier.2.weight of 3x4"),
        "{message}"
    );
}

#[test]
fn what_a_state_dict_leaves_open_is_given_by_flags() {
    let vectors = Vectors::load(&form("no-pool.npz")).unwrap();
    let usual = read("no-pool.safetensors", &colour());
    assert!(!usual.against(&vectors).unwrap().passes(), "the pool was assumed");
    let assumed = Assumed {
        stem_pool: Some(false),
        ..Assumed::default()
    };
    let options = Options { assumed, ..colour() };
    let imported = agrees("no-pool.safetensors", "no-pool.npz", &options);
    assert!(!imported.network.spec.stem.pool);
    assert!(
        imported
            .assumptions
            .iter()
            .all(|one| one.flag.as_deref() != Some("--stem-pool"))
    );
    let options = Options {
        assumed,
        ..Options::default()
    };
    assert!(refused("score.onnx", &options).contains("`--stem-pool`: expected absent"));
}

#[test]
fn the_precision_of_answers_is_recognised() {
    let half = read("half.keras", &Options::default());
    let found = half.against(&Vectors::load(&form("half.npz")).unwrap()).unwrap();
    assert_eq!(found.precision, Precision::Float16);
    assert!(found.passes() && found.allowed > 1e-3, "{found:?}");
    let imported = read("sequential.safetensors", &colour());
    let found = imported
        .against(&Vectors::load(&form("sequential-half.npz")).unwrap())
        .unwrap();
    assert_eq!(found.precision, Precision::Float16, "by the bits of the answers");
    assert!(found.passes(), "{found:?}");
    let strict = Options {
        tolerance: Some(1e-7),
        ..colour()
    };
    let strict = read("sequential.safetensors", &strict);
    let found = strict
        .against(&Vectors::load(&form("sequential-half.npz")).unwrap())
        .unwrap();
    assert!(!found.passes() && found.allowed == 1e-7, "{found:?}");
}

#[test]
fn refusals_name_the_true_reason() {
    for (name, reason) in [
        ("stem-deep.onnx", "it is one more convolution of the stem"),
        ("stem-average.onnx", "the stem's pool averages"),
        ("features.keras", "the network ends here, without a head"),
        ("quantised.onnx", "it belongs to a quantised network"),
    ] {
        let message = refused(name, &Options::default());
        assert!(message.contains(reason), "{name}: {message}");
    }
}
