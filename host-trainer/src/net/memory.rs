//! Buffers of the training pass and what each of its jobs works in.

use super::ranks::Sharing;
use super::simd::PAD;
use core::ops::{Deref, DerefMut};

/// Jobs a batch is cut into. Fixed, so that sums are added in the same order whatever the number of threads.
pub(super) const JOBS: usize = 16;

/// Images of one job of a batch of `n`.
pub(super) fn share(n: usize) -> usize {
    n.div_ceil(JOBS).max(1)
}

/// Floats per cache line.
const LINE: usize = 16;

/// Floats that start at a cache line: vectors of a pixel's channels then cross as few lines as can be.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    values: Vec<f32>,
    start: usize,
}

impl Buffer {
    /// `len` zeros.
    pub(super) fn new(len: usize) -> Self {
        let values = vec![0.0; if len == 0 { 0 } else { len + LINE }];
        let start = values.as_ptr().align_offset(LINE * size_of::<f32>());
        Self {
            start: if start < LINE { start } else { 0 },
            values,
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        if self.values.is_empty() {
            return &[];
        }
        &self.values[self.start..self.values.len() - (LINE - self.start)]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        if self.values.is_empty() {
            return &mut [];
        }
        let end = self.values.len() - (LINE - self.start);
        &mut self.values[self.start..end]
    }
}

/// A workspace that grows to what is asked of it and keeps whatever it held.
#[derive(Debug, Default)]
pub(super) struct Room {
    buffer: Buffer,
}

impl Room {
    /// `len` floats of any value.
    pub(super) fn get(&mut self, len: usize) -> &mut [f32] {
        if self.buffer.len() < len {
            self.buffer = Buffer::new(len);
        }
        &mut self.buffer[..len]
    }

    /// `len` zeros.
    pub(super) fn zeros(&mut self, len: usize) -> &mut [f32] {
        let room = self.get(len);
        room.fill(0.0);
        room
    }

    /// What was written there.
    pub(super) fn written(&self, len: usize) -> &[f32] {
        &self.buffer[..len]
    }
}

/// Two sums per channel, in single precision for one image and in double precision for a job.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// Of the image at hand, padded.
    pub(super) near: [Vec<f32>; 2],
    /// Of the job.
    pub(super) far: [Vec<f64>; 2],
}

impl Sums {
    /// All zero, for `channels` channels.
    pub(super) fn start(&mut self, channels: usize) {
        for (near, far) in self.near.iter_mut().zip(&mut self.far) {
            near.clear();
            near.resize(channels.next_multiple_of(PAD), 0.0);
            far.clear();
            far.resize(channels, 0.0);
        }
    }

    /// Moves the image's sums into the job's.
    pub(super) fn fold(&mut self) {
        for (near, far) in self.near.iter_mut().zip(&mut self.far) {
            for (near, far) in near.iter_mut().zip(far) {
                *far += f64::from(*near);
                *near = 0.0;
            }
        }
    }
}

/// What one job works in.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Left-hand tile.
    pub(super) a: Room,
    /// Right-hand tile.
    pub(super) b: Room,
    /// Product tile.
    pub(super) c: Room,
    /// Rows with a zero frame.
    pub(super) frame: Room,
    /// Weight gradients of the job.
    pub(super) weight: Room,
    /// Bias gradients of the job.
    pub(super) bias: Vec<f32>,
    /// Channel sums of the job.
    pub(super) sums: Sums,
}

/// Two sums per channel over the values of a batch.
#[derive(Debug)]
pub(super) struct Totals {
    pub(super) sums: [Vec<f64>; 2],
    /// Values of a channel.
    pub(super) count: usize,
}

impl Totals {
    /// Adds the jobs' sums over `count` values, first job first.
    pub(super) fn new(jobs: &[Scratch], count: usize) -> Self {
        let total = |which: usize| {
            let mut sums = vec![0.0; jobs.first().map_or(0, |job| job.sums.far[which].len())];
            for job in jobs {
                for (sum, value) in sums.iter_mut().zip(&job.sums.far[which]) {
                    *sum += value;
                }
            }
            sums
        };
        Self {
            sums: [total(0), total(1)],
            count,
        }
    }

    /// Of the whole batch where its statistics are synchronised; of this rank's images otherwise.
    pub(super) fn shared(mut self, sharing: &Sharing) -> Self {
        if sharing.synchronised {
            let mut both = self.sums.concat();
            sharing.ranks.sum(&mut both);
            let seconds = both.split_off(self.sums[0].len());
            self.sums = [both, seconds];
            self.count *= sharing.ranks.count();
        }
        self
    }
}

/// Adds the jobs' weight gradients of `len` floats, first job first, into the first job's.
pub(super) fn total_weight(jobs: &mut [Scratch], len: usize) -> &[f32] {
    let Some((first, rest)) = jobs.split_first_mut() else {
        return &[];
    };
    let sums = first.weight.get(len);
    for job in rest {
        for (sum, value) in sums.iter_mut().zip(job.weight.written(len)) {
            *sum += value;
        }
    }
    sums
}

/// Adds the jobs' bias gradients, first job first.
pub(super) fn total_bias(jobs: &[Scratch], to: &mut [f32]) {
    to.fill(0.0);
    for job in jobs {
        for (sum, value) in to.iter_mut().zip(&job.bias) {
            *sum += value;
        }
    }
}

/// Cuts `total` pixels into runs of similar length, at most `most`: their starts and lengths.
pub(super) fn runs(total: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = total.div_ceil(most).max(1);
    (0..count).map(move |at| {
        let start = at * total / count;
        (start, (at + 1) * total / count - start)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cover_everything_once() {
        for total in [1, 49, 64, 65, 784, 1024] {
            let list: Vec<_> = runs(total, 64).collect();
            assert!(list.iter().all(|&(_, len)| len > 0 && len <= 64));
            assert_eq!(list.iter().map(|&(_, len)| len).sum::<usize>(), total);
            assert!(list.windows(2).all(|pair| pair[0].0 + pair[0].1 == pair[1].0));
        }
    }

    #[test]
    fn buffers_start_at_a_cache_line() {
        for len in [1, 100, 1 << 20] {
            let mut buffer = Buffer::new(len);
            assert_eq!(buffer.as_ptr().align_offset(64), 0);
            assert_eq!((buffer.len(), buffer.as_mut().len()), (len, len));
        }
        assert!(Buffer::new(0).is_empty());
    }
}
