//! What the ranks of a run tell each other: gradients, scores, statistics, files, failures.
//!
//! All of it is nothing, to the last bit, where one process trains alone.

use super::{Optimiser, TrainError};
use crate::data::{Dataset, Split};
use crate::evaluate::Confusion;
use crate::net::{Loss, Network, Ranks, Role, Score, Tensor};
use crate::spec::Spec;
use core::hash::{Hash, Hasher};
use std::hash::DefaultHasher;

/// Returns this outcome if no rank failed. Otherwise the first rank that failed keeps its error, and all others fail because of
/// it: one message is printed, and no rank waits for one that has ended.
///
/// # Errors
///
/// This rank's own, or [`TrainError::Elsewhere`].
pub fn agree<T, E: From<TrainError>>(ranks: &dyn Ranks, outcome: Result<T, E>) -> Result<T, E> {
    let mut failed = vec![0.0; ranks.count()];
    failed[ranks.rank()] = if outcome.is_err() { 1.0 } else { 0.0 };
    ranks.sum(&mut failed);
    match failed.iter().position(|failed| *failed > 0.0) {
        Some(rank) if rank != ranks.rank() => Err(TrainError::Elsewhere { rank }.into()),
        _ => outcome,
    }
}

/// What rank 0 has, on every rank; what the others have is left out of account.
pub fn from_first(ranks: &dyn Ranks, own: Option<Vec<u8>>) -> Option<Vec<u8>> {
    const NONE: u64 = u64::MAX;
    let mut bytes = own.as_ref().map_or(NONE, |own| own.len() as u64).to_le_bytes();
    ranks.broadcast(&mut bytes);
    let len = u64::from_le_bytes(bytes);
    if len == NONE {
        return None;
    }
    let mut bytes = own.unwrap_or_default();
    bytes.resize(len as usize, 0);
    ranks.broadcast(&mut bytes);
    Some(bytes)
}

/// Whether this rank has the network and the images that rank 0 has.
pub(super) fn check_same(ranks: &dyn Ranks, spec: &Spec, data: &Dataset) -> Result<(), TrainError> {
    if ranks.count() == 1 {
        return Ok(());
    }
    let hash = |what: &dyn Fn(&mut DefaultHasher)| {
        let mut hasher = DefaultHasher::new();
        what(&mut hasher);
        hasher.finish().to_le_bytes()
    };
    let program = hash(&|hasher| env!("CARGO_PKG_VERSION").hash(hasher));
    let network = hash(&|hasher| format!("{spec:?}").hash(hasher));
    let images = hash(&|hasher| {
        for split in [&data.train, &data.validation] {
            (&split.images, &split.labels).hash(hasher);
        }
    });
    let mut apart = None;
    for (what, own) in [
        ("version of denselet", program),
        ("network", network),
        ("data set", images),
    ] {
        let mut first = own;
        ranks.broadcast(&mut first);
        if first != own {
            apart = apart.or(Some(what));
        }
    }
    let rank = ranks.rank();
    apart.map_or(Ok(()), |what| Err(TrainError::Apart { rank, what }))
}

/// Adds every rank's gradients.
pub(super) fn add_gradients(ranks: &dyn Ranks, gradient: &mut Network) {
    if ranks.count() > 1 {
        sum(ranks, gradient, |tensor| tensor.is_trained());
    }
}

/// The score of the whole batch.
pub(super) fn whole_score(ranks: &dyn Ranks, own: Score) -> Score {
    let mut both = [own.loss, own.correct as f64];
    ranks.sum(&mut both);
    Score {
        loss: both[0] / ranks.count() as f64,
        correct: both[1] as usize,
    }
}

/// Makes every rank's run the same at the end of an epoch: running statistics are averaged where batch statistics are not
/// `synchronised`, and all else is rank 0's, in case machines that differ have rounded differently.
pub(super) fn level(
    ranks: &dyn Ranks,
    synchronised: bool,
    networks: &mut [&mut Network],
    optimiser: &mut Optimiser,
) {
    if ranks.count() == 1 {
        return;
    }
    for network in networks {
        if !synchronised {
            sum(ranks, network, |tensor| tensor.role == Role::Statistic);
            let count = ranks.count() as f32;
            let statistics = network.tensors().into_iter();
            for tensor in statistics.filter(|tensor| tensor.role == Role::Statistic) {
                tensor.values.iter_mut().for_each(|value| *value /= count);
            }
        }
        for tensor in network.tensors() {
            ranks.broadcast(bytemuck::cast_slice_mut(tensor.values));
        }
    }
    for values in optimiser.memory_mut() {
        ranks.broadcast(bytemuck::cast_slice_mut(values));
    }
}

