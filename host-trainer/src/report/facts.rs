//! What a report shows, gathered from a run, its blob and its data.

use crate::blob::Blob;
use crate::calibrate::{self, Calibration};
use crate::data::Dataset;
use crate::evaluate::{self, Confusion};
use crate::export::{self, Geometry};
use crate::fidelity::{Fidelity, calibration_warning};
use crate::inspect;
use crate::train::checkpoint::Checkpoint;
use anyhow::Context;
use denselet::layout::Order;

/// What the page shows, worked out.
#[derive(Debug)]
pub struct Facts<'f> {
    /// The run.
    pub run: &'f Checkpoint,
    /// What it was trained and is tested on.
    pub data: &'f Dataset,
    /// How the network does in float.
    pub float: Confusion,
    /// How it does in int8, bit-exact with the device.
    pub int8: Confusion,
    /// The class that int8 predicts for each test image.
    pub predicted: Vec<usize>,
    /// Float against int8 on images that were not trained on, if there are any.
    pub fidelity: Fidelity,
    /// What is wrong with the calibration or with int8.
    pub warnings: Vec<String>,
    /// Sizes, stage by stage.
    pub sizes: inspect::Sizes,
    /// Shapes, for the arena map.
    pub geometry: Geometry,
}

impl<'f> Facts<'f> {
    /// Runs the whole test split through the float network and through the blob it becomes.
    ///
    /// # Errors
    /// Returns an error if the network cannot be exported, or data and network do not fit.
    pub fn gather(
        run: &'f Checkpoint,
        data: &'f Dataset,
        done: &(dyn Fn(usize) + Sync),
    ) -> anyhow::Result<Self> {
        let network = &run.network;
        let order = Order::Pairs;
        let calibration = Calibration::draw(data, calibrate::IMAGES);
        let blob = Blob::new(&export::export(
            network,
            &calibration.images.images,
            order,
            Some(&run.about()),
        )?)?;
        let fidelity = Fidelity::measure(network, &blob, data, run.meta.recipe_for(data))?;
        let warnings = [calibration_warning(&calibration), fidelity.warning()];
        let (test, classes) = (&data.test, network.spec.classes);
        let logits = evaluate::logits(&blob, &test.images, done)?;
        let predicted = logits.chunks_exact(classes).map(evaluate::largest).collect();
        let float = if test.is_empty() {
            Vec::new()
        } else {
            network.logits(&test.images, test.len())
        };
        let mut sizes =
            inspect::network(&network.spec, order).context("a network of this size has no plan here")?;
        // With the names of the classes, as `export` writes it.
        sizes.blob_bytes = blob.bytes().len();
        Ok(Self {
            float: Confusion::new(&float, &test.labels, classes),
            int8: Confusion::new(&logits, &test.labels, classes),
            predicted,
            fidelity,
            warnings: warnings.into_iter().flatten().collect(),
            sizes,
            geometry: Geometry::of(&network.spec),
            run,
            data,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Reading;
    use crate::spec::Spec;
    use crate::train::{self, Epoch, Place, Recipe, Silent};

    fn small() -> (Spec, Dataset) {
        let spec = Spec::parse(
            "classes = 10\ngrowth = 3\nblocks = [1, 1]\nbottleneck = true\ntheta = 0.5\n\
             [input]\nheight = 8\nwidth = 8\nchannels = 1\n",
            "<small>",
        )
        .unwrap();
        let mut data = Dataset::load("digits", &Reading::default()).unwrap();
        data.train = data.train.sample(300);
        data.test = data.test.sample(100);
        (spec, data)
    }

    fn trained(spec: &Spec, data: &Dataset, epochs: usize) -> Checkpoint {
        let recipe = Recipe {
            epochs,
            batch: 32,
            ..Recipe::for_data(data)
        };
        let folder = tempfile::tempdir().unwrap();
        let place = Place {
            folder: folder.path(),
            resume: false,
            command: Some("denselet train --net small.toml"),
        };
        train::train_in(place, spec, data, &recipe, &mut Silent).unwrap()
    }

    #[test]
    fn a_network_trained_elsewhere_has_a_page_without_curves() {
        let (spec, data) = small();
        let mut run = trained(&spec, &data, 1);
        run.meta.history.clear();
        run.meta.epoch = 0;
        let page = Facts::gather(&run, &data, &|_| ()).unwrap().page().unwrap();
        assert!(page.contains("Trained elsewhere") && page.contains("Confusion matrix"));
        assert!(!page.contains("loss by epoch") && !page.contains("epochs = "));
    }

    #[test]
    fn a_page_without_test_images_measures_nothing() {
        let (spec, mut data) = small();
        let run = trained(&spec, &data, 1);
        data.test = crate::data::Split::default();
        let page = Facts::gather(&run, &data, &|_| ()).unwrap().page().unwrap();
        assert!(page.contains("no test images") && page.contains("not measured"));
        assert!(!page.contains("Confusion matrix"));
    }

    #[test]
    fn a_page_warns_of_what_is_lost_in_int8() {
        let (spec, data) = small();
        let run = trained(&spec, &data, 1);
        let mut facts = Facts::gather(&run, &data, &|_| ()).unwrap();
        let right = |right: usize| {
            let mut counts = vec![vec![0; 10]; 10];
            (0..10).for_each(|label| {
                counts[label][label] = right;
                counts[label][(label + 1) % 10] = 100 - right;
            });
            Confusion { counts }
        };
        let page = |facts: &mut Facts<'_>, float: usize, int8: usize| {
            (facts.float, facts.int8) = (right(float), right(int8));
            facts.page().unwrap()
        };
        assert!(!page(&mut facts, 90, 88).contains("role=\"note\""));
        let warned = page(&mut facts, 90, 87);
        assert!(warned.contains("int8 loses 3.00 points") && warned.contains("denselet finetune"));
        assert!(warned.contains("90.00 %") && warned.contains("87.00 %"));
        assert!(page(&mut facts, 12, 12).contains("hardly better than a guess"));
        assert!(!page(&mut facts, 30, 30).contains("hardly better than a guess"));
    }

    #[test]
    fn a_page_says_when_a_run_stopped_early() {
        let (spec, data) = small();
        let mut run = trained(&spec, &data, 1);
        run.meta.recipe.patience = 2;
        run.meta.recipe.epochs = 9;
        run.meta.epoch = 3;
        let epoch = Epoch {
            held_out_accuracy: Some(0.5),
            ..run.meta.history[0]
        };
        run.meta.history = (1..=3).map(|number| Epoch { number, ..epoch }).collect();
        let page = Facts::gather(&run, &data, &|_| ()).unwrap().page().unwrap();
        assert!(page.contains("Stopped early after epoch 3 of 9"), "{page}");
        assert!(page.contains("the best is that of epoch 1"), "{page}");
    }

    #[test]
    fn a_page_holds_everything_and_needs_nothing() {
        let (spec, data) = small();
        let run = trained(&spec, &data, 2);
        let facts = Facts::gather(&run, &data, &|_| ()).unwrap();
        assert_eq!(facts.int8.images(), 100);
        let page = facts.page().unwrap();
        for part in [
            "&lt;small&gt; on digits",
            "epochs = 2",
            "transition 1",
            "data:image/png;base64,",
            "line buffer",
            "--net small.toml",
        ] {
            assert!(page.contains(part), "{part}");
        }
        // Nothing is fetched from anywhere; the drawings name the language they are in.
        assert_eq!(page.matches("role=\"img\" aria-label=").count(), 3);
        let fetched = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!fetched.contains("http"), "an address");
        let wrong: usize = 100 - (facts.int8.accuracy() * 100.0).round() as usize;
        let mistaken = (0..10).flat_map(|label| (0..10).map(move |predicted| (label, predicted)));
        let found: usize = mistaken
            .filter(|(label, predicted)| label != predicted)
            .map(|(label, predicted)| facts.mistaken(label, predicted).count())
            .sum();
        assert_eq!(found, wrong);
    }
}
