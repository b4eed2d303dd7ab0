//! Images through the quantised network and back.
//!
//! There are no batch statistics, so one image goes all the way before the next begins, and what it leaves stays in
//! the cache. Jobs of a fixed share of the batch run side by side, and their sums are added in the order of the jobs: the
//! result does not depend on the number of threads.

use super::head::Head;
use super::integers::{Conv, Gate, Integers, Stage};
use super::layer::Layer;
use super::memory::{Features, Scratch, StageSums, Trace};
use super::stem::Stem;
use super::transition::Transition;
use crate::net::Score;
use crate::spec::Spec;
use crate::stages::Location;
use rayon::prelude::*;

/// Shares of a batch.
const JOBS: usize = 8;

/// The loss of an image by its number in the batch, and the gradient of its logits.
pub(super) type Judge<'a> = dyn Fn(usize, &[f32], &mut [f32]) -> Score + Sync + 'a;

/// Buffers for one job, and the way of its images through them.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// One per block, and what a last transition leaves for the head.
    pub(super) features: Vec<Features>,
    traces: Vec<Trace>,
    scratch: Scratch,
    pub(super) sums: Vec<StageSums>,
    pub(super) logits: Vec<f32>,
    gradient: Vec<f32>,
}

impl Job {
    pub(super) fn new(spec: &Spec, integers: &Integers) -> Self {
        let positions = Location::all(spec);
        let maps = spec.maps();
        let mut features: Vec<Features> = maps.blocks.iter().map(|&map| Features::new(map)).collect();
        // After a last transition the head reads a map of its own.
        if positions
            .last()
            .is_some_and(|head| head.block == maps.blocks.len())
        {
            features.push(Features::new(maps.head));
        }
        let stages = integers.stages.iter().zip(&positions);
        let traces = stages.map(|(stage, at)| match stage {
            Stage::Stem { conv } => stem(spec, conv, integers).trace(),
            Stage::Layer {
                gate,
                bottleneck,
                conv,
            } => layer(gate, bottleneck, conv).trace(features[at.block].map),
            Stage::Transition { gate, conv } => Transition { gate, conv }.trace(at.input),
            Stage::Head { gate, conv } => head(gate, conv, integers).trace(),
        });
        Self {
            traces: traces.collect(),
            scratch: Scratch::default(),
            sums: integers.stages.iter().map(StageSums::new).collect(),
            logits: vec![0.0; spec.classes],
            gradient: vec![0.0; spec.classes],
            features,
        }
    }

    /// One image's logits.
    pub(super) fn forward(&mut self, spec: &Spec, integers: &Integers, image: &[u8]) {
        let Self {
            features,
            traces,
            scratch,
            logits,
            ..
        } = self;
        let mut block = 0;
        for (stage, trace) in integers.stages.iter().zip(traces) {
            match stage {
                Stage::Stem { conv } => {
                    stem(spec, conv, integers).forward(image, &mut features[0], trace, scratch);
                }
                Stage::Layer {
                    gate,
                    bottleneck,
                    conv,
                } => layer(gate, bottleneck, conv).forward(&mut features[block], trace, scratch),
                Stage::Transition { gate, conv } => {
                    let (from, to) = neighbours(features, block);
                    Transition { gate, conv }.forward(from, to, trace, scratch);
                    block += 1;
                }
                Stage::Head { gate, conv } => {
                    head(gate, conv, integers).forward(&features[block], trace, logits);
                }
            }
        }
    }

    /// Adds to the sums what the gradient of the last image's logits contributes.
    pub(super) fn backward(&mut self, spec: &Spec, integers: &Integers) {
        let Self {
            features,
            traces,
            scratch,
            sums,
            gradient,
            ..
        } = self;
        for features in features.iter_mut() {
            features.g.fill(0.0);
        }
        let mut block = features.len() - 1;
        for ((stage, trace), sums) in integers.stages.iter().zip(traces).zip(sums).rev() {
            match stage {
                Stage::Stem { conv } => {
                    stem(spec, conv, integers).backward(&features[0], trace, scratch, sums);
                }
                Stage::Layer {
                    gate,
                    bottleneck,
                    conv,
                } => layer(gate, bottleneck, conv).backward(&mut features[block], trace, scratch, sums),
                Stage::Transition { gate, conv } => {
                    block -= 1;
                    let (from, to) = neighbours(features, block);
                    Transition { gate, conv }.backward((from, to), trace, scratch, sums);
                }
                Stage::Head { gate, conv } => {
                    let head = head(gate, conv, integers);
                    head.backward(&mut features[block], (trace, gradient), scratch, sums);
                }
            }
        }
    }
}

fn stem<'a>(spec: &'a Spec, conv: &'a Conv, integers: &'a Integers) -> Stem<'a> {
    Stem {
        spec,
        conv,
        padding: &integers.padding,
    }
}

fn layer<'a>(gate: &'a Gate, bottleneck: &'a Option<Conv>, conv: &'a Conv) -> Layer<'a> {
    Layer {
        gate,
        bottleneck: bottleneck.as_ref(),
        conv,
    }
}

fn head<'a>(gate: &'a Gate, conv: &'a Conv, integers: &Integers) -> Head<'a> {
    Head {
        gate,
        conv,
        scale: integers.scale,
    }
}

/// A block and the next one.
fn neighbours(features: &mut [Features], block: usize) -> (&mut Features, &mut Features) {
    let (before, after) = features.split_at_mut(block + 1);
    (&mut before[block], &mut after[0])
}

/// The jobs of a batch.
#[derive(Debug)]
pub(super) struct Pass {
    spec: Spec,
    jobs: Vec<Job>,
}

impl Pass {
    /// Buffers for a network.
    pub(super) fn new(spec: &Spec, integers: &Integers) -> Self {
        Self {
            spec: spec.clone(),
            jobs: vec![Job::new(spec, integers); JOBS],
        }
    }

    /// A batch of images, NHWC bytes, through the network and back: the sum of their scores, and the sums of gradients,
    /// stage by stage.
    pub(super) fn step(
        &mut self,
        integers: &Integers,
        images: &[u8],
        judge: &Judge<'_>,
    ) -> (Score, &[StageSums]) {
        let input = self.spec.input;
        let size = input.height * input.width * input.channels;
        let count = images.len() / size;
        let share = count.div_ceil(JOBS).max(1);
        let spec = &self.spec;
        let scores: Vec<Score> = self
            .jobs
            .par_iter_mut()
            .enumerate()
            .map(|(at, job)| {
                for sums in &mut job.sums {
                    sums.parts().for_each(|part| part.fill(0.0));
                }
                let mut score = Score::default();
                for n in (at * share).min(count)..((at + 1) * share).min(count) {
                    job.forward(spec, integers, &images[n * size..][..size]);
                    let one = judge(n, &job.logits, &mut job.gradient);
                    score.loss += one.loss;
                    score.correct += one.correct;
                    job.backward(spec, integers);
                }
                score
            })
            .collect();
        let mut sum = Score::default();
        for score in scores {
            sum.loss += score.loss;
            sum.correct += score.correct;
        }
        let (first, rest) = self.jobs.split_at_mut(1);
        for job in rest {
            for (total, sums) in first[0].sums.iter_mut().zip(&mut job.sums) {
                for (total, part) in total.parts().zip(sums.parts()) {
                    for (total, value) in total.iter_mut().zip(part) {
                        *total += *value;
                    }
                }
            }
        }
        (sum, &first[0].sums)
    }
}
