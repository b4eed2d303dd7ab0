//! The optimisers: stochastic gradient descent with Nesterov momentum, and AdamW.
//!
//! They work on slices of parameters and know no network, so that they serve whatever is trained.

/// How parameters follow their gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// v = momentum v + g; w -= rate (g + momentum v), with decay * w in g.
    Sgd {
        /// Share of the velocity that lasts, from 0 to below 1.
        momentum: f32,
        /// Weight decay, per unit of gradient.
        decay: f32,
    },
    /// Adam with the decay beside the gradient: w -= rate (m / (sqrt(s) + epsilon) + decay w), both means unbiased.
    AdamW {
        /// Share of the gradients' mean that lasts, from 0 to below 1.
        beta1: f32,
        /// Share of the squares' mean that lasts, from 0 to below 1.
        beta2: f32,
        /// Added to the root of the squares' mean.
        epsilon: f32,
        /// Weight decay, per unit of learning rate.
        decay: f32,
    },
}

impl Rule {
    /// Names of what is remembered of earlier steps, one value per parameter each.
    pub fn memories(&self) -> &'static [&'static str] {
        match self {
            Self::Sgd { .. } => &["velocity"],
            Self::AdamW { .. } => &["mean", "square"],
        }
    }
}

/// One slice of parameters in one step.
#[derive(Debug)]
pub struct Parameters<'a> {
    /// What is trained.
    pub weights: &'a mut [f32],
    /// Its gradient, of the same length.
    pub gradient: &'a [f32],
    /// Whether the weights decay.
    pub decays: bool,
}

/// A rule and what it remembers of earlier steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimiser {
    rule: Rule,
    /// Steps done.
    steps: u64,
    /// `[memory][slice][parameter]`, memories in the order of [`Rule::memories`].
    memory: Vec<Vec<Vec<f32>>>,
}

impl Optimiser {
    /// Before the first step, for slices of these lengths.
    pub fn new(rule: Rule, lengths: &[usize]) -> Self {
        let zeros = || lengths.iter().map(|&len| vec![0.0; len]).collect();
        let memory = rule.memories().iter().map(|_| zeros()).collect();
        Self {
            rule,
            steps: 0,
            memory,
        }
    }

    /// As it was after `steps` steps, when [`Optimiser::memory`] gave `memory`.
    ///
    /// # Panics
    ///
    /// When `memory` is not what the rule remembers.
    pub fn restored(rule: Rule, steps: u64, memory: Vec<Vec<Vec<f32>>>) -> Self {
        assert_eq!(memory.len(), rule.memories().len(), "memories of {rule:?}");
        Self { rule, steps, memory }
    }

    /// How it steps.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// What it remembers, each by its name: `[slice][parameter]`.
    pub fn memory(&self) -> impl Iterator<Item = (&'static str, &[Vec<f32>])> {
        let names = self.rule.memories().iter().copied();
        names.zip(self.memory.iter().map(Vec::as_slice))
    }

    /// All that it remembers, to be changed.
    pub(super) fn memory_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.memory.iter_mut().flatten().map(Vec::as_mut_slice)
    }

    /// One step along `share` times the gradients, at a learning rate of `rate`.
    ///
    /// # Panics
    ///
    /// When the slices are not as many and as long as those of [`Optimiser::new`].
    pub fn step<'a>(&mut self, parameters: impl IntoIterator<Item = Parameters<'a>>, rate: f32, share: f32) {
        self.steps += 1;
        let mut slices = 0;
        for (at, slice) in parameters.into_iter().enumerate() {
            slices += 1;
            let len = slice.weights.len();
            for memory in &self.memory {
                assert_eq!(memory.get(at).map(Vec::len), Some(len), "slice {at}");
            }
            assert_eq!(slice.gradient.len(), len, "gradient of slice {at}");
            match self.rule {
                Rule::Sgd { momentum, decay } => {
                    let decay = if slice.decays { decay } else { 0.0 };
                    let velocity = &mut self.memory[0][at];
                    let values = slice.weights.iter_mut().zip(slice.gradient).zip(velocity);
                    for ((w, g), v) in values {
                        let g = *g * share + decay * *w;
                        *v = momentum * *v + g;
                        *w -= rate * (g + momentum * *v);
                    }
                }
                Rule::AdamW {
                    beta1,
                    beta2,
                    epsilon,
                    decay,
                } => {
                    let kept = if slice.decays { 1.0 - rate * decay } else { 1.0 };
                    let (unbias1, unbias2) = (unbias(beta1, self.steps), unbias(beta2, self.steps));
                    let [means, squares] = self.memory.as_mut_slice() else {
                        continue;
                    };
                    let values = slice.weights.iter_mut().zip(slice.gradient);
                    let memory = means[at].iter_mut().zip(&mut squares[at]);
                    for ((w, g), (m, s)) in values.zip(memory) {
                        let g = *g * share;
                        *m = beta1 * *m + (1.0 - beta1) * g;
                        *s = beta2 * *s + (1.0 - beta2) * g * g;
                        *w = *w * kept - rate * (*m * unbias1) / ((*s * unbias2).sqrt() + epsilon);
                    }
                }
            }
        }
        assert_eq!(
            slices,
            self.memory.first().map_or(0, Vec::len),
            "number of slices"
        );
    }
}

