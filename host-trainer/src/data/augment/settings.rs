//! What may be changed in a training image, and what the changes need of a data set.

use crate::data::set::Dataset;
use crate::net::Normalisation;
use crate::spec::Input;
use serde::{Deserialize, Serialize};

/// What may be changed in a training image; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Largest shift in each direction, in pixels.
    pub shift: usize,
    /// Largest shift left and right, in pixels, if it differs from `shift`: the time of a sensor's samples.
    pub shift_x: Option<usize>,
    /// Largest shift up and down, in pixels, if it differs from `shift`: the time of a spectrogram.
    pub shift_y: Option<usize>,
    /// Content of pixels from outside the image.
    pub fill: Fill,
    /// Whether images may be mirrored left to right.
    pub flip: bool,
    /// Side, in pixels, of a square covered with the training mean; parts of it may lie outside (`Cutout`).
    pub cutout: usize,
    /// Most rows covered with the training mean: times of a spectrogram (`SpecAugment`).
    pub mask_rows: usize,
    /// Most columns covered with the training mean: bands of a spectrogram, times of a sensor.
    pub mask_columns: usize,
    /// Largest angle, in degrees, by which triples of channels are rotated in space: another placement of the sensors.
    pub turn: f32,
    /// Largest change, as a share, of each channel's distance from zero.
    pub scale: f32,
    /// Standard deviation, in bytes, of noise added to every byte.
    pub jitter: f32,
    /// Number of operations per image, drawn from brightness, contrast, rotation and two translations (`RandAugment`).
    pub operations: usize,
    /// Strength of the operations, from 0 to 1.
    pub magnitude: f32,
    /// Parameter of the distribution Beta(`mixup`, `mixup`) of the share of another image that is blended in; 0: off.
    pub mixup: f32,
    /// Parameter of the distribution Beta(`cutmix`, `cutmix`) of the area that a rectangle of another image covers; 0: off.
    /// With `mixup`, each batch uses one of the two.
    pub cutmix: f32,
}

/// Content of pixels from outside an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Fill {
    /// Bytes of 0.
    #[default]
    Black,
    /// Each channel's mean over the training split.
    Mean,
    /// The nearest pixel.
    Edge,
}

/// What the images of a data set have in common.
#[derive(Clone, Debug)]
pub struct Ground {
    pub(super) shape: Input,
    /// Each channel's mean over the training split, rounded.
    pub(super) mean: Vec<u8>,
    /// Byte of each channel's zero: by the encoding if there is one, otherwise the mean.
    pub(super) zero: Vec<u8>,
    /// Value of a byte of 0 in each channel: in the encoding's unit if there is one, otherwise in bytes from the mean.
    pub(super) low: Vec<f32>,
    /// Difference between the values of two neighbouring bytes in each channel.
    pub(super) unit: Vec<f32>,
}

impl Ground {
    /// Returns the ground of a data set with this normalisation.
    pub fn new(data: &Dataset, normalisation: &Normalisation) -> Self {
        let mean: Vec<u8> = normalisation.mean.iter().map(|m| m.round() as u8).collect();
        let shape = data.shape();
        let Some(encoding) = &data.encoding else {
            return Self {
                shape,
                zero: mean.clone(),
                low: normalisation.mean.iter().map(|mean| -mean).collect(),
                unit: vec![1.0; mean.len()],
                mean,
            };
        };
        let ranges = encoding.low.iter().zip(&encoding.high);
        Self {
            shape,
            zero: (0..data.channels).map(|c| encoding.byte(c, 0.0)).collect(),
            low: encoding.low.clone(),
            unit: ranges.map(|(low, high)| (high - low) / 255.0).collect(),
            mean,
        }
    }
}

/// A number that an augmentation must not have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutOfRange {
    /// Field of a recipe.
    pub field: &'static str,
    /// Range that is expected.
    pub expected: &'static str,
    /// Number that was found.
    pub found: f32,
}

