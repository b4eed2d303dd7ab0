//! How fast this machine fine-tunes a network's integers, relative to training the same network in float.

use crate::data::{Augment, Dataset, Split};
use crate::finetune::{self, FinetuneError, finetune};
use crate::net::Network;
use crate::spec::Spec;
use crate::train::{self, Aside, Finetuning, Position, Progress, train};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Serialize;
use std::time::Instant;

/// Alternating runs of each kind.
const TURNS: usize = 5;
/// Steps of a run that are not timed.
const WARM_UP: usize = 2;
/// Fewest timed steps of a run.
const FEWEST: usize = 4;
/// Kinds of runs: float, int8, int8 distilled.
const KINDS: usize = 3;

/// What was measured. Every speed is the median of the runs' speeds, each that of the run's median step; every ratio is the
/// median of the ratios of neighbouring runs.
#[derive(Clone, Debug, Serialize)]
pub struct Int8Speed {
    /// The network.
    pub net: String,
    /// Images per step.
    pub batch: usize,
    /// Threads that worked.
    pub threads: usize,
    /// Alternating runs of each kind.
    pub turns: usize,
    /// Timed steps of each run.
    pub steps: usize,
    /// Images per second of float training.
    pub float: f64,
    /// Images per second of fine-tuning on labels alone.
    pub int8: f64,
    /// `int8` / `float`.
    pub ratio: f64,
    /// Images per second of fine-tuning with distillation, the forward pass of the float network included.
    pub distilled: f64,
    /// `distilled` / `float`.
    pub distilled_ratio: f64,
}

/// Times whole steps of float training and of fine-tuning on one random data set, in alternating runs, for about `seconds`.
///
/// # Errors
///
/// Returns an error if the network cannot be fine-tuned.
pub fn int8_speed(spec: &Spec, batch: usize, seconds: f64) -> Result<Int8Speed, FinetuneError> {
    let steps = |steps: usize| WARM_UP + steps;
    let (_, step) = float(spec, &random(spec, batch * steps(FEWEST)), batch)?;
    let most = seconds * step / batch as f64 / (TURNS * KINDS) as f64;
    let timed = (most as usize).max(FEWEST);
    let data = random(spec, batch * steps(timed));
    // Runs by kind.
    let mut speeds = [const { Vec::new() }; KINDS];
    for _ in 0..TURNS {
        let (network, float) = float(spec, &data, batch)?;
        speeds[0].push(float);
        speeds[1].push(integers(&network, &data, batch, 0.0)?);
        speeds[2].push(integers(&network, &data, batch, 0.5)?);
    }
    let ratio = |kind: usize| {
        let turns = speeds[kind].iter().zip(&speeds[0]);
        median(turns.map(|(int8, float)| int8 / float).collect())
    };
    let speed = |kind: usize| median(speeds[kind].clone());
    Ok(Int8Speed {
        net: spec.name.clone(),
        batch,
        threads: rayon::current_num_threads(),
        turns: TURNS,
        steps: timed,
        float: speed(0),
        int8: speed(1),
        ratio: ratio(1),
        distilled: speed(2),
        distilled_ratio: ratio(2),
    })
}

/// Trains a network in float; returns it with the images per second.
fn float(spec: &Spec, data: &Dataset, batch: usize) -> Result<(Network, f64), FinetuneError> {
    let recipe = train::Recipe {
        epochs: 1,
        batch,
        // Random labels at a higher rate could diverge.
        rate: 0.01,
        augment: Augment::default(),
        ..train::Recipe::default()
    };
    let mut watch = Watch::default();
    let network = train(spec, data, &recipe, &mut watch)?;
    Ok((network, watch.speed(batch)))
}

/// Fine-tunes a network; returns the images per second.
fn integers(
    network: &Network,
    data: &Dataset,
    batch: usize,
    distillation: f32,
) -> Result<f64, FinetuneError> {
    let recipe = finetune::Recipe {
        finetune: Finetuning {
            epochs: 1,
            distillation,
            calibration: batch,
            ..Finetuning::default()
        },
        batch,
        augment: Augment::default(),
        seed: 1,
        aside: Aside::default(),
    };
    let mut watch = Watch::default();
    finetune(network, data, &recipe, &mut watch)?;
    Ok(watch.speed(batch))
}

/// A data set of random bytes with random labels.
fn random(spec: &Spec, count: usize) -> Dataset {
    let mut bits = ChaCha8Rng::seed_from_u64(1);
    let input = spec.input;
    let mut images = vec![0; count * input.height * input.width * input.channels];
    bits.fill_bytes(&mut images);
    let labels = (0..count).map(|_| (bits.next_u64() % spec.classes as u64) as u16);
    Dataset {
        name: "random".into(),
        height: input.height,
        width: input.width,
        channels: input.channels,
        classes: (0..spec.classes).map(|class| class.to_string()).collect(),
        train: Split {
            labels: labels.collect(),
            images,
        },
        ..Dataset::default()
    }
}

/// Notes when each step ends.
#[derive(Debug, Default)]
struct Watch(Vec<Instant>);

impl Progress for Watch {
    fn step(&mut self, _: &Position) {
        self.0.push(Instant::now());
    }
}

impl Watch {
    /// Images per second of the median step after the warm-up.
    fn speed(&self, batch: usize) -> f64 {
        let ends = &self.0[WARM_UP - 1..];
        let seconds = ends.windows(2).map(|ends| (ends[1] - ends[0]).as_secs_f64());
        batch as f64 / median(seconds.collect())
    }
}

/// The value in the middle; the upper one of two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_run_gives_every_number() {
        let speed = int8_speed(&Spec::load("digits").unwrap(), 8, 0.01).unwrap();
        assert_eq!((speed.steps, speed.turns), (FEWEST, TURNS));
        for value in [speed.float, speed.int8, speed.distilled] {
            assert!(value > 0.0, "{speed:?}");
        }
        assert!(speed.ratio > 0.0 && speed.distilled_ratio > 0.0, "{speed:?}");
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0]), 4.0);
    }
}
