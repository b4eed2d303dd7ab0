//! What coded weights cost in bits, and the pull of that cost on them: rate-aware training. `FINETUNING.md` has the formulas.

use super::Parameters;
use super::gradient::Part;
use crate::grid::Grid;
use crate::quantise::{QuantiseError, Quantised};

/// Bits that an entropy code needs for the weights it can code: those of fewer than 8 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Bits of all of them.
    pub bits: f64,
    /// How many there are.
    pub weights: usize,
}

impl Cost {
    /// Bits of a weight on average.
    pub fn per_weight(&self) -> f64 {
        self.bits / self.weights.max(1) as f64
    }
}

/// Bits of each integer's code, from the lowest on, in an array's own entropy code. An integer that does not occur counts as half
/// of one.
fn code_bits(bits: u8, weights: &[i8]) -> Vec<f32> {
    let (low, high) = Grid::ends(bits);
    let mut counts = vec![0.5f32; (high - low) as usize + 1];
    for &weight in weights {
        counts[(f32::from(weight) - low) as usize] += 1.0;
    }
    let total: f32 = counts.iter().sum();
    counts.iter().map(|count| (total / count).log2()).collect()
}

/// What one convolution costs.
fn cost_of(grid: Option<&Grid>, weights: &[i8]) -> Cost {
    let Some(grid) = grid.filter(|grid| grid.bits < 8) else {
        return Cost::default();
    };
    let (low, _) = Grid::ends(grid.bits);
    let bits = code_bits(grid.bits, weights);
    let of = |&weight: &i8| f64::from(bits[(f32::from(weight) - low) as usize]);
    Cost {
        bits: weights.iter().map(of).sum(),
        weights: weights.len(),
    }
}

impl Parameters {
    /// What the weights of `quantised`, which are these, cost.
    pub fn cost(&self, quantised: &Quantised) -> Cost {
        let mut sum = Cost::default();
        for (stage, integers) in self.folded.stages.iter().zip(&quantised.stages) {
            for (conv, integers) in stage.convs().zip(integers.convs()) {
                let cost = cost_of(conv.grid.as_ref(), &integers.weight);
                sum.bits += cost.bits;
                sum.weights += cost.weights;
            }
        }
        sum
    }

    /// The gradient of [`cost`](Self::cost): a weight costs what lies between the codes of the integers below and above it, and the
    /// histogram counts as fixed.
    pub(super) fn cost_gradient(&self, quantised: &Quantised) -> Self {
        let mut out = self.weights_alone();
        out.visit(quantised, |part| part.cost_gradient());
        out
    }

