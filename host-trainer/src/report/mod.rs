//! A run on one page: an HTML file that needs no network and no other file. Beside the main path: reads a finished run,
//! draws, changes nothing.

mod arena;
mod curves;
mod page;
mod picture;

use crate::blob::Blob;
use crate::calibrate::{self, Calibration};
use crate::data::Dataset;
use crate::evaluate::{self, Confusion};
use crate::export::{self, Geometry};
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
    /// How it does with the device's bits.
    pub int8: Confusion,
    /// What the device says of each test image.
    pub said: Vec<usize>,
    /// Sizes, stage by stage.
    pub sizes: inspect::Report,
    /// Shapes, for the arena map.
    pub geometry: Geometry,
}

impl<'f> Facts<'f> {
    /// Runs the whole test split through the float network and through the blob it becomes.
    ///
    /// # Errors
    /// Where the network cannot be exported, or data and network do not fit.
    pub fn gather(
        run: &'f Checkpoint,
        data: &'f Dataset,
        done: &(dyn Fn(usize) + Sync),
    ) -> anyhow::Result<Self> {
        let network = &run.network;
        let order = Order::Pairs;
        let images = Calibration::draw(data, calibrate::IMAGES).images.images;
        let blob = Blob::new(&export::export(
            network,
            &images,
            order,
            &crate::about::About::default(),
        )?)?;
        let (test, classes) = (&data.test, network.spec.classes);
        let logits = evaluate::logits(&blob, &test.images, done)?;
        let said = logits.chunks_exact(classes).map(evaluate::largest).collect();
        Ok(Self {
            float: Confusion::new(&network.logits(&test.images, test.len()), &test.labels, classes),
            int8: Confusion::new(&logits, &test.labels, classes),
            said,
            sizes: inspect::network(&network.spec, order)
                .context("a network of this size has no plan here")?,
            geometry: Geometry::of(&network.spec),
            run,
            data,
        })
    }

    /// The page.
    ///
    /// # Errors
    /// Where the drawing library fails; it draws into memory.
    pub fn page(&self) -> anyhow::Result<String> {
        page::page(self)
    }

    /// Test images of class `label` that the device took for `said`, by number.
    fn mistaken(&self, label: usize, said: usize) -> impl Iterator<Item = usize> + '_ {
        let labels = self.data.test.labels.iter().map(|&label| usize::from(label));
        labels
            .zip(&self.said)
            .enumerate()
            .filter(move |(_, pair)| *pair == (label, &said))
            .map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Reading;
    use crate::spec::Spec;
    use crate::train::{self, Place, Recipe, Silent};

    #[test]
    fn a_page_holds_everything_and_needs_nothing() {
        let spec = Spec::parse(
            "classes = 10\ngrowth = 3\nblocks = [1, 1]\nbottleneck = true\ntheta = 0.5\n\
             [input]\nheight = 8\nwidth = 8\nchannels = 1\n",
            "<small>",
        )
        .unwrap();
        let mut data = Dataset::load("digits", &Reading::default()).unwrap();
        data.train = data.train.sample(300);
        data.test = data.test.sample(100);
        let recipe = Recipe {
            epochs: 2,
            batch: 32,
            ..Recipe::for_data(&data)
        };
        let folder = tempfile::tempdir().unwrap();
        let place = Place {
            folder: folder.path(),
            resume: false,
            command: Some("denselet train --net small.toml"),
        };
        let run = train::train_in(place, &spec, &data, &recipe, &mut Silent).unwrap();
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
        let fetched = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!fetched.contains("http"), "an address");
        let wrong: usize = 100 - (facts.int8.accuracy() * 100.0).round() as usize;
        let mistaken = (0..10).flat_map(|label| (0..10).map(move |said| (label, said)));
        let found: usize = mistaken
            .filter(|(label, said)| label != said)
            .map(|(label, said)| facts.mistaken(label, said).count())
            .sum();
        assert_eq!(found, wrong);
    }
}
