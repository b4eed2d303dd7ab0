//! One batch through the network and back, in place on one buffer per block.
//!
//! A step is a sequence of phases. In each, jobs of a few images run side by side; between phases the jobs' sums are
//! added in the order of the jobs, so the result does not depend on the number of threads.

mod backward;
mod forward;

use super::dropout::Dropout;
use super::loss::{Loss, Score};
use super::memory::{Buffer, JOBS, Scratch};
use super::norm::{Active, Moments, Pull, follow};
use super::ranks::{Ranks, Sharing};
use super::simd::{PAD, lanes};
use super::{BatchNorm, Network};
use crate::spec::{Map, Spec};
use std::sync::Arc;

/// A block buffer and everything its channels share.
#[derive(Debug)]
struct Features {
    channels: usize,
    /// Its shape, with the floats from one pixel to the next as channels.
    map: Map,
    values: Buffer,
    gradients: Buffer,
    moments: Moments,
    pull: Pull,
}

/// The output of a convolution before its own batch norm: a bottleneck, or the stem of the ImageNet form.
#[derive(Debug)]
struct Inner {
    channels: usize,
    values: Buffer,
    moments: Moments,
}

impl Inner {
    /// Floats from one pixel to the next.
    fn stride(&self) -> usize {
        self.channels.next_multiple_of(PAD)
    }
}

/// Buffers for batches of up to a given size, and the passes over them.
#[derive(Debug)]
pub struct Pass {
    spec: Spec,
    capacity: usize,
    /// One per block, and what a last transition leaves for the head.
    features: Vec<Features>,
    /// Bottlenecks by block and layer.
    inner: Vec<Vec<Option<Inner>>>,
    stem: Option<Inner>,
    stem_map: Map,
    /// Gradients after its own batch norm; in inference the bottleneck at hand.
    delta: Buffer,
    averages: Vec<f32>,
    logits: Vec<f32>,
    jobs: Vec<Scratch>,
    /// Jobs one thread takes at once: all if a phase is over before a second thread is awake.
    grain: usize,
    sharing: Sharing,
}

/// Multiply-accumulates of a phase that are worth a second thread.
const PHASE: u64 = 1 << 21;

/// Which statistics batch norms use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Statistics {
    Batch,
    Running,
}

/// A batch on its way through the network.
#[derive(Clone, Copy)]
struct Batch<'b> {
    images: &'b [u8],
    /// Images.
    n: usize,
    statistics: Statistics,
    /// Decides what dropout drops.
    key: u64,
}

/// A convolution's place in a pass.
#[derive(Clone, Copy)]
struct Site {
    block: usize,
    /// The layer, if its bottleneck is written or read.
    bottleneck: Option<usize>,
    /// First channel of the layer's outputs.
    slot: usize,
    /// Images.
    n: usize,
    dropout: Option<Dropout>,
}

/// A batch to train on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Step<'a> {
    /// NHWC bytes.
    pub images: &'a [u8],
    /// One per image.
    pub labels: &'a [u16],
    /// Decides the dropout masks; different for every step.
    pub key: u64,
    /// What the logits are held against.
    pub loss: Loss<'a>,
}

impl Pass {
    /// Buffers to train networks of `spec` with up to `capacity` images at once.
    pub fn training(spec: &Spec, capacity: usize) -> Self {
        Self::new(spec, capacity, true)
    }

    /// This pass as one rank's: its batches are shares of equal size, in the order of the ranks. Where `synchronised`, batch
    /// statistics are those of the whole batch, otherwise those of the share.
    pub fn among(mut self, ranks: Arc<dyn Ranks>, synchronised: bool) -> Self {
        self.sharing = Sharing {
            synchronised: synchronised && ranks.count() > 1,
            ranks,
        };
        self
    }

    /// Buffers for inference with up to `capacity` images at once.
    pub fn inference(spec: &Spec, capacity: usize) -> Self {
        Self::new(spec, capacity, false)
    }

    fn new(spec: &Spec, capacity: usize, training: bool) -> Self {
        let maps = spec.maps();
        let trained = |len: usize| Buffer::new(if training { len } else { 0 });
        let features = |map: Map, last: usize| {
            let channels = map.channels;
            // A whole vector fits where the last layer's slot begins.
            let stride = (channels - last + last.next_multiple_of(lanes(last))).next_multiple_of(PAD);
            let map = Map {
                channels: stride,
                ..map
            };
            let len = capacity * map.pixels() * map.channels;
            Features {
                channels,
                map,
                values: Buffer::new(len),
                gradients: trained(len),
                moments: Moments::new(channels),
                pull: Pull::new(channels),
            }
        };
        let mut buffers: Vec<Features> = (maps.blocks.iter().zip(&spec.blocks))
            .map(|(map, block)| features(*map, block.layers.last().map_or(0, |layer| layer.growth)))
            .collect();
        if spec.blocks.last().is_some_and(|block| block.transition.is_some()) {
            buffers.push(features(maps.head, 0));
        }
        let mut largest = 0;
        let mut inner = Vec::with_capacity(spec.blocks.len());
        for (block, map) in spec.blocks.iter().zip(&maps.blocks) {
            let made = block.layers.iter().map(|layer| {
                layer.bottleneck.map(|channels| {
                    let len = capacity * map.pixels() * channels.next_multiple_of(PAD);
                    largest = largest.max(len);
                    Inner {
                        channels,
                        values: trained(len),
                        moments: Moments::new(channels),
                    }
                })
            });
            inner.push(made.collect());
        }
        let stem_map = Map {
            channels: maps.stem.channels.next_multiple_of(PAD),
            ..maps.stem
        };
        let stem = spec.stem.norm.then(|| {
            let len = capacity * stem_map.pixels() * stem_map.channels;
            if training {
                largest = largest.max(len);
            }
            Inner {
                channels: maps.stem.channels,
                values: Buffer::new(len),
                moments: Moments::new(maps.stem.channels),
            }
        });
        let phases = spec
            .blocks
            .iter()
            .map(|block| 2 * block.layers.len() as u64 + 1)
            .sum::<u64>();
        let averages = buffers.last().map_or(0, |last| capacity * last.map.channels);
        Self {
            capacity,
            features: buffers,
            inner,
            stem,
            stem_map,
            delta: Buffer::new(largest),
            averages: vec![0.0; averages],
            logits: vec![0.0; capacity * spec.classes],
            jobs: (0..JOBS).map(|_| Scratch::default()).collect(),
            grain: if spec.macs() * capacity as u64 / phases < PHASE {
                JOBS
            } else {
                1
            },
            sharing: Sharing::default(),
            spec: spec.clone(),
        }
    }

