//! Weights of an untrained network, drawn from those of a trained one: what codes take depends on the values.

use crate::finetune::checkpoint;
use crate::quantise::Quantised;
use crate::stages::Stage;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::path::Path;

/// The weights of a fine-tuned network that codes can hold: all but the stem's.
///
/// # Errors
///
/// Returns an error if the file cannot be read, or holds no integers.
pub(super) fn trained_weights(file: &Path) -> anyhow::Result<Vec<i8>> {
    let quantised = checkpoint::load(file)?.parameters.quantise()?;
    let coded = quantised.stages.iter().filter(|stage| is_coded(stage));
    let weights = coded.flat_map(Stage::convs).flat_map(|conv| &conv.weight);
    Ok(weights.copied().collect())
}

/// Gives every weight but the stem's the value of one of `trained`, drawn with a fixed seed.
///
/// # Panics
///
/// If `trained` is empty.
pub(super) fn draw(quantised: &mut Quantised, trained: &[i8]) {
    let mut bits = ChaCha8Rng::seed_from_u64(1);
    let coded = quantised.stages.iter_mut().filter(|stage| is_coded(stage));
    for weight in coded.flat_map(Stage::convs_mut).flat_map(|conv| &mut conv.weight) {
        *weight = trained[((u128::from(bits.next_u64()) * trained.len() as u128) >> 64) as usize];
    }
}

fn is_coded<G, C>(stage: &Stage<G, C>) -> bool {
    !matches!(stage, Stage::Stem { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::quantised;

    #[test]
    fn drawn_weights_are_trained_ones_and_the_stem_keeps_its_own() {
        let (network, images) = crate::cli::export::untrained("d4", 1).unwrap();
        let mut drawn = quantised(&network, &images).unwrap();
        let before = drawn.clone();
        draw(&mut drawn, &[-1, 0, 0, 2]);
        assert_eq!(drawn.stages[0], before.stages[0]);
        let weights: Vec<i8> = drawn.stages[1..]
            .iter()
            .flat_map(Stage::convs)
            .flat_map(|conv| conv.weight.clone())
            .collect();
        assert!(weights.iter().all(|weight| [-1, 0, 2].contains(weight)));
        let zeros = weights.iter().filter(|weight| **weight == 0).count();
        let share = zeros as f64 / weights.len() as f64;
        assert!((share - 0.5).abs() < 0.05, "{share}");
    }
}
