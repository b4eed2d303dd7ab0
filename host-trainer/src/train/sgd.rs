//! Stochastic gradient descent with Nesterov momentum; belongs to `train`.

use super::Recipe;
use crate::net::{Network, Role};

/// What the optimiser remembers of earlier steps: one velocity per trained value.
#[derive(Clone, Debug, PartialEq)]
pub struct Momentum {
    /// A network of the same shape that holds velocities; its statistics mean nothing.
    pub(super) velocity: Network,
}

impl Momentum {
    /// At rest.
    pub fn new(network: &Network) -> Self {
        let mut velocity = network.clone();
        for tensor in velocity.tensors() {
            if tensor.role != Role::Statistic {
                tensor.values.fill(0.0);
            }
        }
        Self { velocity }
    }

    /// v = momentum v + g; w -= rate (g + momentum v), with the decay of weights in g.
    pub fn step(&mut self, network: &mut Network, gradient: &mut Network, recipe: &Recipe, rate: f32) {
        let tensors = network
            .tensors()
            .into_iter()
            .zip(gradient.tensors())
            .zip(self.velocity.tensors());
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
        let mut momentum = Momentum::new(&network);
        let mut gradient = network.clone();
        network.head.weight[0] = 2.0;
        network.head.bias[0] = 2.0;
        gradient.head.weight[0] = 1.0;
        gradient.head.bias[0] = 1.0;
        momentum.step(&mut network, &mut gradient, &recipe, 0.5);
        // g = 1 + 0.25 * 2, v = 1.5, w = 2 - 0.5 (1.5 + 0.75)
        assert_eq!(network.head.weight[0], 0.875);
        // No decay: g = v = 1, w = 2 - 0.5 * 1.5
        assert_eq!(network.head.bias[0], 1.25);
        momentum.step(&mut network, &mut gradient, &recipe, 0.5);
        assert_eq!(momentum.velocity.head.bias[0], 1.5);
        assert_eq!(network.head.bias[0], 1.25 - 0.5 * 1.75);
    }
}
