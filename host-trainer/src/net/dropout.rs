//! Dropout whose mask is a function of its place, so that the backward pass needs no memory of it.

/// Dropout after one convolution in one step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dropout {
    /// Probability of dropping a value.
    pub(super) probability: f32,
    /// Different for every step and every convolution.
    key: u64,
}

/// Mixes all bits of `x` (the finaliser of splitmix64).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

impl Dropout {
    /// Dropout of convolution `place` in the step that `key` stands for; none if nothing is dropped.
    pub(super) fn new(probability: f32, key: u64, place: usize) -> Option<Self> {
        let key = mix(key ^ mix(place as u64 + 1));
        (probability > 0.0).then_some(Self { probability, key })
    }

    /// Drops or scales values whose first has number `at` among the batch's.
    pub(super) fn apply(self, values: &mut [f32], at: usize) {
        let scale = 1.0 / (1.0 - self.probability);
        for (offset, value) in values.iter_mut().enumerate() {
            let draw = mix(self.key.wrapping_add((at + offset) as u64)) >> 40;
            let keep = draw as f32 / (1u32 << 24) as f32 >= self.probability;
            *value = if keep { *value * scale } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mask_depends_on_place_only() {
        let dropout = Dropout::new(0.4, 7, 3).unwrap();
        let mut whole = vec![1.0; 10_000];
        dropout.apply(&mut whole, 0);
        let mut part = vec![1.0; 100];
        dropout.apply(&mut part, 500);
        assert_eq!(part, whole[500..600]);
        let kept = whole.iter().filter(|&&v| v > 0.0).count();
        assert!((5800..6200).contains(&kept), "{kept}");
        let mut other = vec![1.0; 10_000];
        Dropout::new(0.4, 7, 4).unwrap().apply(&mut other, 0);
        assert_ne!(whole, other);
        assert!(Dropout::new(0.0, 7, 3).is_none());
    }
}
