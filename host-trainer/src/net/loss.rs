//! The loss of a batch of logits, and its gradients.

/// What logits are held against besides labels. By default nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loss<'a> {
    /// Share of the labels spread over all classes, from 0 to below 1.
    pub smoothing: f32,
    /// What an image shows instead of its label alone: shares `[image][class]`, each row's sum 1.
    pub shares: Option<&'a [f32]>,
    /// What an image of each class counts; an image of several counts what they do by their shares.
    pub class_weights: Option<&'a [f32]>,
    /// A network to take after.
    pub teacher: Option<Teacher<'a>>,
}

/// What a teacher says of a batch (Hinton, Vinyals, Dean, 2015).
#[derive(Clone, Copy, Debug)]
pub struct Teacher<'a> {
    /// Its logits, `[image][class]`.
    pub logits: &'a [f32],
    /// Divides both networks' logits, above 0.
    pub temperature: f32,
    /// Share of the loss that is the distance from the teacher, from 0 to 1; the rest is cross-entropy.
    pub weight: f32,
}

/// What a batch's logits are worth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Mean loss of an image.
    pub loss: f64,
    /// Images whose largest logit is their label's.
    pub correct: usize,
}

impl Loss<'_> {
    /// Softmax and cross-entropy, mixed with the distance from the teacher; turns logits, `[image][class]`, into their
    /// gradients.
    ///
    /// # Panics
    ///
    /// When a label, the shares, the weights or the teacher's logits do not fit the logits.
    pub fn take(&self, logits: &mut [f32], labels: &[u16]) -> Score {
        let classes = logits.len() / labels.len().max(1);
        let share = 1.0 / labels.len().max(1) as f32;
        let mut score = Score::default();
        for (at, (row, &label)) in logits.chunks_exact_mut(classes).zip(labels).enumerate() {
            let label = usize::from(label);
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            // Ties count for the first, as they do on the device.
            score.correct += usize::from(row.iter().position(|v| *v == largest) == Some(label));
            let shares = self.shares.map(|shares| &shares[at * classes..][..classes]);
            let weight = match (self.class_weights, shares) {
                (None, _) => 1.0,
                (Some(weights), None) => weights[label],
                (Some(weights), Some(shares)) => weights.iter().zip(shares).map(|(w, s)| w * s).sum(),
            };
            let pull = self.teacher.map(|teacher| {
                let other = &teacher.logits[at * classes..][..classes];
                let soft = [&*row, other].map(|logits| Soft::new(logits, teacher.temperature));
                score.loss += teacher.distance([&*row, other], &soft);
                (teacher, soft)
            });
            let weight = self
                .teacher
                .map_or(weight, |teacher| weight * (1.0 - teacher.weight));
            let sum: f64 = row.iter().map(|v| f64::from(v - largest).exp()).sum();
            for (class, value) in row.iter_mut().enumerate() {
                let is = shares.map_or(if class == label { 1.0 } else { 0.0 }, |shares| shares[class]);
                let target = self.smoothing / classes as f32 + (1.0 - self.smoothing) * is;
                let log = f64::from(*value - largest) - sum.ln();
                score.loss -= f64::from(weight) * f64::from(target) * log;
                let mut gradient = weight * (log.exp() as f32 - target);
                if let Some((teacher, [own, other])) = &pull {
                    let apart = own.log(*value).exp() - other.log(teacher.logits[at * classes + class]).exp();
                    gradient += teacher.weight * teacher.temperature * apart as f32;
                }
                *value = gradient * share;
            }
        }
        score.loss /= labels.len().max(1) as f64;
        score
    }
}

impl Teacher<'_> {
    /// Share times Kullback-Leibler distance of one image, times the squared temperature, so that its gradients stay as large.
    fn distance(&self, [own, other]: [&[f32]; 2], [soft_own, soft_other]: &[Soft; 2]) -> f64 {
        let terms = own.iter().zip(other).map(|(own, other)| {
            let log = soft_other.log(*other);
            log.exp() * (log - soft_own.log(*own))
        });
        f64::from(self.weight * self.temperature * self.temperature) * terms.sum::<f64>()
    }
}

/// The softmax of one image's logits at a temperature.
struct Soft {
    largest: f32,
    temperature: f32,
    /// Logarithm of the sum.
    sum: f64,
}

impl Soft {
    fn new(row: &[f32], temperature: f32) -> Self {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum = row.iter().map(|v| f64::from((v - largest) / temperature).exp());
        Self {
            largest,
            temperature,
            sum: sum.sum::<f64>().ln(),
        }
    }

    /// Logarithm of the probability of a class with this logit.
    fn log(&self, logit: f32) -> f64 {
        f64::from((logit - self.largest) / self.temperature) - self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_logits_cost_the_logarithm() {
        let mut logits = vec![2.0; 8];
        let score = Loss::default().take(&mut logits, &[0, 1]);
        assert!((score.loss - 4f64.ln()).abs() < 1e-6);
        assert_eq!(score.correct, 1);
        assert_eq!(logits[..2], [-0.375, 0.125]);
    }

    #[test]
    fn shares_of_one_label_are_the_label() {
        let loss = Loss {
            smoothing: 0.1,
            ..Loss::default()
        };
        let mut hard = vec![0.3, -1.0, 2.0];
        let mut soft = hard.clone();
        let score = loss.take(&mut hard, &[1]);
        let shares = Some(&[0.0, 1.0, 0.0][..]);
        assert_eq!(score, Loss { shares, ..loss }.take(&mut soft, &[1]));
        assert_eq!(hard, soft);
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let shares = [0.25, 0.75, 0.0, 0.0, 0.0, 1.0];
        let loss = Loss {
            smoothing: 0.1,
            shares: Some(&shares),
            class_weights: Some(&[0.5, 2.0, 1.0]),
            teacher: Some(Teacher {
                logits: &[1.0, 0.5, -1.0, 0.0, 3.0, 2.0],
                temperature: 3.0,
                weight: 0.6,
            }),
        };
        let logits = [0.5f32, -0.25, 1.0, 2.0, 0.0, -1.0];
        let mut gradient = logits;
        loss.take(&mut gradient, &[1, 2]);
        for at in 0..6 {
            let value = |by: f32| {
                let mut moved = logits;
                moved[at] += by;
                loss.take(&mut moved, &[1, 2]).loss
            };
            let expected = (value(1e-2) - value(-1e-2)) / 2e-2;
            assert!(
                (expected - f64::from(gradient[at])).abs() < 1e-4,
                "{at}: {expected} {gradient:?}"
            );
        }
    }

    #[test]
    fn a_copied_teacher_costs_nothing() {
        let teacher = Teacher {
            logits: &[1.0, 2.0],
            temperature: 2.0,
            weight: 1.0,
        };
        let loss = Loss {
            teacher: Some(teacher),
            ..Loss::default()
        };
        let mut logits = [1.0, 2.0];
        assert!(loss.take(&mut logits, &[0]).loss.abs() < 1e-9);
        assert!(logits.iter().all(|g| g.abs() < 1e-6), "{logits:?}");
    }
}
