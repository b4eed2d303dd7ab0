//! Scales the bytes of a measurement and adds noise.

use super::draw::signed;
use super::settings::{Augment, Ground};
use rand_chacha::rand_core::Rng;
use rand_distr::{Distribution, StandardNormal};

impl Augment {
    /// Scales the channels of an image and adds noise.
    pub(super) fn measure(&self, ground: &Ground, bits: &mut impl Rng, image: &mut [u8]) {
        let channels = ground.shape.channels;
        if self.scale > 0.0 {
            for (channel, &zero) in ground.zero.iter().enumerate() {
                let (factor, zero) = (1.0 + self.scale * signed(bits), f32::from(zero));
                for byte in image[channel..].iter_mut().step_by(channels) {
                    // A cast from float saturates.
                    *byte = (zero + (f32::from(*byte) - zero) * factor).round() as u8;
                }
            }
        }
        if self.jitter > 0.0 {
            for byte in image {
                let noise: f32 = StandardNormal.sample(bits);
                *byte = (f32::from(*byte) + self.jitter * noise).round() as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::{ground, outcomes};
    use super::*;

    #[test]
    fn zero_stays_and_other_values_keep_their_sign() {
        let augment = Augment {
            scale: 0.5,
            ..Augment::default()
        };
        let image = [128, 228, 128, 28, 128, 255];
        let mut seen = std::collections::BTreeSet::new();
        for out in outcomes(augment, &image, &ground(1, 3, 2, 9), 200) {
            assert_eq!((out[0], out[2], out[4]), (128, 128, 128));
            // One factor for the whole channel: equal distances from zero stay equal.
            let (up, down) = (i32::from(out[1]) - 128, 128 - i32::from(out[3]));
            assert!((50..=127).contains(&up) && (up == down || up == 127), "{out:?}");
            seen.insert(up);
        }
        assert!(seen.len() > 30, "{seen:?}");
    }

    #[test]
    fn noise_has_its_deviation() {
        let augment = Augment {
            jitter: 5.0,
            ..Augment::default()
        };
        let out = outcomes(augment, &[100; 2000], &ground(1, 1000, 2, 9), 1).concat();
        let apart = out.iter().map(|&v| f32::from(v) - 100.0);
        let (mean, square) = apart.fold((0.0, 0.0), |(m, s), v| (m + v / 2000.0, s + v * v / 2000.0));
        assert!(
            mean.abs() < 0.5 && (square.sqrt() - 5.0).abs() < 0.4,
            "{mean} {square}"
        );
    }
}
