//! Batches, prepared one ahead by a thread of their own while the network learns from the last.
//!
//! The thread draws every random number of an epoch in the order in which one thread would, so the batches are the same.

use super::Recipe;
use crate::data::{Dataset, Draws, Ground, LabelledImages};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use std::sync::mpsc::SyncSender;

/// Batches that wait at most.
pub(super) const AHEAD: usize = 2;

/// Images of one step.
pub(super) struct Batch {
    /// Raw bytes, NHWC, augmented.
    pub(super) images: Vec<u8>,
    /// One per image.
    pub(super) labels: Vec<u16>,
    /// What each image shows of each class, `[image][class]`, where images are mixed.
    pub(super) shares: Option<Vec<f32>>,
    /// Decides what is dropped in this step.
    pub(super) key: u64,
}

/// Images of one rank in one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part<'b> {
    pub(super) images: &'b [u8],
    pub(super) labels: &'b [u16],
    pub(super) shares: Option<&'b [f32]>,
}

impl Batch {
    /// What rank `rank` of `count` trains on: parts of equal size, in the order of the ranks.
    pub(super) fn part(&self, rank: usize, count: usize) -> Part<'_> {
        /// That part of a list that is made of equal parts.
        fn cut<T>(all: &[T], rank: usize, count: usize) -> &[T] {
            &all[rank * (all.len() / count)..][..all.len() / count]
        }
        Part {
            images: cut(&self.images, rank, count),
            labels: cut(&self.labels, rank, count),
            shares: self.shares.as_deref().map(|shares| cut(shares, rank, count)),
        }
    }
}

/// Prepares an epoch's batches in this order and sends them, until all are sent or the receiver is gone. Place and
/// dropout are drawn from `bits`, the rest of the augmentation from `more`. Every rank prepares whole batches, for then all
/// draw the same numbers.
pub(super) fn prepare(
    data: &Dataset,
    order: &[usize],
    recipe: &Recipe,
    ground: &Ground,
    mut bits: ChaCha8Rng,
    mut more: ChaCha8Rng,
    sender: &SyncSender<Batch>,
) {
    let size = data.image_len();
    for picked in order.chunks_exact(recipe.batch) {
        let mut images = vec![0; picked.len() * size];
        for (image, &at) in images.chunks_exact_mut(size).zip(picked) {
            let from = &data.train.images[at * size..(at + 1) * size];
            let draws = Draws {
                place: &mut bits,
                rest: &mut more,
            };
            recipe.augment.apply(ground, draws, from, image);
        }
        let mut labels: Vec<u16> = picked.iter().map(|&at| data.train.labels[at]).collect();
        let mixed = LabelledImages {
            images: &mut images,
            labels: &mut labels,
            shape: data.shape(),
            classes: data.classes.len(),
        };
        let shares = recipe.augment.mix(mixed, &mut more);
        let batch = Batch {
            images,
            labels,
            shares,
            key: bits.next_u64(),
        };
        if sender.send(batch).is_err() {
            return;
        }
    }
}
