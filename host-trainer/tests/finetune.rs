//! Fine-tuning as a user runs it: it recovers the accuracy that calibration lost, repeats bit for bit, resumes after a stop,
//! and refuses data that does not fit.
#![allow(clippy::unwrap_used, clippy::tests_outside_test_module, missing_docs)]

use denselet::layout::Order;
use denselet_train::calibrate::calibrate;
use denselet_train::data::{Dataset, Reading};
use denselet_train::evaluate::{self, Confusion};
use denselet_train::finetune::{
    self, FinetuneError, Parameters, Recipe, checkpoint, finetune, finetune_at, finetune_from,
};
use denselet_train::fold::fold;
use denselet_train::net::Network;
use denselet_train::spec::Spec;
use denselet_train::train::{self, Aside, Finetuning, Position, Progress, RunFolder, Silent};

fn spec() -> Spec {
    let text = "classes = 10\ngrowth = 4\nblocks = [2, 2]\nbottleneck = true\ntheta = 0.5\n\
        [input]\nheight = 8\nwidth = 8\nchannels = 1\n";
    Spec::parse(text, "small").unwrap()
}

/// Returns a float network that was trained on the digits.
fn trained(data: &Dataset) -> Network {
    let recipe = train::Recipe {
        epochs: 12,
        held_out: 0.0,
        ..train::Recipe::for_data(data)
    };
    train::train(&spec(), data, &recipe, &mut Silent).unwrap()
}

fn digits() -> Dataset {
    Dataset::load("digits", &Reading::default()).unwrap()
}

fn accuracy(parameters: &Parameters, data: &Dataset) -> f64 {
    finetune::confusion(parameters, &data.test, &|_| {})
        .unwrap()
        .accuracy()
}

#[test]
fn a_badly_calibrated_network_recovers() {
    let data = digits();
    let network = trained(&data);
    let float = train::accuracy(&network, &data.test);
    let mut bad = Parameters::new(
        fold(&network),
        &calibrate(&network, &data.train.sample(64).images),
    );
    for stored in &mut bad.stored {
        let ends = stored.low.iter_mut().chain(&mut stored.high);
        ends.chain(&mut stored.bottlenecks).for_each(|end| *end *= 0.5);
    }
    let before = accuracy(&bad, &data);
    let recipe = Recipe {
        finetune: Finetuning {
            epochs: 6,
            rate: 0.5,
            ..Finetuning::default()
        },
        aside: Aside::default(),
        ..Recipe::after(&train::Recipe::for_data(&data))
    };
    let done = finetune_from(bad, &network, &data, &recipe, &mut Silent).unwrap();
    let after = accuracy(&done.parameters, &data);
    assert!(float > 0.93, "{float}");
    assert!(
        before < float - 0.1 && after > float - 0.015,
        "float {float}, before {before}, after {after}"
    );
    let losses: Vec<f64> = done.meta.history.iter().map(|epoch| epoch.loss).collect();
    assert!(losses[5] < losses[0] / 2.0, "{losses:?}");
}

/// Returns a network after one epoch on a few images: enough to differ.
fn quick() -> (Network, Dataset, Recipe) {
    let mut data = digits();
    data.train = data.train.sample(200);
    let recipe = train::Recipe {
        epochs: 1,
        held_out: 0.0,
        ..train::Recipe::for_data(&data)
    };
    let network = train::train(&spec(), &data, &recipe, &mut Silent).unwrap();
    let recipe = Recipe {
        finetune: Finetuning {
            epochs: 3,
            calibration: 32,
            ..Finetuning::default()
        },
        aside: Aside::default(),
        ..Recipe::after(&train::Recipe::for_data(&data))
    };
    (network, data, recipe)
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (network, data, recipe) = quick();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            finetune(&network, &data, &recipe, &mut Silent)
                .unwrap()
                .parameters
        })
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_eq!(one, on(3));
    let other = Recipe { seed: 2, ..recipe };
    assert_ne!(
        one,
        finetune(&network, &data, &other, &mut Silent).unwrap().parameters
    );
}

fn place(folder: &RunFolder, resume: bool) -> finetune::Place<'_> {
    finetune::Place {
        folder,
        resume,
        command: None,
        guess: None,
    }
}

