//! Rotates the axes of sensors, as another placement on the body does.
//!
//! Channels are triples of x, y, z: acceleration, angular velocity, a magnetic field. All triples of an image rotate by the same
//! angle around the same axis, in the encoding's units (Um et al. 2017, *Data Augmentation of Wearable Sensor Data*, section 3).

use super::draw::signed;
use super::settings::{Augment, Ground};
use rand_chacha::rand_core::Rng;
use rand_distr::{Distribution, StandardNormal};

impl Augment {
    /// Rotates the triples of an image.
    pub(super) fn turn(&self, ground: &Ground, bits: &mut impl Rng, image: &mut [u8]) {
        if self.turn == 0.0 {
            return;
        }
        // Three normally distributed numbers give a uniformly distributed direction.
        let axis: [f32; 3] = core::array::from_fn(|_| StandardNormal.sample(bits));
        let angle = (self.turn * signed(bits)).to_radians();
        let rotation = rotation(axis, angle);
        for pixel in image.chunks_exact_mut(ground.shape.channels) {
            let triples = pixel.as_chunks_mut::<3>().0.iter_mut();
            let grounds = (ground.low.as_chunks::<3>().0.iter()).zip(ground.unit.as_chunks::<3>().0);
            for (bytes, (low, unit)) in triples.zip(grounds) {
                let value: [f32; 3] = core::array::from_fn(|c| low[c] + f32::from(bytes[c]) * unit[c]);
                for (c, row) in rotation.iter().enumerate() {
                    let turned: f32 = row.iter().zip(value).map(|(r, v)| r * v).sum();
                    // A cast from float saturates.
                    bytes[c] = ((turned - low[c]) / unit[c]).round() as u8;
                }
            }
        }
    }
}

/// Returns the rows of the rotation matrix around an axis of any length (Rodrigues' formula).
fn rotation(axis: [f32; 3], angle: f32) -> [[f32; 3]; 3] {
    let length = axis.iter().map(|a| a * a).sum::<f32>().sqrt().max(1e-6);
    let [x, y, z] = axis.map(|a| a / length);
    // `libm` gives the same result on every machine.
    let (sin, cos) = (libm::sinf(angle), libm::cosf(angle));
    let rest = 1.0 - cos;
    [
        [cos + x * x * rest, x * y * rest - z * sin, x * z * rest + y * sin],
        [y * x * rest + z * sin, cos + y * y * rest, y * z * rest - x * sin],
        [z * x * rest - y * sin, z * y * rest + x * sin, cos + z * z * rest],
    ]
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::outcomes;
    use super::*;
    use crate::spec::Input;

    #[test]
    fn a_quarter_turn_takes_x_to_y() {
        let turned = rotation([0.0, 0.0, 2.0], 90_f32.to_radians());
        let close = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        // The columns are the images of x, y and z.
        assert!(close(turned.map(|row| row[0]), [0.0, 1.0, 0.0]), "{turned:?}");
        assert!(close(turned.map(|row| row[1]), [-1.0, 0.0, 0.0]), "{turned:?}");
        assert!(close(turned.map(|row| row[2]), [0.0, 0.0, 1.0]), "{turned:?}");
    }

    #[test]
    fn lengths_stay_and_triples_rotate_together() {
        // The second triple has half the unit and zero elsewhere; the last channel is of no triple.
        let ground = Ground {
            shape: Input {
                height: 1,
                width: 1,
                channels: 7,
            },
            mean: vec![9; 7],
            zero: vec![128; 7],
            low: vec![-1.28, -1.28, -1.28, -0.5, -0.5, -0.5, 0.0],
            unit: vec![0.01, 0.01, 0.01, 0.005, 0.005, 0.005, 1.0],
        };
        let augment = Augment {
            turn: 20.0,
            ..Augment::default()
        };
        let image = [128 + 60, 128, 128, 100 + 120, 100, 100, 77];
        let mut most = 0.0_f32;
        for out in outcomes(augment, &image, &ground, 100) {
            let value = |c: usize| ground.low[c] + f32::from(out[c]) * ground.unit[c];
            let length = (0..3).map(|c| value(c) * value(c)).sum::<f32>().sqrt();
            assert!((length - 0.6).abs() < 0.01, "{out:?}");
            assert!((0..3).all(|c| (value(c) - value(c + 3)).abs() < 0.01), "{out:?}");
            assert_eq!(out[6], 77);
            most = most.max(libm::acosf((value(0) / length).min(1.0)).to_degrees());
        }
        assert!((12.0..21.0).contains(&most), "{most}");
    }
}
