//! A training from its start to its end, in memory.

use super::place::alone;
use super::run::Run;
use super::{Progress, Recipe, TrainError};
use crate::data::Dataset;
use crate::net::Network;
use crate::spec::Spec;

/// Trains a network of `spec` on the data set's training split.
///
/// # Errors
///
/// Returns an error if network, data set and recipe do not fit together, or the loss diverges.
pub fn train(
    spec: &Spec,
    data: &Dataset,
    recipe: &Recipe,
    progress: &mut dyn Progress,
) -> Result<Network, TrainError> {
    let mut run = Run::new(spec, data, recipe, &alone())?;
    while let Some(done) = run.epoch(data, progress)? {
        progress.epoch(&done);
    }
    Ok(run.state.network)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Reading;
    use crate::train::checkpoint::Checkpoint;
    use crate::train::{
        Balance, ClassWeights, Distil, Place, Position, Silent, accuracy, checkpoint, train_in,
    };
    use std::path::Path;

    fn small() -> (Spec, Dataset, Recipe) {
        let spec = Spec::parse(
            "classes = 10\ngrowth = 3\nblocks = [1, 1]\nbottleneck = true\ntheta = 0.5\n\
             [input]\nheight = 8\nwidth = 8\nchannels = 1\n",
            "small",
        )
        .unwrap();
        let mut data = Dataset::load("digits", &Reading::default()).unwrap();
        data.train = data.train.sample(300);
        let recipe = Recipe {
            epochs: 3,
            batch: 32,
            ..Recipe::for_data(&data)
        };
        (spec, data, recipe)
    }

    fn place(folder: &Path, resume: bool) -> Place<'_> {
        Place {
            folder,
            resume,
            command: None,
        }
    }

    #[test]
    fn a_resumed_run_ends_with_the_same_weights() {
        let (spec, data, recipe) = small();
        let whole = train(&spec, &data, &recipe, &mut Silent).unwrap();
        let folder = tempfile::tempdir().unwrap();

        /// Stops after the first epoch, as a kill would.
        struct Stop;
        impl Progress for Stop {
            fn step(&mut self, at: &Position) {
                assert!(at.epoch == 1, "killed");
            }
        }
        let killed = std::panic::catch_unwind(|| {
            let _ = train_in(place(folder.path(), false), &spec, &data, &recipe, &mut Stop);
        });
        assert!(killed.is_err());
        assert_eq!(checkpoint::load(folder.path()).unwrap().meta.epoch, 1);
        let resumed = train_in(place(folder.path(), true), &spec, &data, &recipe, &mut Silent).unwrap();
        assert_eq!(resumed.network, whole);
        assert_eq!(checkpoint::load(folder.path()).unwrap().network, whole);

        let other = Recipe { rate: 0.5, ..recipe };
        let error = train_in(place(folder.path(), true), &spec, &data, &other, &mut Silent).unwrap_err();
        assert!(error.to_string().contains("recipe"), "{error}");
    }

    #[test]
    fn an_average_is_kept_and_gone_on_with() {
        let (spec, data, recipe) = small();
        let recipe = Recipe {
            average: Some(0.9),
            held_out: 0.1,
            dropout: Some(0.1),
            class_weights: Some(ClassWeights::By(Balance::Balanced)),
            augment: crate::data::Augment {
                cutout: 2,
                operations: 1,
                magnitude: 0.2,
                mixup: 0.2,
                cutmix: 1.0,
                ..recipe.augment
            },
            ..recipe
        };
        let folder = tempfile::tempdir().unwrap();
        let whole = train_in(place(folder.path(), false), &spec, &data, &recipe, &mut Silent).unwrap();
        assert_ne!(whole.raw.as_ref(), Some(&whole.network));
        assert_eq!(whole.network.spec.dropout, 0.1);
        assert_eq!(checkpoint::load(folder.path()).unwrap(), unmeasured(&whole));

        let mut run = Run::new(&spec, &data, &recipe, &alone()).unwrap();
        run.epoch(&data, &mut Silent).unwrap();
        let folder = tempfile::tempdir().unwrap();
        run.state.save(folder.path()).unwrap();
        let resumed = train_in(place(folder.path(), true), &spec, &data, &recipe, &mut Silent).unwrap();
        assert_eq!((resumed.network, resumed.raw), (whole.network, whole.raw));
    }

    /// Without what checkpoints leave out.
    fn unmeasured(state: &Checkpoint) -> Checkpoint {
        let mut state = state.clone();
        for epoch in &mut state.meta.history {
            (epoch.images_per_second, epoch.seconds) = (0.0, 0.0);
        }
        state
    }

    #[test]
    fn a_teacher_is_taken_after() {
        let (spec, data, recipe) = small();
        let folder = tempfile::tempdir().unwrap();
        let teacher = Recipe {
            epochs: 10,
            ..recipe.clone()
        };
        train_in(place(folder.path(), false), &spec, &data, &teacher, &mut Silent).unwrap();
        let pupil = |weight| Recipe {
            distil: Distil {
                teacher: Some(folder.path().to_owned()),
                weight,
                ..Distil::default()
            },
            epochs: 10,
            ..recipe.clone()
        };
        // With a weight of 1 labels teach nothing.
        let mut blind = data.clone();
        blind.train.labels.fill(0);
        let taught = train(&spec, &blind, &pupil(1.0), &mut Silent).unwrap();
        let found = accuracy(&taught, &data.test);
        // Who learns from labels that are all the same is right about a tenth.
        assert!(found > 0.3, "{found}");
        let mut other = data.clone();
        other.classes.pop();
        let error = Run::new(&spec, &other, &pupil(0.5), &alone())
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("classes"), "{error}");
        let absent = Recipe {
            distil: Distil {
                teacher: Some("nosuch".into()),
                ..Distil::default()
            },
            ..recipe
        };
        let error = train(&spec, &data, &absent, &mut Silent).unwrap_err().to_string();
        assert!(error.contains("nosuch"), "{error}");
    }

    #[test]
    fn training_learns() {
        let (spec, data, recipe) = small();
        let recipe = Recipe { epochs: 15, ..recipe };
        let network = train(&spec, &data, &recipe, &mut Silent).unwrap();
        let found = accuracy(&network, &data.test);
        assert!(found > 0.6, "{found}");
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let (spec, mut data, recipe) = small();
        let bad = Recipe {
            batch: 0,
            ..recipe.clone()
        };
        let message = |r: Result<Network, TrainError>| r.unwrap_err().to_string();
        assert!(message(train(&spec, &data, &bad, &mut Silent)).contains("`batch`"));
        let bad = Recipe {
            rate: 1e6,
            ..recipe.clone()
        };
        assert!(message(train(&spec, &data, &bad, &mut Silent)).contains("a smaller --lr"));
        data.classes.pop();
        assert!(message(train(&spec, &data, &recipe, &mut Silent)).contains("classes"));
        let spec = Spec::load("d1").unwrap();
        assert!(message(train(&spec, &data, &recipe, &mut Silent)).contains("28x28x1"));
    }
}
