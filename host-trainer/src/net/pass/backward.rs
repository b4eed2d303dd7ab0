//! The way back: from the gradients of logits to those of every tensor.

use super::{Batch, Pass, Site};
use crate::net::dropout::Dropout;
use crate::net::memory::{Scratch, Totals, share, total_bias, total_weight};
use crate::net::norm::{Active, Owed, differentiate};
use crate::net::simd::{PAD, dispatch, lanes, widest};
use crate::net::{Block, Conv, Layer, Network, Transition, conv1x1, conv3x3, head, stem, transition};
use rayon::prelude::*;

impl Pass {
    /// Gradients of every tensor, from those of the logits.
    pub(super) fn backward(&mut self, network: &Network, batch: Batch<'_>, gradient: &mut Network) {
        let Batch { images, n, key, .. } = batch;
        for features in &mut self.features {
            features.pull.clear();
        }
        self.head_backward(network, n, gradient);
        // Places count backwards what the forward pass counted.
        let count = |block: &Block| {
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
                let site = Site {
                    block: b,
                    bottleneck: None,
                    slot: 0,
                    n,
                    dropout: drops.next().flatten(),
                };
                self.grow(site, transition, &mut gradient.blocks[b]);
            }
            let mut slot = self.features[b].channels;
            for (l, layer) in block.layers.iter().enumerate().rev() {
                slot -= layer.conv2.outputs;
                let to = &mut gradient.blocks[b].layers[l];
                let mut site = Site {
                    block: b,
                    bottleneck: layer.norm2.is_some().then_some(l),
                    slot,
                    n,
                    dropout: drops.next().flatten(),
                };
                let owed = self.append_backward(site, layer, to);
                if site.bottleneck.is_some() {
                    site.dropout = drops.next().flatten();
                    self.reduce_backward(site, layer, &owed, to);
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
            let totals = Totals::new(jobs, n * map.pixels());
            last.pull.take(norm, totals, &self.sharing, to);
        }
    }

    /// The gradient of [`Pass::append`]; what the bottleneck's statistics owe, if it has one.
    fn append_backward(&mut self, site: Site, layer: &Layer, to: &mut Layer) -> Owed {
        let Site {
            block: b,
            bottleneck,
            slot,
            n,
            dropout,
        } = site;
        let (conv, norm) = (&layer.conv2, layer.norm2.as_ref().unwrap_or(&layer.norm1));
        let features = &mut self.features[b];
        let map = features.map;
        let (pixels, size) = (map.pixels(), map.pixels() * map.channels);
        let inner = bottleneck.and_then(|l| self.inner[b][l].as_ref());
        let norm = Active::batch(norm, inner.map_or(&features.moments, |inner| &inner.moments));
        let lanes = lanes(conv.inputs);
        let weights = conv3x3::backward_panels(conv, lanes);
        let owed = features.pull.owed(&features.moments, slot, conv.outputs);
        let (share, grain) = (share(n), self.grain);
        let jobs = &mut self.jobs[..n.div_ceil(share)];
        let start = self.sharing.first(n);
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
                        first: (start + job * share) * pixels,
                        scratch,
                    },
                );
            });
        let totals = Totals::new(jobs, n * pixels);
        let owed = match (inner, &mut to.norm2) {
            (Some(inner), Some(norm2)) => {
                differentiate(&norm, &totals, norm2);
                conv1x1::owed(&norm, &inner.moments, &totals.shared(&self.sharing))
            }
            _ => {
                features.pull.take(&norm, totals, &self.sharing, &mut to.norm1);
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
    fn reduce_backward(&mut self, site: Site, layer: &Layer, owed: &Owed, to: &mut Layer) {
        let Site {
            block: b, n, dropout, ..
        } = site;
        let inner = site.bottleneck.and_then(|l| self.inner[b][l].as_ref());
        let (Some(inner), Some(conv), Some(norm2)) = (inner, &layer.conv1, &layer.norm2) else {
            return;
        };
        let Some(conv_to) = &mut to.conv1 else { return };
        let norm1 = &layer.norm1;
        let features = &mut self.features[b];
        let (pixels, stride, outputs) = (features.map.pixels(), features.map.channels, inner.channels);
        let norm = Active::batch(norm1, &features.moments);
        let scale = Active::batch(norm2, &inner.moments).scale;
        let lanes = lanes(outputs);
        let weights = conv1x1::backward_panels(conv, lanes);
        let (share, grain) = (share(n), self.grain);
        let jobs = &mut self.jobs[..n.div_ceil(share)];
        let start = self.sharing.first(n);
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
                        first: (start + job * share) * pixels,
                        scratch,
                    },
                );
            });
        let totals = Totals::new(jobs, n * pixels);
        features.pull.take(&norm, totals, &self.sharing, &mut to.norm1);
        take_1x1(jobs, conv_to, lanes);
    }

    /// The gradient of [`Pass::shrink`].
    fn grow(&mut self, site: Site, transition: &Transition, to: &mut Block) {
        let Site {
            block: b, n, dropout, ..
        } = site;
        let Some(to) = &mut to.transition else { return };
        let conv = &transition.conv;
        let (before, after) = self.features.split_at_mut(b + 1);
        let (from, next) = (&mut before[b], &after[0]);
        let (map, next_map) = (from.map, next.map);
        let (size, next_size) = (map.pixels() * map.channels, next_map.pixels() * next_map.channels);
        let norm = transition.norm.as_ref().map_or_else(
            || Active::pass(from.channels),
            |norm| Active::batch(norm, &from.moments),
        );
        let owed = next.pull.owed(&next.moments, 0, conv.outputs);
        let lanes = lanes(conv.outputs);
        let weights = conv1x1::backward_panels(conv, lanes);
        let (share, grain) = (share(n), self.grain);
        let jobs = &mut self.jobs[..n.div_ceil(share)];
        let start = self.sharing.first(n);
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
                        first: (start + job * share) * next_map.pixels(),
                        scratch,
                    },
                );
            });
        let totals = Totals::new(jobs, n * map.pixels());
        if let Some(to) = &mut to.norm {
            from.pull.take(&norm, totals, &self.sharing, to);
        }
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
            let pool = network.spec.stem.pooling();
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
                    let unpool = stem::Unpool {
                        norm: &norm,
                        pool,
                        from,
                        map: self.stem_map,
                        x,
                        g,
                        to_map: map,
                        owed: &owed,
                    };
                    unpool.run(d, scratch);
                });
            let totals = Totals::new(jobs, n * self.stem_map.pixels());
            differentiate(&norm, &totals, to);
            owed = conv1x1::owed(&norm, &inner.moments, &totals.shared(&self.sharing));
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