    /// Enlarges all steps by one factor until a weight costs at most `bits` on average.
    ///
    /// # Errors
    ///
    /// Returns an error if a parameter is not finite.
    pub(super) fn coarsen(&mut self, bits: f64) -> Result<(), QuantiseError> {
        const FACTOR: f32 = 1.02;
        // 1.02 to the power of 400 is 2,755: nothing would be left.
        for _ in 0..400 {
            if self.cost(&self.quantise()?).per_weight() <= bits {
                break;
            }
            for stage in &mut self.folded.stages {
                for conv in stage.convs_mut() {
                    if let Some(grid) = conv.grid.as_mut().filter(|grid| grid.bits < 8) {
                        grid.step.iter_mut().for_each(|step| *step *= FACTOR);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Part<'_> {
    /// Puts the gradient of the cost in the places of weights and steps.
    fn cost_gradient(self) {
        let conv = self.conv;
        let length = conv.weight.len() / conv.outputs;
        let Some(grid) = conv.grid.as_mut().filter(|grid| grid.bits < 8) else {
            conv.weight.fill(0.0);
            if let Some(grid) = &mut conv.grid {
                grid.step.fill(0.0);
            }
            return;
        };
        let bits = code_bits(grid.bits, &self.integers.weight);
        let (low, high) = Grid::ends(grid.bits);
        for (filter, step) in conv.weight.chunks_exact_mut(length).zip(&mut grid.step) {
            let mut of_step = 0.0;
            for (k, weight) in filter.iter_mut().enumerate() {
                let (factor, _) = self.inputs.of(k % conv.inputs);
                let steps = *weight * factor / *step;
                if steps <= low || steps >= high {
                    *weight = 0.0;
                    continue;
                }
                // A weight just below the last integer may round up to it.
                let below = ((steps - low) as usize).min(bits.len() - 2);
                let slope = bits[below + 1] - bits[below];
                of_step -= slope * steps / *step;
                *weight = slope * factor / *step;
            }
            *step = of_step;
        }
    }
}

/// What holds the cost at its target while the network is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pull {
    /// Loss per bit and image.
    pub(super) lambda: f64,
}

/// Of the gradient of the loss, how strong the first pull is.
const FIRST: f64 = 0.001;
/// By how much a step changes the pull at most, as a part of it.
const CHANGE: f64 = 0.03;
/// Distance from the target, as a part of it, from which on the pull changes as fast as it may.
const FAR: f64 = 0.02;

impl Pull {
    /// Before the first step, from both gradients in the units of the parameters: root mean squares over the weights.
    pub(super) fn first(of_loss: f64, of_cost: f64) -> Self {
        Self {
            lambda: FIRST * of_loss / of_cost.max(1e-30),
        }
    }

    /// Changes the pull after a step that left a weight at `found` bits; by less when the learning rate has fallen to `share` of
    /// its highest.
    pub(super) fn steer(&mut self, found: f64, target: f64, share: f64) {
        let off = ((found - target) / (FAR * target)).clamp(-1.0, 1.0);
        self.lambda *= 1.0 + CHANGE * off * share.sqrt();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::images;
    use crate::fold::fold;
    use crate::means::Means;
    use crate::net::{Network, Normalisation, Role};
    use crate::quantise::fit;
    use crate::spec::Spec;

    #[test]
    fn equal_counts_cost_equal_bits_and_rare_ones_more() {
        let all: Vec<i8> = (-4..4).cycle().take(8000).collect();
        assert!(code_bits(3, &all).iter().all(|bits| (bits - 3.0).abs() < 1e-3));
        let mut few = vec![0i8; 8000];
        few[0] = 1;
        let bits = code_bits(3, &few);
        assert!(bits[4] < 0.01 && bits[5] > 10.0 && bits[0] > bits[5], "{bits:?}");
    }

    fn parameters() -> Parameters {
        let spec = Spec::load("digits").unwrap();
        let input = Normalisation {
            mean: vec![120.0],
            std: vec![70.0],
        };
        let network = Network::new(&spec, input, 3);
        let images = images(16, network.image_len());
        let (mut folded, ranges) = (fold(&network), crate::calibrate::calibrate(&network, &images));
        let means = Means::of(&network, &folded, &images);
        fit(&mut folded, &ranges, &means, 4.into()).unwrap();
        Parameters::new(folded, &ranges)
    }

    #[test]
    fn larger_steps_cost_less_until_the_target_is_met() {
        let mut parameters = parameters();
        let bits = |parameters: &Parameters| parameters.cost(&parameters.quantise().unwrap()).per_weight();
        let before = bits(&parameters);
        parameters.coarsen(2.0).unwrap();
        let after = bits(&parameters);
        assert!(before > 3.0 && after <= 2.0 && after > 1.8, "{before} {after}");
    }

    #[test]
    fn a_step_against_the_gradient_costs_less() {
        let mut parameters = parameters();
        let quantised = parameters.quantise().unwrap();
        let before = parameters.cost(&quantised);
        let mut gradient = parameters.cost_gradient(&quantised);
        let mut units = parameters.units(&quantised);
        // By half a step of each weight, towards its cheaper neighbour.
        for ((tensor, unit), gradient) in (parameters.tensors().into_iter())
            .zip(units.tensors())
            .zip(gradient.tensors())
        {
            if tensor.role != Role::Weight {
                continue;
            }
            for ((value, unit), gradient) in tensor.values.iter_mut().zip(unit.values).zip(gradient.values) {
                if *gradient != 0.0 {
                    *value -= 0.5 * *unit * gradient.signum();
                }
            }
        }
        let after = parameters.cost(&parameters.quantise().unwrap());
        assert_eq!(before.weights, after.weights);
        assert!(after.bits < 0.97 * before.bits, "{} {}", before.bits, after.bits);
    }
}