/// Share of a split's images that `network` classifies correctly, 0 to 1, and their mean loss; each rank looks at some of
/// them, and all have the same bits afterwards.
pub(super) fn measure(ranks: &dyn Ranks, network: &Network, split: &Split) -> (f64, f64) {
    let start = |rank: usize| rank * split.len() / ranks.count();
    let own = start(ranks.rank())..start(ranks.rank() + 1);
    let size = network.image_len();
    let mut logits = network.logits(&split.images[own.start * size..own.end * size], own.len());
    let labels = &split.labels[own.clone()];
    let right = Confusion::new(&logits, labels, network.spec.classes).right();
    let loss = match labels.len() {
        0 => 0.0,
        count => Loss::default().take(&mut logits, labels).loss * count as f64,
    };
    let mut sums = [right as f64, loss];
    ranks.sum(&mut sums);
    // Every rank decides by these numbers whether to go on: they must be equal to the last bit.
    ranks.broadcast(bytemuck::cast_slice_mut(&mut sums));
    let [right, loss] = sums.map(|sum| sum / split.len() as f64);
    (right, loss)
}

/// Adds every rank's tensors of a kind, all in one message.
fn sum(ranks: &dyn Ranks, network: &mut Network, is_meant: fn(&Tensor<'_>) -> bool) {
    let mut tensors = network.tensors();
    tensors.retain(is_meant);
    let mut values: Vec<f32> = Vec::new();
    for tensor in &tensors {
        values.extend_from_slice(tensor.values);
    }
    ranks.sum_single(&mut values);
    let mut rest = &values[..];
    for tensor in tensors {
        let (own, after) = rest.split_at(tensor.values.len());
        tensor.values.copy_from_slice(own);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Recipe, run::Run};
    use super::*;
    use crate::data::Reading;
    use crate::net::ranks::threads;
    use crate::train::Silent;

    #[test]
    fn the_first_that_fails_says_why() {
        let answers = threads::on(3, |ranks| {
            let own = match ranks.rank() {
                0 => Ok(()),
                rank => Err(TrainError::Ranks(format!("{rank} is tired"))),
            };
            agree(&*ranks, own).unwrap_err().to_string()
        });
        assert_eq!(answers, ["rank 1 failed", "ranks: 1 is tired", "rank 1 failed"]);
        assert!(
            threads::on(2, |ranks| agree::<_, TrainError>(&*ranks, Ok(())))
                .iter()
                .all(Result::is_ok)
        );
    }

    #[test]
    fn what_the_first_has_all_have() {
        for first in [None, Some(Vec::new()), Some(vec![1, 2, 3])] {
            let found = threads::on(2, |ranks| {
                from_first(&*ranks, if ranks.rank() == 0 { first.clone() } else { None })
            });
            assert_eq!(found, [first.clone(), first]);
        }
    }

    #[test]
    fn other_pictures_are_noticed() {
        let spec = Spec::load("digits").unwrap();
        let data = Dataset::load("digits", &Reading::default()).unwrap();
        let answers = threads::on(2, |ranks| {
            let mut data = data.clone();
            data.train.labels[7] = ranks.rank() as u16;
            check_same(&*ranks, &spec, &data).map_err(|error| error.to_string())
        });
        assert!(
            answers[0].is_ok()
                && answers[1]
                    .as_ref()
                    .is_err_and(|text| text.contains("another data set"))
        );
    }

    #[test]
    fn ranks_end_an_epoch_with_the_same_network() {
        let spec = Spec::load("digits").unwrap();
        let mut data = Dataset::load("digits", &Reading::default()).unwrap();
        data.train = data.train.sample(300);
        let recipe = Recipe {
            average: Some(0.9),
            held_out: 0.2,
            batch: 32,
            rate: 0.01,
            ..Recipe::for_data(&data)
        };
        let epoch = |recipe: &Recipe, count: usize| {
            threads::on(count, |ranks| {
                let mut run = Run::new(&spec, &data, recipe, &ranks).unwrap();
                let done = run.epoch(&data, &mut Silent).unwrap().unwrap();
                (
                    run.state.network,
                    run.state.raw,
                    done.loss,
                    done.held_out_accuracy,
                )
            })
        };
        let own = epoch(&recipe, 2);
        assert_eq!(own[0], own[1]);
        let recipe = Recipe {
            sync_batch_norm: true,
            ..recipe
        };
        let shared = epoch(&recipe, 2);
        assert_eq!(shared[0], shared[1]);
        let (_, _, alone, _) = epoch(&recipe, 1)[0];
        let apart = |loss: f64| (loss - alone).abs() / alone;
        assert!(
            apart(shared[0].2) < 1e-5 && apart(own[0].2) > 1e-3,
            "{alone} {} {}",
            shared[0].2,
            own[0].2
        );
    }
}
