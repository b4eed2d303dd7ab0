//! The way there: from bytes to logits.

use super::{Batch, Pass, Site, Statistics, active};
use crate::net::dropout::Dropout;
use crate::net::memory::{Scratch, Totals, share};
use crate::net::norm::{Active, Moments};
use crate::net::simd::{dispatch, lanes, widest};
use crate::net::{Conv, Network, conv1x1, conv3x3, head, stem, transition};
use crate::spec::Map;
use rayon::prelude::*;

impl Pass {
    pub(super) fn forward(&mut self, network: &Network, batch: Batch<'_>) {
        let Batch {
            n, statistics, key, ..
        } = batch;
        self.stem_forward(network, batch);
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
                let mut site = Site {
                    block: b,
                    bottleneck: None,
                    slot,
                    n,
                    dropout: dropout(),
                };
                if let (Some(conv1), Some(norm2)) = (&layer.conv1, &layer.norm2) {
                    site.bottleneck = Some(l);
                    self.reduce(site, conv1, &norm, statistics);
                    let inner = self.inner[b][l].as_ref();
                    norm = inner.map_or(norm, |inner| active(norm2, &inner.moments, statistics));
                    site.dropout = dropout();
                }
                self.append(site, &layer.conv2, &norm, statistics);
                slot += layer.conv2.outputs;
            }
            if let Some(transition) = &block.transition {
                let from = &self.features[b];
                let norm = transition.norm.as_ref().map_or_else(
                    || Active::pass(from.channels),
                    |norm| active(norm, &from.moments, statistics),
                );
                let site = Site {
                    block: b,
                    bottleneck: None,
                    slot: 0,
                    n,
                    dropout: dropout(),
                };
                self.shrink(site, &transition.conv, &norm, statistics);
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

    fn stem_forward(&mut self, network: &Network, batch: Batch<'_>) {
        let Batch {
            images,
            n,
            statistics,
            ..
        } = batch;
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
        let take = |moments: &mut Moments, jobs: &[Scratch], map: Map| {
            if statistics == Statistics::Batch {
                moments.take(0, &Totals::new(jobs, n * map.pixels()).shared(&self.sharing));
            }
        };
        let (Some(inner), Some(norm)) = (&mut self.stem, &network.stem.norm) else {
            take(&mut first.moments, jobs, map);
            return;
        };
        take(&mut inner.moments, jobs, map);
        let norm = active(norm, &inner.moments, statistics);
        let pool = network.spec.stem.pooling();
        let to_size = first.map.pixels() * first.map.channels;
        inner.values[..n * size]
            .par_chunks(share * size)
            .zip(first.values[..n * to_size].par_chunks_mut(share * to_size))
            .zip(&mut *jobs)
            .with_min_len(grain)
            .with_max_len(grain)
            .for_each(|((from, to), scratch)| stem::pool(&norm, pool, (from, map), (to, first.map), scratch));
        take(&mut first.moments, jobs, first.map);
    }

    /// A layer's 1x1 convolution.
    fn reduce(&mut self, site: Site, conv: &Conv, norm: &Active, statistics: Statistics) {
        let Site {
            block: b, n, dropout, ..
        } = site;
        let inner = site.bottleneck.and_then(|l| self.inner[b][l].as_mut());
        let Some(inner) = inner else { return };
        let features = &self.features[b];
        let (pixels, stride, outputs) = (features.map.pixels(), features.map.channels, inner.channels);
        let inner_size = pixels * inner.stride();
        let lanes = lanes(outputs);
        let weights = conv1x1::forward_panels(conv, lanes);
        let (share, grain) = (share(n), self.grain);
        let jobs = &mut self.jobs[..n.div_ceil(share)];
        let start = self.sharing.first(n);
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
                let (weights, first) = (&weights, (start + job * share) * pixels);
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
            inner
                .moments
                .take(0, &Totals::new(jobs, n * pixels).shared(&self.sharing));
        }
    }

    /// A layer's 3x3 convolution, which reads a bottleneck or the block itself.
    fn append(&mut self, site: Site, conv: &Conv, norm: &Active, statistics: Statistics) {
        let Site {
            block: b,
            bottleneck,
            slot,
            n,
            dropout,
        } = site;
        let features = &mut self.features[b];
        let map = features.map;
        let (pixels, stride) = (map.pixels(), map.channels);
        let lanes = lanes(conv.outputs);
        let weights = conv3x3::forward_panels(conv, lanes);
        let (share, grain) = (share(n), self.grain);
        let jobs = &mut self.jobs[..n.div_ceil(share)];
        let start = self.sharing.first(n);
        let z = bottleneck.and_then(|l| self.inner[b][l].as_ref()).map(|inner| {
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
                        first: (start + job * share) * pixels,
                        scratch,
                    },
                );
            });
        if statistics == Statistics::Batch {
            let totals = Totals::new(jobs, n * pixels).shared(&self.sharing);
            features.moments.take(slot, &totals);
        }
    }

    /// A transition, from block `b` to the next buffer.
    fn shrink(&mut self, site: Site, conv: &Conv, norm: &Active, statistics: Statistics) {
        let Site {
            block: b, n, dropout, ..
        } = site;
        let (before, after) = self.features.split_at_mut(b + 1);
        let (from, next) = (&before[b], &mut after[0]);
        let (map, next_map) = (from.map, next.map);
        let (size, next_size) = (map.pixels() * map.channels, next_map.pixels() * next_map.channels);
        let lanes = lanes(conv.outputs);
        let weights = conv1x1::forward_panels(conv, lanes);
        let (share, grain) = (share(n), self.grain);
        let jobs = &mut self.jobs[..n.div_ceil(share)];
        let start = self.sharing.first(n);
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
                        first: (start + job * share) * next_map.pixels(),
                        scratch,
                    },
                );
            });
        if statistics == Statistics::Batch {
            let totals = Totals::new(jobs, n * next_map.pixels()).shared(&self.sharing);
            next.moments.take(0, &totals);
        }
    }
}
