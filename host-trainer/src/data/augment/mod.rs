//! What happens to training pictures, as raw bytes, while a batch is gathered; belongs to `data`, before `train`'s steps.
//!
//! A picture is moved and mirrored, then changed by operations, turned, scaled and jittered as a measurement, then covered
//! in part; at last a batch's pictures are mixed. Moving and mirroring have random numbers of their own, so that the rest
//! changes nothing about them.

mod change;
mod cover;
mod measurement;
mod mix;
mod shift;
mod turn;

pub(crate) use mix::mix;

use super::Dataset;
use crate::net::Normalisation;
use crate::spec::Input;
use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};

/// What may happen to a training picture. By default nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Pixels it may move in each direction.
    pub shift: usize,
    /// Pixels it may move left and right, where that is not `shift`: a sensor's time.
    pub shift_x: Option<usize>,
    /// Pixels it may move up and down, where that is not `shift`: a spectrogram's time.
    pub shift_y: Option<usize>,
    /// What comes in from outside.
    pub fill: Fill,
    /// Whether it may be mirrored left to right.
    pub flip: bool,
    /// Side, in pixels, of a square that the training mean covers; parts of it may lie outside (`Cutout`).
    pub cutout: usize,
    /// Rows that the training mean covers at most: a spectrogram's times (`SpecAugment`).
    pub mask_rows: usize,
    /// Columns that the training mean covers at most: a spectrogram's bands, a sensor's times.
    pub mask_columns: usize,
    /// Degrees by which triples of channels may turn in space: sensors that are worn otherwise.
    pub turn: f32,
    /// Each channel's distance from zero is multiplied by up to this much more or less than 1.
    pub scale: f32,
    /// Standard deviation, in bytes, of what is added to every byte.
    pub jitter: f32,
    /// How many of brightness, contrast, rotation and two translations are changed, drawn anew for every picture
    /// (`RandAugment`).
    pub operations: usize,
    /// How strongly they are, up to 1.
    pub magnitude: f32,
    /// Pictures are blended with others by shares from Beta(this, this); 0: they are not.
    pub mixup: f32,
    /// Pictures get a rectangle of others, with an area from Beta(this, this); 0: they do not. With `mixup`, each batch
    /// has one of both.
    pub cutmix: f32,
}

/// What comes in from outside of a picture.
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

/// What a data set's pictures have in common.
#[derive(Clone, Debug)]
pub struct Ground {
    shape: Input,
    /// Each channel's mean over the training split, rounded.
    mean: Vec<u8>,
    /// Byte of each channel's zero: what the encoding makes of 0 if there is one, else the mean.
    zero: Vec<u8>,
    /// What a byte of 0 stands for in each channel: in the encoding's unit if there is one, else in bytes from the mean.
    low: Vec<f32>,
    /// What a step of a byte stands for.
    unit: Vec<f32>,
}

impl Ground {
    /// The ground of a data set with this normalisation.
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

impl Augment {
    /// Copies `image` to `out`, with what `bits` say of its place and `more` of everything else. Nothing is drawn from
    /// `more` for what is off.
    ///
    /// # Panics
    ///
    /// When a slice is not one picture of the ground's shape.
    pub fn apply(
        &self,
        image: &[u8],
        ground: &Ground,
        bits: &mut impl Rng,
        more: &mut impl Rng,
        out: &mut [u8],
    ) {
        self.place(image, ground, bits, out);
        self.change(ground, more, out);
        self.turn(ground, more, out);
        self.measure(ground, more, out);
        self.cover(ground, more, out);
    }

    /// The first field whose number is none of an augmentation, with what it must be and what it is.
    pub fn wrong(&self) -> Option<(&'static str, &'static str, f32)> {
        let share = "from 0 to 1";
        let pixels = "from 0 to 4,096";
        let side = denselet::limits::SIDE as f32;
        let counts = [
            ("augment.shift", pixels, self.shift, side),
            ("augment.shift_x", pixels, self.shift_x.unwrap_or(0), side),
            ("augment.shift_y", pixels, self.shift_y.unwrap_or(0), side),
            ("augment.cutout", pixels, self.cutout, side),
            ("augment.mask_rows", pixels, self.mask_rows, side),
            ("augment.mask_columns", pixels, self.mask_columns, side),
            // More change nothing that can still be recognised.
            ("augment.operations", "from 0 to 16", self.operations, 16.0),
        ]
        .map(|(field, expected, found, most)| (field, expected, found as f32, most));
        [
            ("augment.turn", "from 0 to 180", self.turn, 180.0),
            ("augment.scale", share, self.scale, 1.0),
            ("augment.jitter", "from 0 to 255", self.jitter, 255.0),
            ("augment.magnitude", share, self.magnitude, 1.0),
            ("augment.mixup", "from 0 to 1,000", self.mixup, 1000.0),
            ("augment.cutmix", "from 0 to 1,000", self.cutmix, 1000.0),
        ]
        .into_iter()
        .chain(counts)
        .find(|(_, _, found, most)| !(0.0..=*most).contains(found))
        .map(|(field, expected, found, _)| (field, expected, found))
    }
}

/// A number below `count`, which is above 0.
fn below(count: usize, bits: &mut impl Rng) -> usize {
    ((u128::from(bits.next_u64()) * count as u128) >> 64) as usize
}

/// A number from -1 to below 1.
fn signed(bits: &mut impl Rng) -> f32 {
    (bits.next_u32() >> 8) as f32 / (1u32 << 23) as f32 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    pub(super) fn ground(height: usize, width: usize, channels: usize, mean: u8) -> Ground {
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

    /// What becomes of a picture, `count` times.
    pub(super) fn outcomes(augment: Augment, image: &[u8], ground: &Ground, count: usize) -> Vec<Vec<u8>> {
        let mut bits = ChaCha8Rng::seed_from_u64(1);
        let mut more = ChaCha8Rng::seed_from_u64(2);
        let mut one = || {
            let mut out = vec![0xA5; image.len()];
            augment.apply(image, ground, &mut bits, &mut more, &mut out);
            out
        };
        (0..count).map(|_| one()).collect()
    }

    #[test]
    fn what_is_off_draws_nothing() {
        let mut more = ChaCha8Rng::seed_from_u64(2);
        let augment = Augment {
            shift: 1,
            flip: true,
            magnitude: 1.0,
            ..Augment::default()
        };
        let mut bits = ChaCha8Rng::seed_from_u64(1);
        augment.apply(&[7; 9], &ground(3, 3, 1, 9), &mut bits, &mut more, &mut [0; 9]);
        assert_eq!(more, ChaCha8Rng::seed_from_u64(2));
        // Three draws of 32 bits decide the place, whatever is on.
        let mut other = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..3 {
            other.next_u32();
        }
        assert_eq!(bits, other);
    }

    #[test]
    fn wrong_numbers_are_named() {
        assert_eq!(Augment::default().wrong(), None);
        let augment = Augment {
            jitter: f32::NAN,
            ..Augment::default()
        };
        assert!(
            augment
                .wrong()
                .is_some_and(|(field, ..)| field == "augment.jitter")
        );
        let augment = Augment {
            scale: 1.5,
            ..Augment::default()
        };
        assert_eq!(augment.wrong(), Some(("augment.scale", "from 0 to 1", 1.5)));
    }
}
