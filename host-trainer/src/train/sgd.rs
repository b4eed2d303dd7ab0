//! Stochastic gradient descent with Nesterov momentum; belongs to `train`.

use super::Recipe;
use crate::net::{Network, Role};

/// A network of the same shape with every trained value zero: momentum at birth.
pub(super) fn still(network: &Network) -> Network {
    let mut still = network.clone();
    for tensor in still.tensors() {
        if tensor.role != Role::Statistic {
            tensor.values.fill(0.0);
        }
    }
    still
}

/// v = momentum v + g; w -= rate (g + momentum v), with the decay of weights in g.
pub(super) fn step(
    network: &mut Network,
    gradient: &mut Network,
    velocity: &mut Network,
    recipe: &Recipe,
    rate: f32,
) {
    let tensors = network
        .tensors()
        .into_iter()
        .zip(gradient.tensors())
        .zip(velocity.tensors());
    for ((weights, gradient), velocity) in tensors {
        let decay = match weights.role {
            Role::Weight => recipe.decay,
            Role::Offset => 0.0,
            Role::Statistic => continue,
        };
        let values = weights
            .values
            .iter_mut()
            .zip(gradient.values)
            .zip(velocity.values);
        for ((w, g), v) in values {
            let g = *g + decay * *w;
            *v = recipe.momentum * *v + g;
            *w -= rate * (g + recipe.momentum * *v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;
    use crate::spec::Spec;

    #[test]
    fn two_steps_by_hand() {
        let data = Dataset::load("digits", None).unwrap();
        let recipe = Recipe {
            momentum: 0.5,
            decay: 0.25,
            ..Recipe::for_data(&data)
        };
        let mut network = Network::new(&Spec::load("digits").unwrap(), data.normalisation(), 1);
        let mut velocity = still(&network);
        let mut gradient = network.clone();
        network.head.weight[0] = 2.0;
        network.head.bias[0] = 2.0;
        gradient.head.weight[0] = 1.0;
        gradient.head.bias[0] = 1.0;
        step(&mut network, &mut gradient, &mut velocity, &recipe, 0.5);
        // g = 1 + 0.25 * 2, v = 1.5, w = 2 - 0.5 (1.5 + 0.75)
        assert_eq!(network.head.weight[0], 0.875);
        // No decay: g = v = 1, w = 2 - 0.5 * 1.5
        assert_eq!(network.head.bias[0], 1.25);
        step(&mut network, &mut gradient, &mut velocity, &recipe, 0.5);
        assert_eq!(velocity.head.bias[0], 1.5);
        assert_eq!(network.head.bias[0], 1.25 - 0.5 * 1.75);
    }
}