#[test]
fn a_killed_run_goes_on_and_its_folder_is_what_was_trained() {
    let (network, data, recipe) = quick();
    let whole = finetune(&network, &data, &recipe, &mut Silent).unwrap();
    let folder = tempfile::tempdir().unwrap();

    /// Stops in the second epoch, as a kill would.
    struct Stop;
    impl Progress for Stop {
        fn step(&mut self, at: &Position) {
            assert!(at.epoch == 1 || at.step == 1, "killed");
        }
    }
    let killed = std::panic::catch_unwind(|| {
        let _ = finetune_at(
            place(&RunFolder::claim(folder.path()).unwrap(), false),
            &network,
            &data,
            &recipe,
            &mut Stop,
        );
    });
    assert!(killed.is_err());
    assert_eq!(checkpoint::load(folder.path()).unwrap().meta.epoch, 1);
    // A partly written file, as a kill leaves it.
    let half = folder.path().join(".denselet-half.12345678.tmp");
    std::fs::write(&half, b"half").unwrap();
    let resumed = finetune_at(
        place(&RunFolder::claim(folder.path()).unwrap(), true),
        &network,
        &data,
        &recipe,
        &mut Silent,
    )
    .unwrap();
    assert!(!half.exists());
    assert_eq!(resumed.parameters, whole.parameters);
    let loaded = checkpoint::load(folder.path()).unwrap();
    assert_eq!(loaded.parameters, whole.parameters);

    let blob = loaded.blob(Order::Pairs).unwrap();
    let logits = evaluate::logits(&blob, &data.test.images, &|_| {}).unwrap();
    let found = Confusion::new(&logits, &data.test.labels, 10);
    assert_eq!(
        found,
        finetune::confusion(&whole.parameters, &data.test, &|_| {}).unwrap()
    );

    let mut other = recipe;
    other.finetune.rate = 0.5;
    let error = finetune_at(
        place(&RunFolder::claim(folder.path()).unwrap(), true),
        &network,
        &data,
        &other,
        &mut Silent,
    )
    .unwrap_err();
    assert!(error.to_string().contains("recipe"), "{error}");
}

#[test]
fn weights_are_trained_to_the_bits_that_they_may_take() {
    let data = digits();
    let network = trained(&data);
    let float = train::accuracy(&network, &data.test);
    let mut recipe = Recipe::after(&train::Recipe::for_data(&data));
    recipe.finetune = Finetuning {
        bits_per_weight: 2.8,
        epochs: 16,
        rate: 0.03,
        ..Finetuning::default().few_bits()
    };
    let start = Parameters::calibrated(&network, &data, &recipe).unwrap();
    let bits = |parameters: &Parameters| parameters.cost(&parameters.quantise().unwrap()).per_weight();
    assert!(bits(&start) > 3.0, "{}", bits(&start));

    let folder = tempfile::tempdir().unwrap();
    let claim = RunFolder::claim(folder.path()).unwrap();
    let mut first = recipe.clone();
    first.finetune.epochs = 4;
    finetune_at(place(&claim, false), &network, &data, &first, &mut Silent).unwrap();
    // The pull goes on as well.
    let saved = checkpoint::load(folder.path()).unwrap();
    saved.save(folder.path()).unwrap();
    assert_eq!(checkpoint::load(folder.path()).unwrap(), saved);
    let done = finetune_at(place(&claim, true), &network, &data, &recipe, &mut Silent).unwrap();

    let last = *done.meta.history.last().unwrap();
    assert_eq!(last.bits_per_weight, Some(bits(&done.parameters)));
    assert!(bits(&done.parameters) <= 2.8 * 1.02, "{}", bits(&done.parameters));
    let accuracy = accuracy(&done.parameters, &data);
    assert!(accuracy > float - 0.06, "float {float}, 2.8 bits {accuracy}");
    let blob = done.blob(Order::Plain).unwrap();
    let sizes = denselet_train::inspect::blob("small", &blob).unwrap();
    assert!(sizes.window_bytes > 0 && sizes.bits_per_weight < 5.0, "{sizes:?}");
}

