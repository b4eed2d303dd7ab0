//! Changes brightness, contrast, rotation and position of an image.

use super::draw::{below, signed};
use super::settings::{Augment, Fill, Ground};
use rand_chacha::rand_core::Rng;

/// Largest change of a byte, at magnitude 1.
const BRIGHTNESS: f32 = 96.0;
/// Largest change of the factor of the distance from the mean, which is 1 without change.
const CONTRAST: f32 = 0.8;
/// Largest rotation, in degrees.
const DEGREES: f32 = 30.0;
/// Largest translation, as a share of the side.
const SHARE: f32 = 0.25;

impl Augment {
    /// Applies the operations of the recipe to an image.
    pub(super) fn change(&self, ground: &Ground, bits: &mut impl Rng, image: &mut [u8]) {
        let channels = ground.shape.channels;
        for _ in 0..self.operations {
            let operation = below(5, bits);
            let by = self.magnitude * signed(bits);
            match operation {
                0 => {
                    for byte in image.iter_mut() {
                        // A cast from float saturates.
                        *byte = (f32::from(*byte) + BRIGHTNESS * by).round() as u8;
                    }
                }
                1 => {
                    let count = (image.len() / channels) as f32;
                    for channel in 0..channels {
                        let sum: u64 = image[channel..]
                            .iter()
                            .step_by(channels)
                            .map(|v| u64::from(*v))
                            .sum();
                        let mean = sum as f32 / count;
                        for byte in image[channel..].iter_mut().step_by(channels) {
                            let apart = f32::from(*byte) - mean;
                            *byte = (mean + apart * (1.0 + CONTRAST * by)).round() as u8;
                        }
                    }
                }
                2 => self.draw(ground, (DEGREES * by).to_radians(), [0.0; 2], image),
                3 => self.draw(ground, 0.0, [SHARE * by * ground.shape.height as f32, 0.0], image),
                _ => self.draw(ground, 0.0, [0.0, SHARE * by * ground.shape.width as f32], image),
            }
        }
    }

    /// Rotates an image by `angle` around its centre and translates it by `[down, right]`, also by fractions of pixels.
    fn draw(&self, ground: &Ground, angle: f32, [down, right]: [f32; 2], image: &mut [u8]) {
        let (height, width, channels) = (ground.shape.height, ground.shape.width, ground.shape.channels);
        let from = image.to_vec();
        // `libm` gives the same result on every machine.
        let (sin, cos) = (libm::sinf(angle), libm::cosf(angle));
        let middle = [(height - 1) as f32 / 2.0, (width - 1) as f32 / 2.0];
        let pixel = |y: f32, x: f32, channel: usize| {
            let inside = y >= 0.0 && x >= 0.0 && y < height as f32 && x < width as f32;
            let at = |y: f32, x: f32| {
                let (y, x) = (
                    (y.max(0.0) as usize).min(height - 1),
                    (x.max(0.0) as usize).min(width - 1),
                );
                f32::from(from[(y * width + x) * channels + channel])
            };
            match self.fill {
                Fill::Black if !inside => 0.0,
                Fill::Mean if !inside => f32::from(ground.mean[channel]),
                _ => at(y, x),
            }
        };
        for (at, out) in image.chunks_exact_mut(channels).enumerate() {
            let (y, x) = (
                (at / width) as f32 - middle[0] - down,
                (at % width) as f32 - middle[1] - right,
            );
            let (y, x) = (cos * y + sin * x + middle[0], cos * x - sin * y + middle[1]);
            let (top, left) = (y.floor(), x.floor());
            let (low, near) = (y - top, x - left);
            for (channel, byte) in out.iter_mut().enumerate() {
                let upper = pixel(top, left, channel) * (1.0 - near) + pixel(top, left + 1.0, channel) * near;
                let lower = pixel(top + 1.0, left, channel) * (1.0 - near)
                    + pixel(top + 1.0, left + 1.0, channel) * near;
                *byte = (upper * (1.0 - low) + lower * low).round() as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::{ground, outcomes};
    use super::*;

    #[test]
    fn rotations_and_translations_by_whole_steps_are_exact() {
        let ground = ground(3, 3, 1, 9);
        let original = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        let drawn = |fill, angle: f32, by| {
            let augment = Augment {
                fill,
                ..Augment::default()
            };
            let mut image = original;
            augment.draw(&ground, angle.to_radians(), by, &mut image);
            image
        };
        assert_eq!(drawn(Fill::Black, 0.0, [0.0; 2]), original);
        assert_eq!(drawn(Fill::Edge, 180.0, [0.0; 2]), [9, 8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(drawn(Fill::Edge, 90.0, [0.0; 2]), [3, 6, 9, 2, 5, 8, 1, 4, 7]);
        assert_eq!(drawn(Fill::Black, 0.0, [1.0, 0.0]), [0, 0, 0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(drawn(Fill::Mean, 0.0, [0.0, 1.0]), [9, 1, 2, 9, 4, 5, 9, 7, 8]);
        assert_eq!(drawn(Fill::Edge, 0.0, [0.0, -1.0]), [2, 3, 3, 5, 6, 6, 8, 9, 9]);
    }

    #[test]
    fn every_operation_occurs_and_magnitude_0_changes_nothing() {
        let ground = ground(3, 3, 1, 9);
        let original = [1, 200, 3, 4, 50, 6, 7, 80, 9];
        let augment = |magnitude| Augment {
            operations: 1,
            magnitude,
            ..Augment::default()
        };
        for out in outcomes(augment(0.0), &original, &ground, 50) {
            assert_eq!(out, original);
        }
        let changed = outcomes(augment(1.0), &original, &ground, 50);
        let other = changed.iter().filter(|out| **out != original).count();
        assert!(other > 45, "{other}");
    }
}
