//! Which images a run measures after every epoch instead of training on them.

use super::epoch::{generator, shuffle};
use crate::data::{Dataset, Split};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Stream that decides which images are held out; epochs use theirs, counted from 0.
const STREAM: u64 = u64::MAX;

/// The held-out images: the validation split of a data set that has one, a part of the training split otherwise. A smaller share
/// with the same seed is a part of a larger one, unless whole groups are held out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aside {
    /// Share of the training split, 0 to below 1; 0: nothing is held out.
    pub share: f32,
    /// Decides which images.
    pub seed: u64,
}

impl Aside {
    /// The images; nothing if none are held out.
    pub fn images(self, data: &Dataset) -> Option<Split> {
        if self.share == 0.0 {
            return None;
        }
        if !data.validation.is_empty() {
            return Some(data.validation.clone());
        }
        let (_, aside) = self.divide(data);
        (!aside.is_empty()).then(|| data.train.pick(&aside))
    }

    /// How many of `count` training images are not trained on.
    pub(super) fn count(self, count: usize) -> usize {
        (self.share * count as f32) as usize
    }

    /// Numbers of the training images in a seeded order, and of those that are held out: none if the data set has a
    /// validation split, whole groups if it knows them, images otherwise.
    pub(crate) fn divide(self, data: &Dataset) -> (Vec<usize>, Vec<usize>) {
        let mut order: Vec<usize> = (0..data.train.len()).collect();
        shuffle(&mut order, &mut generator(self.seed, STREAM));
        let count = self.count(data.train.len());
        if count == 0 || !data.validation.is_empty() {
            return (order, Vec::new());
        }
        if data.groups.is_empty() {
            let aside = order.split_off(order.len() - count);
            return (order, aside);
        }
        let mut kept = BTreeSet::new();
        let mut held = 0;
        // The order is a random one of the groups too; one of them at least is trained on.
        let groups = data.groups.iter().collect::<BTreeSet<_>>().len();
        for &at in &order {
            let group = data.groups[at];
            if held >= count || kept.len() + 1 >= groups {
                break;
            }
            if kept.insert(group) {
                held += data.groups.iter().filter(|&&other| other == group).count();
            }
        }
        order
            .into_iter()
            .partition(|&at| !kept.contains(&data.groups[at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Reading;

    #[test]
    fn groups_are_held_out_whole() {
        let mut data = Dataset::load("digits", &Reading::default()).unwrap();
        data.train = data.train.sample(100);
        data.groups = (0..100).map(|at| at / 10).collect();
        let aside = Aside { share: 0.15, seed: 1 };
        let (order, held) = aside.divide(&data);
        // Fifteen images are two groups of ten.
        assert_eq!((order.len(), held.len()), (80, 20));
        assert!(
            order
                .iter()
                .all(|a| held.iter().all(|b| data.groups[*a] != data.groups[*b]))
        );
        data.groups.clear();
        let (_, held) = aside.divide(&data);
        assert_eq!(held.len(), 15);
        let fewer = Aside { share: 0.1, ..aside };
        assert!(fewer.divide(&data).1.iter().all(|at| held.contains(at)));
        data.validation = data.test.clone();
        assert_eq!(aside.divide(&data).0.len(), 100);
    }
}
