//! Whether every number of a step is finite.

use super::{Parameters, trained};
use crate::train::Optimiser;
use crate::train::finite::is_finite;

/// The first tensor of a step that holds a number that is not finite, in the order in which one ruins the next.
pub(super) fn first_broken(
    gradient: &mut Parameters,
    parameters: &mut Parameters,
    optimiser: &Optimiser,
) -> Option<String> {
    let broken = |parameters: &mut Parameters| {
        let mut tensors = trained(parameters);
        tensors
            .find(|tensor| !is_finite(tensor.values))
            .map(|tensor| tensor.name)
    };
    if let Some(name) = broken(gradient) {
        return Some(format!("the gradient of `{name}`"));
    }
    if let Some(name) = broken(parameters) {
        return Some(format!("`{name}`"));
    }
    for (memory, slices) in optimiser.memory() {
        let pair = trained(parameters)
            .zip(slices)
            .find(|(_, slice)| !is_finite(slice));
        if let Some((tensor, _)) = pair {
            return Some(format!("the optimiser's {memory} of `{}`", tensor.name));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::RULE;
    use super::*;
    use crate::calibrate::calibrate;
    use crate::fold::fold;
    use crate::net::{Network, Normalisation};
    use crate::spec::Spec;

    #[test]
    fn every_part_of_a_step_is_looked_at_and_named() {
        let input = Normalisation {
            mean: vec![0.0],
            std: vec![1.0],
        };
        let network = Network::new(&Spec::load("digits").unwrap(), input, 1);
        let mut parameters = Parameters::new(fold(&network), &calibrate(&network, &[7; 64]));
        let mut gradient = parameters.clone();
        let lengths: Vec<usize> = trained(&mut parameters)
            .map(|tensor| tensor.values.len())
            .collect();
        let memory = |broken: f32| {
            let mut memory: Vec<Vec<Vec<f32>>> =
                vec![lengths.iter().map(|&len| vec![0.0; len]).collect(); RULE.memories().len()];
            memory[1][0][0] = broken;
            Optimiser::restored(RULE, 1, memory)
        };
        assert_eq!(first_broken(&mut gradient, &mut parameters, &memory(1.0)), None);
        let found = first_broken(&mut gradient, &mut parameters, &memory(f32::INFINITY)).unwrap();
        assert_eq!(found, "the optimiser's square of `stem.weight`");
        if let Some(range) = trained(&mut parameters).last() {
            range.values.fill(f32::NAN);
        }
        let found = first_broken(&mut gradient, &mut parameters, &memory(1.0)).unwrap();
        assert!(found.starts_with("`ranges."), "{found}");
        if let Some(tensor) = trained(&mut gradient).next() {
            tensor.values[0] = f32::NEG_INFINITY;
        }
        let found = first_broken(&mut gradient, &mut parameters, &memory(1.0)).unwrap();
        assert_eq!(found, "the gradient of `stem.weight`");
    }
}