/// What makes a mean that started at zero `steps` steps ago one of all it has seen.
fn unbias(beta: f32, steps: u64) -> f32 {
    (1.0 / (1.0 - f64::from(beta).powf(steps as f64))) as f32
}

/// Length of the gradients of all slices together, as one vector.
pub fn norm<'a>(gradients: impl IntoIterator<Item = &'a [f32]>) -> f64 {
    let squares = |slice: &[f32]| slice.iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>();
    gradients.into_iter().map(squares).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A slice that decays and one that does not, both `w`, both with gradient 1.
    fn step(optimiser: &mut Optimiser, w: &mut [f32; 2], rate: f32, share: f32) {
        let [a, b] = w.each_mut().map(core::slice::from_mut);
        let gradient = &[1.0];
        let slices = [(a, true), (b, false)].map(|(weights, decays)| Parameters {
            weights,
            gradient,
            decays,
        });
        optimiser.step(slices, rate, share);
    }

    #[test]
    fn two_steps_of_sgd_by_hand() {
        let rule = Rule::Sgd {
            momentum: 0.5,
            decay: 0.25,
        };
        let mut optimiser = Optimiser::new(rule, &[1, 1]);
        let mut w = [2.0, 2.0];
        step(&mut optimiser, &mut w, 0.5, 1.0);
        // g = 1 + 0.25 * 2, v = 1.5, w = 2 - 0.5 (1.5 + 0.75); without decay g = v = 1.
        assert_eq!(w, [0.875, 1.25]);
        step(&mut optimiser, &mut w, 0.5, 1.0);
        let velocity = optimiser.memory().next().unwrap();
        assert_eq!((velocity.0, velocity.1[1][0]), ("velocity", 1.5));
        assert_eq!(w[1], 1.25 - 0.5 * 1.75);
        // A share of the gradient is a smaller gradient.
        let mut w = [0.0, 0.0];
        step(&mut Optimiser::new(rule, &[1, 1]), &mut w, 0.5, 0.5);
        assert_eq!(w, [-0.375, -0.375]);
    }

    #[test]
    fn two_steps_of_adam_w_by_hand() {
        let rule = Rule::AdamW {
            beta1: 0.5,
            beta2: 0.75,
            epsilon: 0.0,
            decay: 0.5,
        };
        let mut optimiser = Optimiser::new(rule, &[1, 1]);
        let mut w = [2.0, 2.0];
        // Equal gradients: both unbiased means are 1 all the time, so every step is the rate.
        step(&mut optimiser, &mut w, 0.25, 1.0);
        assert!(
            (w[0] - (2.0 * 0.875 - 0.25)).abs() < 1e-6 && (w[1] - 1.75).abs() < 1e-6,
            "{w:?}"
        );
        step(&mut optimiser, &mut w, 0.25, 1.0);
        assert!((w[1] - 1.5).abs() < 1e-6, "{w:?}");
        let squares = optimiser.memory().nth(1).unwrap();
        assert_eq!((squares.0, squares.1[0][0]), ("square", 0.75 * 0.25 + 0.25));
    }

    #[test]
    fn a_restored_optimiser_goes_on() {
        for rule in [
            Rule::Sgd {
                momentum: 0.9,
                decay: 1e-4,
            },
            Rule::AdamW {
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
                decay: 1e-2,
            },
        ] {
            let mut whole = Optimiser::new(rule, &[1, 1]);
            let mut w = [1.0, 1.0];
            step(&mut whole, &mut w, 0.1, 1.0);
            let memory = whole.memory().map(|(_, slices)| slices.to_vec()).collect();
            let mut restored = Optimiser::restored(rule, whole.steps(), memory);
            let mut other = w;
            step(&mut whole, &mut w, 0.1, 0.3);
            step(&mut restored, &mut other, 0.1, 0.3);
            assert_eq!((w, whole), (other, restored));
        }
    }

    #[test]
    #[should_panic(expected = "number of slices")]
    fn a_missing_slice_is_noticed() {
        let rule = Rule::Sgd {
            momentum: 0.0,
            decay: 0.0,
        };
        Optimiser::new(rule, &[1, 1]).step([], 0.1, 1.0);
    }

    #[test]
    fn norm_is_that_of_one_long_vector() {
        assert_eq!(norm([&[3.0f32][..], &[0.0, 4.0]]), 5.0);
    }
}
