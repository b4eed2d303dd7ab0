//! What an inference gives: integers, their scale, and what people make of them. The only float in the library, and
//! it comes after the last integer.

use half::f16;
use heapless::Vec;

/// The logits of one image.
#[derive(Clone, Copy, Debug)]
pub struct Logits<'a> {
    values: &'a [i32],
    scale: f16,
}

#[cfg(feature = "defmt")]
impl defmt::Format for Logits<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=[?]}", self.values);
    }
}

impl<'a> Logits<'a> {
    pub(crate) fn new(values: &'a [i32], scale: f16) -> Self {
        Self { values, scale }
    }

    /// One integer per class, all in one scale.
    pub fn as_slice(&self) -> &'a [i32] {
        self.values
    }

    /// One integer per class, in order.
    pub fn iter(&self) -> impl Iterator<Item = i32> + 'a {
        self.values.iter().copied()
    }

    /// What a logit of 1 stands for.
    pub fn scale(&self) -> f16 {
        self.scale
    }

    /// The class with the largest logit, the first of them where several are equal.
    pub fn argmax(&self) -> usize {
        let best = self
            .values
            .iter()
            .enumerate()
            .rev()
            .max_by_key(|(_, value)| **value);
        best.map_or(0, |(class, _)| class)
    }

    /// The `K` classes with the largest logits and those logits, largest first; equal ones in order of class.
    pub fn top<const K: usize>(&self) -> Vec<(usize, i32), K> {
        let mut top: Vec<(usize, i32), K> = Vec::new();
        for (class, &value) in self.values.iter().enumerate() {
            let rank = top
                .iter()
                .position(|&(_, other)| value > other)
                .unwrap_or(top.len());
            if rank == K {
                continue;
            }
            if top.is_full() {
                top.pop();
            }
            // There is room now, and `rank` is at most the length.
            let _ = top.insert(rank, (class, value));
        }
        top
    }

    /// The softmax of the logits, one per class, into `out` (as many as fit): about three digits, as micromath's
    /// exponential has.
    pub fn probabilities(&self, out: &mut [f32]) {
        let scale = self.scale.to_f32();
        let largest = self.values.iter().copied().max().unwrap_or(0);
        let mut sum = 0.0;
        for (probability, &value) in out.iter_mut().zip(self.values) {
            let distance = (i64::from(value) - i64::from(largest)) as f32 * scale;
            *probability = micromath::F32(distance.max(-80.0)).exp().0;
            sum += *probability;
        }
        for probability in out.iter_mut().take(self.values.len()) {
            *probability /= sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_is_sorted_and_stable() {
        let logits = Logits::new(&[3, 9, -1, 9, 4], f16::from_f32(0.5));
        assert_eq!(logits.top::<3>().as_slice(), &[(1, 9), (3, 9), (4, 4)]);
        assert_eq!(logits.top::<9>().len(), 5);
        assert!(logits.top::<0>().is_empty());
        assert_eq!(logits.argmax(), 1);
    }

    #[test]
    fn probabilities_are_the_softmax() {
        let logits = Logits::new(&[0, 2, 4], f16::from_f32(0.5));
        let mut out = [0.0; 3];
        logits.probabilities(&mut out);
        for (found, expected) in out.iter().zip([0.0900, 0.2447, 0.6652]) {
            assert!((found - expected).abs() < 5e-3, "{out:?}");
        }
    }
}
