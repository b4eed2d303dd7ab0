//! A moving average of the weights of a run, updated after each step.

use crate::net::Network;

/// Moves every tensor of `average`, running statistics too, towards `network` after step `at` of the run, from 0.
///
/// Early averages forget faster, or they would remember the weights at birth.
pub(super) fn follow(average: &mut Network, network: &mut Network, decay: f32, at: usize) {
    let decay = decay.min((1 + at) as f32 / (10 + at) as f32);
    for (average, new) in average.tensors().into_iter().zip(network.tensors()) {
        for (average, new) in average.values.iter_mut().zip(new.values.iter()) {
            *average += (1.0 - decay) * (new - *average);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Normalisation;
    use crate::spec::Spec;

    #[test]
    fn every_tensor_follows() {
        let spec = Spec::load("digits").unwrap();
        let input = Normalisation {
            mean: vec![0.0],
            std: vec![1.0],
        };
        let mut average = Network::new(&spec, input, 1);
        let mut network = average.clone();
        for tensor in average.tensors() {
            tensor.values.fill(1.0);
        }
        for tensor in network.tensors() {
            tensor.values.fill(3.0);
        }
        // At the first step a tenth stays.
        follow(&mut average, &mut network, 0.999, 0);
        for tensor in average.tensors() {
            assert!(
                tensor.values.iter().all(|v| (v - 2.8).abs() < 1e-6),
                "{}",
                tensor.name
            );
        }
        // Later the decay is what was asked for.
        follow(&mut average, &mut network, 0.5, 1000);
        for tensor in average.tensors() {
            assert!(
                tensor.values.iter().all(|v| (v - 2.9).abs() < 1e-6),
                "{}",
                tensor.name
            );
        }
    }
}
