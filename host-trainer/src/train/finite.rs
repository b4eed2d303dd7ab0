//! Whether every number of a step is finite. One pass over the values after the optimiser's, which costs far less than the
//! step, so it is done after every one.

use super::Optimiser;
use crate::net::{Role, Tensor};

/// Returns the first tensor of a step with a number that is not finite, in the order in which one ruins the next: gradients,
/// what is trained, the optimiser's memory, averages.
pub(crate) fn first_broken(
    gradient: Vec<Tensor<'_>>,
    tensors: Vec<Tensor<'_>>,
    averaged: Vec<Tensor<'_>>,
    optimiser: &Optimiser,
) -> Option<String> {
    let trained = |tensor: &&Tensor<'_>| tensor.is_trained();
    let named = |what: &str, name: &str| Some(format!("{what} `{name}`"));
    if let Some(tensor) = broken(gradient.iter().filter(trained)) {
        return named("the gradient of", &tensor.name);
    }
    if let Some(tensor) = broken(&tensors) {
        let what = match tensor.role {
            Role::Statistic => "the batch-norm statistic",
            _ => "the parameter",
        };
        return named(what, &tensor.name);
    }
    for (memory, slices) in optimiser.memory() {
        let pairs = tensors.iter().filter(trained).zip(slices);
        if let Some((tensor, _)) = pairs.into_iter().find(|(_, slice)| !is_finite(slice)) {
            return named(&format!("the optimiser's {memory} of"), &tensor.name);
        }
    }
    let tensor = broken(&averaged)?;
    named("the average of", &tensor.name)
}

fn broken<'r, 't: 'r>(tensors: impl IntoIterator<Item = &'r Tensor<'t>>) -> Option<&'r Tensor<'t>> {
    tensors.into_iter().find(|tensor| !is_finite(tensor.values))
}

/// Whether all of them are; without a branch, so the compiler makes vector instructions of it.
pub(crate) fn is_finite(values: &[f32]) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    let any = |any: u32, value: &f32| any | u32::from(value.to_bits() & EXPONENT == EXPONENT);
    values.iter().fold(0, any) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Network, Normalisation};
    use crate::spec::Spec;
    use crate::train::{Recipe, trained_lengths};

    #[test]
    fn infinity_and_nan_are_found_wherever_they_are() {
        let fine = [0.0, -0.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE / 2.0];
        assert!(is_finite(&fine) && is_finite(&[]));
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in 0..fine.len() {
                let mut values = fine;
                values[at] = bad;
                assert!(!is_finite(&values), "{bad} at {at}");
            }
        }
    }

    #[test]
    fn every_part_of_a_step_is_looked_at_and_named() {
        let input = Normalisation {
            mean: vec![0.0],
            std: vec![1.0],
        };
        let mut network = Network::new(&Spec::load("digits").unwrap(), input, 1);
        let mut others = [network.clone(), network.clone()];
        let [gradient, average] = &mut others;
        let lengths = trained_lengths(&mut network);
        let mut optimiser = Optimiser::new(Recipe::default().rule(), &lengths);
        assert_eq!(
            first_broken(
                gradient.tensors(),
                network.tensors(),
                average.tensors(),
                &optimiser
            ),
            None
        );
        // What is found first is what broke first: from the last to the first, each hides those before.
        average.tensors()[0].values[0] = f32::NAN;
        let found = first_broken(
            gradient.tensors(),
            network.tensors(),
            average.tensors(),
            &optimiser,
        )
        .unwrap();
        assert!(found.starts_with("the average of `stem"), "{found}");
        if let Some(slice) = optimiser.memory_mut().last() {
            slice[0] = f32::INFINITY;
        }
        let found = first_broken(gradient.tensors(), network.tensors(), Vec::new(), &optimiser).unwrap();
        assert!(found.starts_with("the optimiser's velocity of `head"), "{found}");
        for (role, expected) in [
            (Role::Statistic, "the batch-norm statistic `"),
            (Role::Weight, "the parameter `"),
        ] {
            let mut network = network.clone();
            let mut tensors = network.tensors();
            tensors
                .iter_mut()
                .find(|tensor| tensor.role == role)
                .unwrap()
                .values[0] = f32::NAN;
            let found = first_broken(gradient.tensors(), network.tensors(), Vec::new(), &optimiser).unwrap();
            assert!(found.starts_with(expected), "{found}");
        }
        gradient.tensors()[0].values[0] = f32::NAN;
        let found = first_broken(gradient.tensors(), network.tensors(), Vec::new(), &optimiser).unwrap();
        assert!(found.starts_with("the gradient of `stem"), "{found}");
    }
}
