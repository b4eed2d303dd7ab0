//! The one definition of "some of these images": a seeded sample over a whole split, balanced over its classes.

use super::set::Split;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Serialize;

/// Seed of every sample that is drawn without one being given: the same split and count always give the same images.
pub const SAMPLE_SEED: u64 = 1;

/// Which images of a split were taken, as `--json` reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Seed of the sample.
    pub seed: u64,
    /// Images of the whole split.
    pub of: usize,
    /// Indices of the images that were taken, ascending; absent if all were.
    pub indices: Option<Vec<usize>>,
}

impl Sample {
    /// Number of images that were taken.
    pub fn len(&self) -> usize {
        self.indices.as_ref().map_or(self.of, Vec::len)
    }

    /// Whether none were taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Split {
    /// Indices of `count` images, ascending: classes take turns, and each class gives its images in a seeded order. A class with
    /// fewer images than its share gives all it has, and the others give more. All images if there are no more than `count`.
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
        // A last turn that is not complete goes to classes in a seeded order too, not always to the first ones.
        let mut drawn: Vec<usize> = Vec::with_capacity(count);
        for number in 0..longest {
            let mut turn: Vec<usize> = of_class
                .iter()
                .filter_map(|indices| indices.get(number).copied())
                .collect();
            shuffle(&mut turn, &mut random);
            drawn.extend(turn.iter().take(count - drawn.len()));
        }
        drawn.sort_unstable();
        drawn
    }

    /// The images with these indices, in this order.
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

    /// `count` images of [`Split::sample_indices`] with [`SAMPLE_SEED`].
    pub fn sample(&self, count: usize) -> Self {
        self.draw(count, SAMPLE_SEED).0
    }

    /// `count` images of [`Split::sample_indices`], and which they are.
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
    fn classes_take_turns_whatever_their_order() {
        assert_eq!(counts(&sorted(&[100, 50, 50]).sample(30), 3), [10, 10, 10]);
        // A small class gives all it has.
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
