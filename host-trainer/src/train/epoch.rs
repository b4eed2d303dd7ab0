//! One epoch, of floats or of integers: batches in a seeded order, a step for each, and what the steps add up to. `run` and
//! fine-tuning say what a step is.

use super::batch::Batch;
use super::{Epoch, Position, Progress, TrainError};
use crate::data::{self, Augment, Dataset, Ground, LabelledImages};
use crate::net::Score;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Instant;

/// Prepared batches that wait at most.
const AHEAD: usize = 2;
/// Added to an epoch's number: stream of what augmentation draws besides place.
const AUGMENT_STREAM: u64 = 1 << 32;

/// What an epoch trains on, and how its images are drawn.
pub(crate) struct Course<'c> {
    pub(crate) data: &'c Dataset,
    pub(crate) ground: Ground,
    /// Training images to draw from, by number; the epoch puts them in an order of its own.
    pub(crate) images: Vec<usize>,
    /// Images of one step.
    pub(crate) batch: usize,
    pub(crate) augment: Augment,
    pub(crate) seed: u64,
    /// Epochs done.
    pub(crate) epoch: usize,
    /// Epochs of the whole run.
    pub(crate) epochs: usize,
    /// Whether each step draws a key for dropout.
    pub(crate) has_keys: bool,
    /// Losses that a step's score adds up: 1 if it is a mean.
    pub(crate) losses: usize,
}

/// What learns from batches.
pub(crate) trait Learner {
    /// Why a step failed.
    type Error: From<TrainError>;

    /// Takes step `at` of the epoch, from 0. Returns the batch's score and the learning rate.
    ///
    /// # Errors
    ///
    /// Returns an error if a number is not finite any more.
    fn step(&mut self, at: usize, batch: &Batch) -> Result<(Score, f32), Self::Error>;
}

impl Course<'_> {
    /// Steps of the epoch.
    pub(crate) fn steps(&self) -> usize {
        self.images.len() / self.batch
    }

    /// Takes every step of the epoch, in the order that the seed and the epoch's number decide.
    ///
    /// # Errors
    ///
    /// Returns the error of the first step that fails.
    pub(crate) fn run<L: Learner>(
        mut self,
        learner: &mut L,
        progress: &mut dyn Progress,
    ) -> Result<Epoch, L::Error> {
        let mut place = generator(self.seed, self.epoch as u64);
        shuffle(&mut self.images, &mut place);
        let draws = Draws {
            place,
            rest: generator(self.seed, AUGMENT_STREAM + self.epoch as u64),
        };
        let count = self.steps();
        let mut sum = Score::default();
        let mut rate = 0.0;
        let start = Instant::now();
        let (sender, batches) = sync_channel(AHEAD);
        let course = &self;
        std::thread::scope(|scope| -> Result<(), L::Error> {
            scope.spawn(move || prepare(course, draws, &sender));
            for (step, batch) in batches.into_iter().enumerate() {
                let (score, now) = learner.step(step, &batch)?;
                rate = now;
                sum.loss += score.loss;
                sum.correct += score.correct;
                let seen = ((step + 1) * self.batch) as f64;
                progress.step(&Position {
                    epoch: self.epoch + 1,
                    epochs: self.epochs,
                    step: step + 1,
                    steps: count,
                    batch: self.batch,
                    loss: sum.loss / ((step + 1) * self.losses) as f64,
                    accuracy: sum.correct as f64 / seen,
                    images_per_second: seen / start.elapsed().as_secs_f64().max(1e-9),
                });
            }
            Ok(())
        })?;
        let seconds = start.elapsed().as_secs_f64();
        let seen = (count * self.batch) as f64;
        Ok(Epoch {
            number: self.epoch + 1,
            loss: sum.loss / (count * self.losses) as f64,
            accuracy: sum.correct as f64 / seen,
            held_out_accuracy: None,
            held_out_loss: None,
            bits_per_weight: None,
            blob_bytes: None,
            rate,
            images_per_second: seen / seconds.max(1e-9),
            seconds,
        })
    }
}

/// Where an epoch's random numbers come from.
struct Draws {
    /// Place and dropout.
    place: ChaCha8Rng,
    /// The rest of the augmentation.
    rest: ChaCha8Rng,
}

/// Prepares an epoch's batches in the order of its images and sends them, until all are sent or the receiver is gone. Every
/// rank prepares whole batches: so all draw the same numbers.
fn prepare(course: &Course<'_>, mut draws: Draws, sender: &SyncSender<Batch>) {
    let data = course.data;
    let size = data.image_len();
    for picked in course.images.chunks_exact(course.batch) {
        let mut images = vec![0; picked.len() * size];
        for (image, &at) in images.chunks_exact_mut(size).zip(picked) {
            let from = &data.train.images[at * size..(at + 1) * size];
            let draws = data::Draws {
                place: &mut draws.place,
                rest: &mut draws.rest,
            };
            course.augment.apply(&course.ground, draws, from, image);
        }
        let mut labels: Vec<u16> = picked.iter().map(|&at| data.train.labels[at]).collect();
        let mixed = LabelledImages {
            images: &mut images,
            labels: &mut labels,
            shape: data.shape(),
            classes: data.classes.len(),
        };
        let shares = course.augment.mix(mixed, &mut draws.rest);
        let batch = Batch {
            images,
            labels,
            shares,
            key: if course.has_keys {
                draws.place.next_u64()
            } else {
                0
            },
        };
        if sender.send(batch).is_err() {
            return;
        }
    }
}
/// Seeded bits, a stream for each epoch.
pub(super) fn generator(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut bits = ChaCha8Rng::seed_from_u64(seed);
    bits.set_stream(stream);
    bits
}

/// Puts numbers in a random order.
pub(super) fn shuffle(order: &mut [usize], bits: &mut ChaCha8Rng) {
    for last in (1..order.len()).rev() {
        let at = (u128::from(bits.next_u64()) * (last as u128 + 1)) >> 64;
        order.swap(last, at as usize);
    }
}
