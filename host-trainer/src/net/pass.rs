//! One batch through the network and back, in place on one buffer per block; belongs to `net`.
//!
//! A step is a sequence of phases. In each, jobs of a few pictures run side by side; between phases the jobs' sums are
//! added in the order of the jobs, so the result does not depend on the number of threads.

use super::dropout::Dropout;
use super::head::{self, Score};
use super::kernel::{PAD, dispatch, lanes, widest};
use super::memory::{Buffer, JOBS, Scratch, share, total, total_bias, total_weight};
use super::norm::{Active, Moments, Owed, Pull, follow};
use super::{BatchNorm, Conv, Network, conv1x1, conv3x3, stem, transition};
use crate::spec::{Map, Spec};
use rayon::prelude::*;

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

/// What a convolution in front of a batch norm of its own makes: a bottleneck, or the ImageNet form's stem.
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
    /// Gradients behind a batch norm of its own; in inference the bottleneck at hand.
    delta: Buffer,
    averages: Vec<f32>,
    logits: Vec<f32>,
    jobs: Vec<Scratch>,
    /// Jobs one thread takes at once: all where a phase is over before a second thread is awake.
    grain: usize,
}

/// Multiply-accumulates of a phase that are worth a second thread.
const PHASE: u64 = 1 << 21;

/// Which statistics batch norms use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Statistics {
    Batch,
    Running,
}

/// How one step differs from plain inference.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Decides the dropout masks; different for every step.
    pub key: u64,
    /// Share of the labels spread over all classes.
    pub smoothing: f32,
}

impl Pass {
    /// Buffers to train networks of `spec` with up to `capacity` pictures at once.
    pub fn training(spec: &Spec, capacity: usize) -> Self {
        Self::new(spec, capacity, true)
    }