#[test]
fn held_out_images_choose_and_are_not_trained_on() {
    let (network, data, mut recipe) = quick();
    recipe.aside.share = 0.2;
    let aside = recipe.aside.images(&data).unwrap();
    assert_eq!(aside.len(), 40);
    let mut other = data.clone();
    let is_aside = |image: &[u8]| aside.images.chunks_exact(image.len()).any(|held| held == image);
    let mut changed = 0;
    for image in other.train.images.chunks_exact_mut(data.image_len()) {
        if is_aside(image) {
            image.reverse();
            changed += 1;
        }
    }
    assert_eq!(changed, 40);
    let start = Parameters::calibrated(&network, &data, &recipe).unwrap();
    let history = |data: &Dataset| {
        let done = finetune_from(start.clone(), &network, data, &recipe, &mut Silent).unwrap();
        done.meta.history[0]
    };
    let (one, two) = (history(&data), history(&other));
    assert_eq!(one.loss, two.loss);
    assert_ne!(one.held_out_loss, two.held_out_loss);
}

#[test]
fn the_best_network_of_a_folder_is_read_and_the_last_if_asked_for() {
    let (network, data, mut recipe) = quick();
    recipe.aside.share = 0.2;
    recipe.finetune = Finetuning {
        epochs: 5,
        rate: 0.2,
        ..recipe.finetune.few_bits()
    };
    let folder = tempfile::tempdir().unwrap();
    let claim = RunFolder::claim(folder.path()).unwrap();
    let done = finetune_at(place(&claim, false), &network, &data, &recipe, &mut Silent).unwrap();
    let [best, last] = [false, true].map(|last| checkpoint::find(folder.path(), last).unwrap());
    let last = checkpoint::load(&last).unwrap();
    assert_eq!(last.meta.epoch, 5);
    assert_eq!(recipe.best(&last.meta.history, 40), Some(done.meta.epoch));
    assert_eq!(checkpoint::load(&best).unwrap(), done);
    let bytes = last.blob(finetune::ORDER).unwrap().bytes().len();
    assert_eq!(last.meta.history[4].blob_bytes, Some(bytes));
    // Without a folder the same network.
    let alone = finetune(&network, &data, &recipe, &mut Silent).unwrap();
    assert_eq!(alone.parameters, done.parameters);
    // Of the networks that fit, if some do.
    let smallest = last
        .meta
        .history
        .iter()
        .filter_map(|epoch| epoch.blob_bytes)
        .min();
    recipe.finetune.target = smallest.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let claim = RunFolder::claim(folder.path()).unwrap();
    let done = finetune_at(place(&claim, false), &network, &data, &recipe, &mut Silent).unwrap();
    assert_eq!(done.meta.history.last().unwrap().blob_bytes, smallest);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let (network, mut data, recipe) = quick();
    let message = |data: &Dataset, recipe: &Recipe| -> String {
        let result: Result<_, FinetuneError> = finetune(&network, data, recipe, &mut Silent);
        result.unwrap_err().to_string()
    };
    let field = |change: fn(&mut Recipe)| {
        let mut recipe = recipe.clone();
        change(&mut recipe);
        message(&data, &recipe)
    };
    assert!(field(|recipe| recipe.batch = 0).contains("`batch`"));
    assert!(field(|recipe| recipe.finetune.epochs = 0).contains("`finetune.epochs`"));
    assert!(field(|recipe| recipe.finetune.distillation = 1.5).contains("`finetune.distillation`"));
    assert!(field(|recipe| recipe.finetune.rate = f32::NAN).contains("`finetune.rate`"));
    data.classes.pop();
    assert!(message(&data, &recipe).contains("has 10 classes, data set `digits` has 9"));
    let mut data = digits();
    data.resize(denselet_train::spec::Input {
        height: 9,
        width: 8,
        channels: 1,
    });
    assert!(message(&data, &recipe).contains("takes 8x8x1 images, data set `digits` has 9x8x1"));

    let folder = tempfile::tempdir().unwrap();
    let error = checkpoint::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains(checkpoint::FILE_NAME), "{error}");
    let path = folder.path().join(checkpoint::FILE_NAME);
    std::fs::write(&path, b"short").unwrap();
    assert!(checkpoint::load(&path).is_err());
}
