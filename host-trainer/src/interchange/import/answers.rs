//! What a framework's answers say of the logits: probabilities are turned back as far as their numbers reach. A step of `check`.

use super::found::Ending;

/// What answers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// Logits.
    Logits,
    /// Probabilities of a softmax.
    Shares,
    /// Their logarithms.
    Logarithms,
    /// One probability per image: a sigmoid's.
    Sigmoid,
}

/// Logits to compare.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    /// Found and expected.
    pub(super) both: Vec<(f64, f64)>,
    /// How many there are, with those that the answers do not tell.
    pub(super) all: usize,
    /// How far a logit is on the wrong side of what a saturated answer allows.
    pub(super) excess: f64,
    /// Whether a logit of 0 belongs to the range: the other of two, or the largest, which the others are counted from.
    pub(super) has_zero: bool,
}

/// The smallest probability that tells a logit: 6.1e-5 is the smallest of float16 with all its bits.
const SMALLEST: f64 = 1e-4;

impl Answers {
    /// What `values` are: what the file's network ends in, unless a softmax was added or left out where they were computed.
    pub(super) fn of(ending: Ending, values: &[f32], outputs: usize) -> Self {
        if outputs == 1 {
            return match ending {
                Ending::Sigmoid if values.iter().all(|value| (0.0..=1.0).contains(value)) => Self::Sigmoid,
                _ => Self::Logits,
            };
        }
        let rows = || values.chunks_exact(outputs);
        let is_one = |sum: f64| (sum - 1.0).abs() < 0.02;
        let are_shares = rows().all(|row| {
            row.iter().all(|share| *share >= 0.0) && is_one(row.iter().map(|share| f64::from(*share)).sum())
        });
        let are_logarithms = rows().all(|row| is_one(row.iter().map(|value| f64::from(*value).exp()).sum()));
        if are_shares {
            Self::Shares
        } else if are_logarithms {
            Self::Logarithms
        } else {
            Self::Logits
        }
    }

    /// What the answers of one score may be instead: logits and probabilities may both lie between 0 and 1.
    pub(super) fn of_one_score(self, values: &[f32], outputs: usize) -> Option<Self> {
        let are_shares = || values.iter().all(|value| (0.0..=1.0).contains(value));
        match self {
            Self::Sigmoid => Some(Self::Logits),
            Self::Logits if outputs == 1 && are_shares() => Some(Self::Sigmoid),
            _ => None,
        }
    }

    /// The logits of `found` beside those that `expected` tells.
    pub(super) fn pairs(self, found: &[f32], expected: &[f32], outputs: usize) -> Pairs {
        let mut pairs = Pairs {
            has_zero: outputs == 1 || matches!(self, Self::Shares | Self::Logarithms),
            ..Pairs::default()
        };
        if found.len() != expected.len() {
            pairs.excess = f64::INFINITY;
            return pairs;
        }
        for (found, expected) in found.chunks_exact(outputs).zip(expected.chunks_exact(outputs)) {
            match self {
                Self::Logits => {
                    for (found, expected) in found.iter().zip(expected) {
                        pairs.push(f64::from(*found), f64::from(*expected));
                    }
                }
                Self::Sigmoid => {
                    for (found, share) in found.iter().zip(expected) {
                        let share = f64::from(*share);
                        pairs.told(f64::from(*found), share, 1.0 - share);
                    }
                }
                Self::Shares | Self::Logarithms => self.row(found, expected, &mut pairs),
            }
        }
        pairs
    }

    /// One softmax: logits as far as they lie below the largest, which is all that it keeps of them.
    fn row(self, found: &[f32], expected: &[f32], pairs: &mut Pairs) {
        let largest = (0..expected.len()).fold(
            0,
            |best, at| if expected[at] > expected[best] { at } else { best },
        );
        for at in (0..expected.len()).filter(|at| *at != largest) {
            let below = f64::from(found[at]) - f64::from(found[largest]);
            let (one, most) = (f64::from(expected[at]), f64::from(expected[largest]));
            if self == Self::Logarithms {
                pairs.push(below, one - most);
            } else {
                pairs.told(below, one, most);
            }
        }
    }
}

impl Pairs {
    fn push(&mut self, found: f64, expected: f64) {
        self.all += 1;
        self.both.push((found, expected));
    }

    /// The logit `ln(one / other)`, if both probabilities are large enough to tell it; else only its side counts.
    fn told(&mut self, found: f64, one: f64, other: f64) {
        if one > SMALLEST && other > SMALLEST {
            return self.push(found, (one / other).ln());
        }
        self.all += 1;
        let side = if one > other { found } else { -found };
        // A saturated answer says that the logit is beyond this; a little less is rounding.
        let least = 0.9 * -SMALLEST.ln();
        if side.is_nan() {
            self.excess = f64::INFINITY;
        } else if side < least {
            self.excess = self.excess.max(least - side);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_tell_logits_until_they_saturate() {
        let pairs = Answers::Shares.pairs(&[1.0, 3.0], &[0.119_202_92, 0.880_797_1], 2);
        assert_eq!((pairs.both.len(), pairs.all), (1, 1));
        assert!((pairs.both[0].0 - pairs.both[0].1).abs() < 1e-6);
        let right = Answers::Shares.pairs(&[-20.0, 20.0], &[0.0, 1.0], 2);
        assert!(right.both.is_empty() && right.excess == 0.0);
        let wrong = Answers::Shares.pairs(&[20.0, -20.0], &[0.0, 1.0], 2);
        assert!(wrong.excess > 40.0);
        assert_eq!(Answers::Sigmoid.pairs(&[0.0], &[0.5], 1).both, [(0.0, 0.0)]);
    }

    #[test]
    fn answers_are_recognised() {
        assert_eq!(Answers::of(Ending::Logits, &[0.25, 0.75], 2), Answers::Shares);
        assert_eq!(Answers::of(Ending::Softmax, &[-3.0, 7.0], 2), Answers::Logits);
        assert_eq!(
            Answers::of(Ending::Softmax, &[0.5f32.ln(); 2], 2),
            Answers::Logarithms
        );
        assert_eq!(Answers::of(Ending::Sigmoid, &[0.5], 1), Answers::Sigmoid);
        assert_eq!(Answers::of(Ending::Logits, &[0.5], 1), Answers::Logits);
        assert_eq!(Answers::Logits.of_one_score(&[0.5], 1), Some(Answers::Sigmoid));
        assert_eq!(Answers::Logits.of_one_score(&[1.5], 1), None);
        assert_eq!(Answers::Logits.of_one_score(&[0.5, 0.5], 2), None);
    }
}