impl Augment {
    /// Returns the first number that is out of its range.
    pub fn out_of_range(&self) -> Option<OutOfRange> {
        let check = |field, expected, found: f32, most: f32| {
            (!(0.0..=most).contains(&found)).then_some(OutOfRange {
                field,
                expected,
                found,
            })
        };
        let pixels = |field, found: usize| {
            check(
                field,
                "from 0 to 4,096",
                found as f32,
                denselet::limits::SIDE as f32,
            )
        };
        check("augment.turn", "from 0 to 180", self.turn, 180.0)
            .or_else(|| check("augment.scale", "from 0 to 1", self.scale, 1.0))
            .or_else(|| check("augment.jitter", "from 0 to 255", self.jitter, 255.0))
            .or_else(|| check("augment.magnitude", "from 0 to 1", self.magnitude, 1.0))
            .or_else(|| check("augment.mixup", "from 0 to 1,000", self.mixup, 1000.0))
            .or_else(|| check("augment.cutmix", "from 0 to 1,000", self.cutmix, 1000.0))
            .or_else(|| pixels("augment.shift", self.shift))
            .or_else(|| pixels("augment.shift_x", self.shift_x.unwrap_or(0)))
            .or_else(|| pixels("augment.shift_y", self.shift_y.unwrap_or(0)))
            .or_else(|| pixels("augment.cutout", self.cutout))
            .or_else(|| pixels("augment.mask_rows", self.mask_rows))
            .or_else(|| pixels("augment.mask_columns", self.mask_columns))
            // More operations leave nothing recognisable.
            .or_else(|| check("augment.operations", "from 0 to 16", self.operations as f32, 16.0))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::data::Draws;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    pub(in super::super) fn ground(height: usize, width: usize, channels: usize, mean: u8) -> Ground {
        Ground {
            shape: Input {
                height,
                width,
                channels,
            },
            mean: vec![mean; channels],
            zero: vec![128; channels],
            low: vec![-128.0; channels],
            unit: vec![1.0; channels],
        }
    }

    /// Returns an image augmented `count` times.
    pub(in super::super) fn outcomes(
        augment: Augment,
        image: &[u8],
        ground: &Ground,
        count: usize,
    ) -> Vec<Vec<u8>> {
        let mut place = ChaCha8Rng::seed_from_u64(1);
        let mut rest = ChaCha8Rng::seed_from_u64(2);
        let mut one = || {
            let mut out = vec![0xA5; image.len()];
            let draws = Draws {
                place: &mut place,
                rest: &mut rest,
            };
            augment.apply(ground, draws, image, &mut out);
            out
        };
        (0..count).map(|_| one()).collect()
    }

    #[test]
    fn what_is_off_draws_nothing() {
        let mut rest = ChaCha8Rng::seed_from_u64(2);
        let augment = Augment {
            shift: 1,
            flip: true,
            magnitude: 1.0,
            ..Augment::default()
        };
        let mut place = ChaCha8Rng::seed_from_u64(1);
        let draws = Draws {
            place: &mut place,
            rest: &mut rest,
        };
        augment.apply(&ground(3, 3, 1, 9), draws, &[7; 9], &mut [0; 9]);
        assert_eq!(rest, ChaCha8Rng::seed_from_u64(2));
        // Three draws of 32 bits decide the place, whatever is on.
        let mut other = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..3 {
            other.next_u32();
        }
        assert_eq!(place, other);
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        assert_eq!(Augment::default().out_of_range(), None);
        let augment = Augment {
            jitter: f32::NAN,
            ..Augment::default()
        };
        assert_eq!(
            augment.out_of_range().map(|found| found.field),
            Some("augment.jitter")
        );
        let augment = Augment {
            scale: 1.5,
            ..Augment::default()
        };
        let expected = OutOfRange {
            field: "augment.scale",
            expected: "from 0 to 1",
            found: 1.5,
        };
        assert_eq!(augment.out_of_range(), Some(expected));
    }
}
