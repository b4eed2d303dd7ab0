//! Draws a seeded sample of a split, balanced over its classes.

use super::set::Split;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Serialize;

/// Seed of samples without an explicit seed: the same split and count always give the same images.
pub const SAMPLE_SEED: u64 = 1;

/// The images of a sample, as `--json` reports them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Seed of the sample.
    pub seed: u64,
    /// Number of images of the whole split.
    pub of: usize,
    /// Indices of the sampled images, ascending; absent if all are sampled.
    pub indices: Option<Vec<usize>>,
}

impl Sample {
    /// Returns the number of sampled images.
    pub fn len(&self) -> usize {
        self.indices.as_ref().map_or(self.of, Vec::len)
    }

    /// Whether the sample is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Split {
    /// Returns the indices of `count` images, ascending. Every round draws one image of each class, in a seeded order; a class
    /// without further images is skipped. All images are sampled if there are at most `count`.
    pub fn sample_indices(&self, count: usize, seed: u64) -> Vec<usize> {
        if count >= self.len() {
            return (0..self.len()).collect();
        }
        let classes = self
            .labels
            .iter()
            .max()
            .map_or(0, |&largest| usize::from(largest) + 1);
        let mut of_class: Vec<Vec<usize>> = vec![Vec::new(); classes];
        for (index, &label) in self.labels.iter().enumerate() {
            of_class[usize::from(label)].push(index);
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        of_class
            .iter_mut()
            .for_each(|indices| shuffle(indices, &mut random));
        let longest = of_class.iter().map(Vec::len).max().unwrap_or(0);
        // An incomplete last round draws from classes in a seeded order too, not always from the first ones.
        let mut drawn: Vec<usize> = Vec::with_capacity(count);
        for number in 0..longest {
            let mut round: Vec<usize> = of_class
                .iter()
                .filter_map(|indices| indices.get(number).copied())
                .collect();
            shuffle(&mut round, &mut random);
            drawn.extend(round.iter().take(count - drawn.len()));
        }
        drawn.sort_unstable();
        drawn
    }

    /// Returns the images with these indices, in this order.
    ///
    /// # Panics
    ///
    /// When an index is not below [`Split::len`].
    pub fn pick(&self, indices: &[usize]) -> Self {
        let size = self.images.len().checked_div(self.len()).unwrap_or(0);
        let images = indices
            .iter()
            .flat_map(|&index| &self.images[index * size..][..size]);
        Self {
            images: images.copied().collect(),
            labels: indices.iter().map(|&index| self.labels[index]).collect(),
        }
    }

    /// Returns the images of [`Split::sample_indices`] with [`SAMPLE_SEED`].
    pub fn sample(&self, count: usize) -> Self {
        self.draw(count, SAMPLE_SEED).0
    }

    /// Returns the images of [`Split::sample_indices`], and their indices.
    pub fn draw(&self, count: usize, seed: u64) -> (Self, Sample) {
        let of = self.len();
        if count >= of {
            let indices = None;
            return (self.clone(), Sample { seed, of, indices });
        }
        let indices = self.sample_indices(count, seed);
        let images = self.pick(&indices);
        let indices = Some(indices);
        (images, Sample { seed, of, indices })
    }
}

pub(super) fn shuffle(list: &mut [usize], random: &mut ChaCha8Rng) {
    for last in (1..list.len()).rev() {
        let at = random.next_u64() % (last as u64 + 1);
        list.swap(last, usize::try_from(at).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A split sorted by class, as folders are: `counts[class]` images of one byte, which is the image's index.
    fn sorted(counts: &[usize]) -> Split {
        let labels: Vec<u16> = (0u16..)
            .zip(counts)
            .flat_map(|(class, &count)| vec![class; count])
            .collect();
        Split {
            images: (0..labels.len()).map(|index| index as u8).collect(),
            labels,
        }
    }

    fn counts(split: &Split, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        split
            .labels
            .iter()
            .for_each(|&label| counts[usize::from(label)] += 1);
        counts
    }

    #[test]
    fn samples_are_balanced_over_the_classes() {
        assert_eq!(counts(&sorted(&[100, 50, 50]).sample(30), 3), [10, 10, 10]);
        // All images of a small class are sampled.
        assert_eq!(counts(&sorted(&[100, 2, 50]).sample(30), 3), [14, 2, 14]);
    }

    #[test]
    fn a_sample_is_the_same_every_time_and_comes_from_everywhere() {
        let split = sorted(&[100, 100]);
        let sample = split.sample(20);
        assert_eq!(sample, split.sample(20));
        assert_ne!(split.sample_indices(20, 1), split.sample_indices(20, 2));
        assert!(sample.images.iter().any(|&index| index >= 150) && sample.images[0] < 50);
    }

    #[test]
    fn no_more_is_drawn_than_there_is() {
        let split = sorted(&[3, 2]);
        assert_eq!(split.sample(5), split);
        assert_eq!(split.sample(usize::MAX), split);
        let (all, sample) = split.draw(5, SAMPLE_SEED);
        assert_eq!((all, sample.len(), sample.indices), (split.clone(), 5, None));
        assert_eq!(
            split.draw(4, SAMPLE_SEED).1.indices,
            Some(split.sample_indices(4, SAMPLE_SEED))
        );
        assert!(split.sample(0).is_empty());
        assert!(Split::default().sample(9).is_empty());
    }
}