    /// Buffers for inference with up to `capacity` pictures at once.
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
            spec: spec.clone(),
        }
    }

    /// Pictures a batch may have.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Inference-mode logits of raw pictures, `[picture][class]`.
    ///
    /// # Panics
    ///
    /// When `network` is not of this pass's spec or there are more pictures than its capacity.
    pub fn logits(&mut self, network: &Network, images: &[u8]) -> &[f32] {
        let n = self.begin(network, images);
        rayon::scope(|_| self.forward(network, images, n, Statistics::Running, 0));
        &self.logits[..n * self.spec.classes]
    }

    /// Forward, loss and backward with the batch's statistics: fills `gradient`, a network of the same shape, and
    /// moves the running statistics.
    ///
    /// # Panics
    ///
    /// As [`Pass::logits`], and when labels are missing or name no class.
    pub fn step(
        &mut self,
        network: &mut Network,
        images: &[u8],
        labels: &[u16],
        step: Step,
        gradient: &mut Network,
    ) -> Score {
        let n = self.begin(network, images);
        assert_eq!(labels.len(), n, "labels of {n} pictures");
        assert!(
            labels.iter().all(|&label| usize::from(label) < self.spec.classes),
            "labels below the classes"
        );
        // In the pool from here on, so that no phase waits to be handed over to it.
        rayon::scope(|_| {
            self.forward(network, images, n, Statistics::Batch, step.key);
            let logits = &mut self.logits[..n * self.spec.classes];
            let score = head::cross_entropy(logits, labels, step.smoothing);
            self.backward(network, images, n, step.key, gradient);
            self.follow(network, n);
            score
        })
    }

    fn begin(&self, network: &Network, images: &[u8]) -> usize {
        assert_eq!(network.spec, self.spec, "the pass's own network");
        let n = images.len() / network.image_len();
        assert!(
            n * network.image_len() == images.len() && n <= self.capacity,
            "whole pictures, not too many"
        );
        n
    }

    fn forward(&mut self, network: &Network, images: &[u8], n: usize, statistics: Statistics, key: u64) {
        self.stem_forward(network, images, n, statistics);
        let probability = if statistics == Statistics::Batch {
            self.spec.dropout
        } else {
            0.0
        };
        let mut place = 0;
        let mut dropout = || {
            place += 1;
            Dropout::new(probability, key, place)
        };
        for (b, block) in network.blocks.iter().enumerate() {
            let mut slot = self.features[b].channels
                - block
                    .layers
                    .iter()
                    .map(|layer| layer.conv2.outputs)
                    .sum::<usize>();
            for (l, layer) in block.layers.iter().enumerate() {
                let mut norm = active(&layer.norm1, &self.features[b].moments, statistics);
                let mut source = None;
                if let (Some(conv1), Some(norm2)) = (&layer.conv1, &layer.norm2) {
                    self.reduce((b, l), conv1, &norm, n, statistics, dropout());
                    let inner = self.inner[b][l].as_ref();
                    norm = inner.map_or(norm, |inner| active(norm2, &inner.moments, statistics));
                    source = Some(l);
                }
                self.append((b, source), &layer.conv2, &norm, n, slot, dropout());
                slot += layer.conv2.outputs;
            }
            if let Some(transition) = &block.transition {
                let norm = active(&transition.norm, &self.features[b].moments, statistics);
                self.shrink(b, &transition.conv, &norm, n, dropout());
            }
        }
        let Some(last) = self.features.last() else { return };
        let norm = network
            .final_norm
            .as_ref()
            .map(|norm| active(norm, &last.moments, statistics));
        let (channels, stride) = (last.channels, last.map.channels);
        let (share, grain) = (share(n), self.grain);
        let averages = &mut self.averages[..n * stride];
        last.values[..n * last.map.pixels() * stride]
            .par_chunks(share * last.map.pixels() * stride)
            .zip(averages.par_chunks_mut(share * stride))
            .with_min_len(grain)
            .with_max_len(grain)
            .for_each(|(x, to)| {
                dispatch(
                    widest(),
                    head::Average {
                        x,
                        map: last.map,
                        channels,
                        norm: norm.as_ref(),
                        to,
                    },
                );
            });
        head::linear(
            &network.head,
            averages,
            stride,
            &mut self.logits[..n * self.spec.classes],
        );
    }

    fn stem_forward(&mut self, network: &Network, images: &[u8], n: usize, statistics: Statistics) {
        let conv = &network.stem.conv;
        let lanes = lanes(conv.outputs);
        let weights = stem::forward_panels(conv, lanes);
        let walk = stem::Walk {
            input: self.spec.input,
            stem: self.spec.stem,
        };
        let (share, grain) = (share(n), self.grain);
        let jobs = &mut self.jobs[..n.div_ceil(share)];
        let Some(first) = self.features.first_mut() else {
            return;
        };
        let (to, map) = match &mut self.stem {
            Some(inner) => (&mut inner.values, self.stem_map),
            None => (&mut first.values, first.map),
        };
        let size = map.pixels() * map.channels;
        images
            .par_chunks(share * network.image_len())
            .zip(to[..n * size].par_chunks_mut(share * size))
            .zip(&mut *jobs)
            .with_min_len(grain)
            .with_max_len(grain)
            .for_each(|((images, to), scratch)| {
                let (normal, bias, weights) = (&network.input, conv.bias.as_deref(), &weights);
                dispatch(
                    lanes,
                    stem::Forward {
                        images,
                        normal,
                        walk,
                        weights,
                        bias,
                        to,
                        map,
                        scratch,
                    },
                );
            });
        let count = n * map.pixels();
        let (Some(inner), Some(norm)) = (&mut self.stem, &network.stem.norm) else {
            first.moments.take(0, jobs, count);
            return;
        };
        inner.moments.take(0, jobs, count);
        let norm = active(norm, &inner.moments, statistics);
        let to_size = first.map.pixels() * first.map.channels;
        inner.values[..n * size]
            .par_chunks(share * size)
            .zip(first.values[..n * to_size].par_chunks_mut(share * to_size))
            .zip(&mut *jobs)
            .with_min_len(grain)
            .with_max_len(grain)
            .for_each(|((from, to), scratch)| stem::pool(&norm, from, map, to, first.map, scratch));
        first.moments.take(0, jobs, n * first.map.pixels());
    }

    /// A layer's 1x1 convolution.
    fn reduce(
        &mut self,
        (b, l): (usize, usize),
        conv: &Conv,
        norm: &Active,
        n: usize,
        statistics: Statistics,
        dropout: Option<Dropout>,
    ) {
        let Some(inner) = &mut self.inner[b][l] else {
            return;
        };
        let features = &self.features[b];
        let (pixels, stride, outputs) = (features.map.pixels(), features.map.channels, inner.channels);
        let inner_size = pixels * inner.stride();
        let lanes = lanes(outputs);
        let weights = conv1x1::forward_panels(conv, lanes);
        let (share, grain) = (share(n), self.grain);
        let jobs = &mut self.jobs[..n.div_ceil(share)];
        let z = if inner.values.is_empty() {
            &mut self.delta
        } else {
            &mut inner.values
        };
        features.values[..n * pixels * stride]
            .par_chunks(share * pixels * stride)
            .zip(z[..n * inner_size].par_chunks_mut(share * inner_size))
            .zip(&mut *jobs)
            .enumerate()
            .with_min_len(grain)
            .with_max_len(grain)
            .for_each(|(job, ((x, z), scratch))| {
                let finish = conv1x1::Finish {
                    bias: conv.bias.as_deref(),
                    dropout,
                };
                let (weights, first) = (&weights, job * share * pixels);
                dispatch(
                    lanes,
                    conv1x1::Forward {
                        x,
                        stride,
                        norm,
                        weights,
                        finish,
                        z,
                        outputs,
                        first,
                        scratch,
                    },
                );
            });
        if statistics == Statistics::Batch {
            inner.moments.take(0, jobs, n * pixels);
        }
    }

    /// A layer's 3x3 convolution, which reads a bottleneck or the block itself.
    fn append(
        &mut self,
        (b, source): (usize, Option<usize>),
        conv: &Conv,
        norm: &Active,
        n: usize,
        slot: usize,
        dropout: Option<Dropout>,
    ) {
        let features = &mut self.features[b];
        let map = features.map;
        let (pixels, stride) = (map.pixels(), map.channels);
        let lanes = lanes(conv.outputs);
        let weights = conv3x3::forward_panels(conv, lanes);
        let (share, grain) = (share(n), self.grain);
        let jobs = &mut self.jobs[..n.div_ceil(share)];
        let z = source.and_then(|l| self.inner[b][l].as_ref()).map(|inner| {
            let values = if inner.values.is_empty() {
                &self.delta
            } else {
                &inner.values
            };
            (values, share * pixels * inner.stride())
        });
        features.values[..n * pixels * stride]
            .par_chunks_mut(share * pixels * stride)
            .zip(&mut *jobs)
            .enumerate()
            .with_min_len(grain)
            .with_max_len(grain)
            .for_each(|(job, (x, scratch))| {
                dispatch(
                    lanes,
                    conv3x3::Forward {
                        source: z.map(|(values, size)| &values[job * size..]),
                        x,
                        map,
                        slot,
                        outputs: conv.outputs,
                        kernel_height: conv.kernel_height,
                        norm,
                        weights: &weights,
                        finish: conv1x1::Finish {
                            bias: conv.bias.as_deref(),
                            dropout,
                        },
                        first: job * share * pixels,
                        scratch,
                    },
                );
            });
        features.moments.take(slot, jobs, n * pixels);
    }

    /// A transition, from block `b` to the next buffer.
    fn shrink(&mut self, b: usize, conv: &Conv, norm: &Active, n: usize, dropout: Option<Dropout>) {
        let (before, after) = self.features.split_at_mut(b + 1);
        let (from, next) = (&before[b], &mut after[0]);
        let (map, next_map) = (from.map, next.map);
        let (size, next_size) = (map.pixels() * map.channels, next_map.pixels() * next_map.channels);
        let lanes = lanes(conv.outputs);
        let weights = conv1x1::forward_panels(conv, lanes);
        let (share, grain) = (share(n), self.grain);
        let jobs = &mut self.jobs[..n.div_ceil(share)];
        from.values[..n * size]
            .par_chunks(share * size)
            .zip(next.values[..n * next_size].par_chunks_mut(share * next_size))
            .zip(&mut *jobs)
            .enumerate()
            .with_min_len(grain)
            .with_max_len(grain)
            .for_each(|(job, ((x, to), scratch))| {
                dispatch(
                    lanes,
                    transition::Forward {
                        x,
                        map,
                        norm,
                        weights: &weights,
                        finish: conv1x1::Finish {
                            bias: conv.bias.as_deref(),
                            dropout,
                        },
                        next: to,
                        next_map,
                        outputs: conv.outputs,
                        first: job * share * next_map.pixels(),
                        scratch,
                    },
                );
            });
        next.moments.take(0, jobs, n * next_map.pixels());
    }

    /// Gradients of every tensor, from those of the logits.
    fn backward(&mut self, network: &Network, images: &[u8], n: usize, key: u64, gradient: &mut Network) {
        for features in &mut self.features {
            features.pull.clear();
        }
        self.head_backward(network, n, gradient);
        // Places count backwards what the forward pass counted.
        let count = |block: &super::Block| {
            block
                .layers
                .iter()
                .map(|layer| 1 + usize::from(layer.conv1.is_some()))
                .sum::<usize>()
                + usize::from(block.transition.is_some())
        };
        let places: usize = network.blocks.iter().map(count).sum();
        let probability = self.spec.dropout;
        let mut drops = (1..=places)
            .rev()
            .map(|place| Dropout::new(probability, key, place));
        for (b, block) in network.blocks.iter().enumerate().rev() {
            if let Some(transition) = &block.transition {
                let drop = drops.next().flatten();
                self.grow(b, transition, n, drop, &mut gradient.blocks[b]);
            }
            let mut slot = self.features[b].channels;
            for (l, layer) in block.layers.iter().enumerate().rev() {
                slot -= layer.conv2.outputs;
                let to = &mut gradient.blocks[b].layers[l];
                let drop = drops.next().flatten();
                if let (Some(conv1), Some(norm2)) = (&layer.conv1, &layer.norm2) {
                    let owed = self.append_backward((b, Some(l)), (&layer.conv2, norm2), n, slot, drop, to);
                    let drop = drops.next().flatten();
                    self.reduce_backward((b, l), (conv1, &layer.norm1, norm2), n, &owed, drop, to);
                } else {
                    self.append_backward((b, None), (&layer.conv2, &layer.norm1), n, slot, drop, to);
                }
            }
        }
        self.stem_backward(network, images, n, gradient);
    }

    fn head_backward(&mut self, network: &Network, n: usize, gradient: &mut Network) {
        let Some(last) = self.features.last_mut() else {
            return;
        };
        let (map, channels, stride) = (last.map, last.channels, last.map.channels);
        let averages = &self.averages[..n * stride];
        let logits = &self.logits[..n * self.spec.classes];
        let back = head::linear_back(&network.head, averages, stride, logits, &mut gradient.head);
        let norm = network
            .final_norm
            .as_ref()
            .map(|norm| Active::batch(norm, &last.moments));
        let (share, grain) = (share(n), self.grain);
        let jobs = &mut self.jobs[..n.div_ceil(share)];
        let size = map.pixels() * stride;
        last.values[..n * size]
            .par_chunks(share * size)
            .zip(last.gradients[..n * size].par_chunks_mut(share * size))
            .zip(back.par_chunks(share * stride))
            .zip(&mut *jobs)
            .with_min_len(grain)
            .with_max_len(grain)
            .for_each(|(((x, g), from), scratch)| {
                dispatch(
                    widest(),
                    head::Spread {
                        x,
                        g,
                        map,
                        channels,
                        norm: norm.as_ref(),
                        from,
                        scratch,
                    },
                );
            });
        if let (Some(norm), Some(to)) = (&norm, &mut gradient.final_norm) {
            last.pull.take(norm, jobs, n * map.pixels(), to);
        }
    }

    /// The gradient of [`Pass::append`]; what the bottleneck's statistics owe, if it has one.
    fn append_backward(
        &mut self,
        (b, source): (usize, Option<usize>),
        (conv, norm): (&Conv, &BatchNorm),
        n: usize,
        slot: usize,
        dropout: Option<Dropout>,
        to: &mut super::Layer,
    ) -> Owed {
        let features = &mut self.features[b];
        let map = features.map;
        let (pixels, size) = (map.pixels(), map.pixels() * map.channels);
        let inner = source.and_then(|l| self.inner[b][l].as_ref());
        let norm = Active::batch(norm, inner.map_or(&features.moments, |inner| &inner.moments));
        let lanes = lanes(conv.inputs);
        let weights = conv3x3::backward_panels(conv, lanes);
        let owed = features.pull.owed(&features.moments, slot, conv.outputs);
        let (share, grain) = (share(n), self.grain);
        let jobs = &mut self.jobs[..n.div_ceil(share)];
        let inner_size = pixels * conv.inputs.next_multiple_of(PAD);
        let sinks: Vec<conv3x3::Sink<'_>> = match inner {
            Some(inner) => inner.values[..n * inner_size]
                .chunks(share * inner_size)
                .zip(self.delta[..n * inner_size].chunks_mut(share * inner_size))
                .map(|(z, d)| conv3x3::Sink::Bottleneck(z, d))
                .collect(),
            None => jobs.iter().map(|_| conv3x3::Sink::Block).collect(),
        };
        features.values[..n * size]
            .par_chunks(share * size)
            .zip(features.gradients[..n * size].par_chunks_mut(share * size))
            .zip(sinks)
            .zip(&mut *jobs)
            .enumerate()
            .with_min_len(grain)
            .with_max_len(grain)
            .for_each(|(job, (((x, g), sink), scratch))| {
                dispatch(
                    lanes,
                    conv3x3::Backward {
                        sink,
                        x,
                        g,
                        map,
                        slot,
                        outputs: conv.outputs,
                        kernel_height: conv.kernel_height,
                        norm: &norm,
                        owed: &owed,
                        dropout,
                        has_bias: conv.bias.is_some(),
                        weights: &weights,
                        first: job * share * pixels,
                        scratch,
                    },
                );
            });
        let count = n * pixels;
        let owed = match (inner, &mut to.norm2) {
            (Some(inner), Some(norm2)) => {
                let (firsts, seconds) = (total(jobs, 0), total(jobs, 1));
                for (c, (first, second)) in firsts.iter().zip(&seconds).enumerate() {
                    norm2.beta[c] = *first as f32;
                    norm2.gamma[c] = (second * f64::from(norm.inverse[c])) as f32;
                }
                conv1x1::owed(&norm, &inner.moments, [&firsts, &seconds], count)
            }
            _ => {
                features.pull.take(&norm, jobs, count, &mut to.norm1);
                owed
            }
        };
        let sums = total_weight(jobs, conv.taps() * conv.outputs * weights.width);
        conv3x3::turn_gradient(&mut to.conv2, sums, weights.width);
        if let Some(bias) = &mut to.conv2.bias {
            total_bias(jobs, bias);
        }
        owed
    }

    /// The gradient of [`Pass::reduce`].
    fn reduce_backward(
        &mut self,
        (b, l): (usize, usize),
        (conv, norm1, norm2): (&Conv, &BatchNorm, &BatchNorm),
        n: usize,
        owed: &Owed,
        dropout: Option<Dropout>,
        to: &mut super::Layer,
    ) {
        let (Some(inner), Some(conv_to)) = (&self.inner[b][l], &mut to.conv1) else {
            return;
        };
        let features = &mut self.features[b];
        let (pixels, stride, outputs) = (features.map.pixels(), features.map.channels, inner.channels);
        let norm = Active::batch(norm1, &features.moments);
        let scale = Active::batch(norm2, &inner.moments).scale;
        let lanes = lanes(outputs);
        let weights = conv1x1::backward_panels(conv, lanes);
        let (share, grain) = (share(n), self.grain);
        let jobs = &mut self.jobs[..n.div_ceil(share)];
        let (size, inner_size) = (pixels * stride, pixels * inner.stride());
        features.values[..n * size]
            .par_chunks(share * size)
            .zip(features.gradients[..n * size].par_chunks_mut(share * size))
            .zip(inner.values[..n * inner_size].par_chunks(share * inner_size))
            .zip(self.delta[..n * inner_size].par_chunks(share * inner_size))
            .zip(&mut *jobs)
            .enumerate()
            .with_min_len(grain)
            .with_max_len(grain)
            .for_each(|(job, ((((x, g), z), d), scratch))| {
                dispatch(
                    lanes,
                    conv1x1::Backward {
                        x,
                        g,
                        stride,
                        norm: &norm,
                        z,
                        d,
                        owed,
                        scale: &scale,
                        dropout,
                        has_bias: conv.bias.is_some(),
                        weights: &weights,
                        first: job * share * pixels,
                        scratch,
                    },
                );
            });
        features.pull.take(&norm, jobs, n * pixels, &mut to.norm1);
        take_1x1(jobs, conv_to, lanes);
    }

    /// The gradient of [`Pass::shrink`].
    fn grow(
        &mut self,
        b: usize,
        transition: &super::Transition,
        n: usize,
        dropout: Option<Dropout>,
        to: &mut super::Block,
    ) {
        let Some(to) = &mut to.transition else { return };
        let conv = &transition.conv;
        let (before, after) = self.features.split_at_mut(b + 1);
        let (from, next) = (&mut before[b], &after[0]);
        let (map, next_map) = (from.map, next.map);
        let (size, next_size) = (map.pixels() * map.channels, next_map.pixels() * next_map.channels);
        let norm = Active::batch(&transition.norm, &from.moments);
        let owed = next.pull.owed(&next.moments, 0, conv.outputs);
        let lanes = lanes(conv.outputs);
        let weights = conv1x1::backward_panels(conv, lanes);
        let (share, grain) = (share(n), self.grain);
        let jobs = &mut self.jobs[..n.div_ceil(share)];
        from.values[..n * size]
            .par_chunks(share * size)
            .zip(from.gradients[..n * size].par_chunks_mut(share * size))
            .zip(next.values[..n * next_size].par_chunks(share * next_size))
            .zip(next.gradients[..n * next_size].par_chunks(share * next_size))
            .zip(&mut *jobs)
            .enumerate()
            .with_min_len(grain)
            .with_max_len(grain)
            .for_each(|(job, ((((x, g), next), next_g), scratch))| {
                dispatch(
                    lanes,
                    transition::Backward {
                        x,
                        g,
                        map,
                        norm: &norm,
                        next,
                        next_g,
                        next_map,
                        owed: &owed,
                        dropout,
                        has_bias: conv.bias.is_some(),
                        weights: &weights,
                        first: job * share * next_map.pixels(),
                        scratch,
                    },
                );
            });
        from.pull.take(&norm, jobs, n * map.pixels(), &mut to.norm);
        take_1x1(jobs, &mut to.conv, lanes);
    }

    fn stem_backward(&mut self, network: &Network, images: &[u8], n: usize, gradient: &mut Network) {
        let Some(first) = self.features.first() else {
            return;
        };
        let filters = network.stem.conv.outputs;
        let (share, grain) = (share(n), self.grain);
        let jobs = &mut self.jobs[..n.div_ceil(share)];
        let mut owed = first.pull.owed(&first.moments, 0, filters);
        let mut scale = None;
        let (mut map, mut x, mut g) = (first.map, &first.values, &first.gradients);
        if let (Some(inner), Some(norm), Some(to)) = (&self.stem, &network.stem.norm, &mut gradient.stem.norm)
        {
            let norm = Active::batch(norm, &inner.moments);
            let size = self.stem_map.pixels() * self.stem_map.channels;
            let pooled = map.pixels() * map.channels;
            inner.values[..n * size]
                .par_chunks(share * size)
                .zip(self.delta[..n * size].par_chunks_mut(share * size))
                .zip(x[..n * pooled].par_chunks(share * pooled))
                .zip(g[..n * pooled].par_chunks(share * pooled))
                .zip(&mut *jobs)
                .with_min_len(grain)
                .with_max_len(grain)
                .for_each(|((((from, d), x), g), scratch)| {
                    stem::unpool(&norm, from, self.stem_map, d, (x, g), map, &owed, scratch);
                });
            let count = n * self.stem_map.pixels();
            let (firsts, seconds) = (total(jobs, 0), total(jobs, 1));
            Pull::new(filters).take(&norm, jobs, count, to);
            owed = conv1x1::owed(&norm, &inner.moments, [&firsts, &seconds], count);
            scale = Some(norm.scale);
            (map, x, g) = (self.stem_map, &inner.values, &self.delta);
        }
        let walk = stem::Walk {
            input: self.spec.input,
            stem: self.spec.stem,
        };
        let to = &mut gradient.stem.conv;
        let lanes = lanes(filters);
        let size = map.pixels() * map.channels;
        images
            .par_chunks(share * network.image_len())
            .zip(x[..n * size].par_chunks(share * size))
            .zip(g[..n * size].par_chunks(share * size))
            .zip(&mut *jobs)
            .with_min_len(grain)
            .with_max_len(grain)
            .for_each(|(((images, x), g), scratch)| {
                dispatch(
                    lanes,
                    stem::Backward {
                        images,
                        normal: &network.input,
                        walk,
                        x,
                        g,
                        map,
                        owed: &owed,
                        scale: scale.as_deref(),
                        has_bias: to.bias.is_some(),
                        scratch,
                    },
                );
            });
        let width = filters.next_multiple_of(lanes);
        let sums = total_weight(jobs, to.taps() * to.inputs * width);
        stem::turn_gradient(to, sums, width);
        if let Some(bias) = &mut to.bias {
            total_bias(jobs, bias);
        }
    }

    /// Moves every batch norm's running statistics to the batch's.
    fn follow(&self, network: &mut Network, n: usize) {
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
            if let Some(transition) = &mut block.transition {
                follow(&mut transition.norm, &features.moments, count);
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

/// Copies a 1x1 convolution's gradients, summed as `[i][o]` with padded rows, to the order of its weights.
fn take_1x1(jobs: &mut [Scratch], to: &mut Conv, lanes: usize) {
    let width = to.outputs.next_multiple_of(lanes);
    let sums = total_weight(jobs, to.inputs * width);
    for (i, row) in sums.chunks_exact(width).enumerate() {
        for (o, value) in row.iter().take(to.outputs).enumerate() {
            to.weight[o * to.inputs + i] = *value;
        }
    }
    if let Some(bias) = &mut to.bias {
        total_bias(jobs, bias);
    }
}