    /// Images a batch may have.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Inference-mode logits of raw images, `[image][class]`.
    ///
    /// # Panics
    ///
    /// When `network` is not of this pass's spec or there are more images than its capacity.
    pub fn logits(&mut self, network: &Network, images: &[u8]) -> &[f32] {
        let n = self.begin(network, images);
        let batch = Batch {
            images,
            n,
            statistics: Statistics::Running,
            key: 0,
        };
        rayon::scope(|_| self.forward(network, batch));
        &self.logits[..n * self.spec.classes]
    }

    /// Forward, loss and backward with the batch's statistics: fills `gradient`, a network of the same shape, and
    /// moves the running statistics. Among several ranks, gradients are those of this rank's images in the whole batch's
    /// mean loss, so that their sum over the ranks is the whole gradient; the score is this rank's own.
    ///
    /// # Panics
    ///
    /// As [`Pass::logits`], and when labels are missing or name no class.
    pub fn step(&mut self, network: &mut Network, step: Step<'_>, gradient: &mut Network) -> Score {
        let Step { images, labels, .. } = step;
        let n = self.begin(network, images);
        assert_eq!(labels.len(), n, "labels of {n} images");
        let batch = Batch {
            images,
            n,
            statistics: Statistics::Batch,
            key: step.key,
        };
        assert!(
            labels.iter().all(|&label| usize::from(label) < self.spec.classes),
            "labels below the classes"
        );
        // In the pool from here on, so that no phase waits to be handed over to it.
        rayon::scope(|_| {
            self.forward(network, batch);
            let logits = &mut self.logits[..n * self.spec.classes];
            let score = step.loss.take(logits, labels);
            self.sharing.shrink(logits);
            self.backward(network, batch, gradient);
            self.follow(network, n);
            score
        })
    }

    fn begin(&self, network: &Network, images: &[u8]) -> usize {
        assert_eq!(network.spec, self.spec, "the pass's own network");
        let n = images.len() / network.image_len();
        assert!(
            n * network.image_len() == images.len() && n <= self.capacity,
            "expected whole images, at most as many as the buffers hold"
        );
        n
    }

    /// Moves every batch norm's running statistics to the batch's.
    fn follow(&self, network: &mut Network, n: usize) {
        let n = if self.sharing.synchronised {
            n * self.sharing.ranks.count()
        } else {
            n
        };
        if let (Some(norm), Some(inner)) = (&mut network.stem.norm, &self.stem) {
            follow(norm, &inner.moments, n * self.stem_map.pixels());
        }
        for (b, block) in network.blocks.iter_mut().enumerate() {
            let features = &self.features[b];
            let count = n * features.map.pixels();
            for (layer, inner) in block.layers.iter_mut().zip(&self.inner[b]) {
                follow(&mut layer.norm1, &features.moments, count);
                if let (Some(norm2), Some(inner)) = (&mut layer.norm2, inner) {
                    follow(norm2, &inner.moments, count);
                }
            }
            if let Some(norm) = block
                .transition
                .as_mut()
                .and_then(|transition| transition.norm.as_mut())
            {
                follow(norm, &features.moments, count);
            }
        }
        if let (Some(norm), Some(last)) = (&mut network.final_norm, self.features.last()) {
            follow(norm, &last.moments, n * last.map.pixels());
        }
    }
}

fn active(norm: &BatchNorm, moments: &Moments, statistics: Statistics) -> Active {
    match statistics {
        Statistics::Batch => Active::batch(norm, moments),
        Statistics::Running => Active::running(norm),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Normalisation;

    #[test]
    fn threads_do_not_change_a_bit() {
        let spec = Spec::load("digits").unwrap();
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let mut network = Network::new(
                    &spec,
                    Normalisation {
                        mean: vec![5.0],
                        std: vec![6.0],
                    },
                    1,
                );
                let mut gradient = network.clone();
                let mut pass = Pass::training(&spec, 37);
                let images: Vec<u8> = (0..37 * 64u32).map(|i| (i * 31 % 17) as u8).collect();
                let labels: Vec<u16> = (0..37).map(|i| i % 10).collect();
                let step = Step {
                    images: &images,
                    labels: &labels,
                    key: 1,
                    ..Step::default()
                };
                pass.step(&mut network, step, &mut gradient);
                gradient
            })
        };
        let one = run(1);
        assert_eq!(one, run(2));
        assert_eq!(one, run(5));
    }
}
