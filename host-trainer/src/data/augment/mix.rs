//! Mixes the images of a batch and their labels: mixup and `CutMix`.

use super::draw::below;
use super::settings::Augment;
use crate::spec::Input;
use rand_chacha::rand_core::Rng;
use rand_distr::{Beta, Distribution};

/// The images of a batch, `[image][row][column][channel]`, and a label for each.
#[derive(Debug)]
pub(crate) struct LabelledImages<'b> {
    pub(crate) images: &'b mut [u8],
    pub(crate) labels: &'b mut [u16],
    pub(crate) shape: Input,
    pub(crate) classes: usize,
}

impl Augment {
    /// Mixes each image of a batch with the next one, the last with the first; their order is random already. Returns the
    /// share of each class in each image, `[image][class]`, or nothing if mixing is off. Each label becomes the class with
    /// the largest share.
    ///
    /// # Panics
    ///
    /// When images and labels do not fit together.
    pub(crate) fn mix(&self, batch: LabelledImages<'_>, bits: &mut impl Rng) -> Option<Vec<f32>> {
        let LabelledImages {
            images,
            labels,
            shape,
            classes,
        } = batch;
        let is_blend = match (self.mixup > 0.0, self.cutmix > 0.0) {
            (false, false) => return None,
            (true, true) => bits.next_u32() & 1 == 1,
            (blend, _) => blend,
        };
        let alpha = if is_blend { self.mixup } else { self.cutmix };
        // The recipe was refused if the number makes no distribution.
        let kept: f32 = Beta::new(alpha, alpha).map_or(1.0, |beta| beta.sample(bits));
        let size = images.len() / labels.len();
        let first = images[..size].to_vec();
        let row_len = shape.width * shape.channels;
        let (rows, columns) = if is_blend {
            (0..0, 0..0)
        } else {
            let part = (1.0 - kept).sqrt();
            let side = |whole: usize, bits: &mut _| {
                let len = ((part * whole as f32).round() as usize).min(whole);
                let first = below(whole - len + 1, bits);
                first..first + len
            };
            (side(shape.height, bits), side(shape.width, bits))
        };
        // A rectangle has whole pixels.
        let kept = if is_blend {
            kept
        } else {
            1.0 - (rows.len() * columns.len()) as f32 / (shape.height * shape.width) as f32
        };
        let mut start = 0;
        while start < images.len() {
            let (image, rest) = images[start..].split_at_mut(size);
            let other = if rest.is_empty() { &first } else { &rest[..size] };
            if is_blend {
                for (byte, other) in image.iter_mut().zip(other) {
                    *byte = (kept * f32::from(*byte) + (1.0 - kept) * f32::from(*other)).round() as u8;
                }
            } else {
                for y in rows.clone() {
                    let part = y * row_len + columns.start * shape.channels
                        ..y * row_len + columns.end * shape.channels;
                    image[part.clone()].copy_from_slice(&other[part]);
                }
            }
            start += size;
        }
        let mut shares = vec![0.0; labels.len() * classes];
        let mut others = labels.to_vec();
        others.rotate_left(1);
        for ((row, label), other) in shares.chunks_exact_mut(classes).zip(labels).zip(others) {
            row[usize::from(*label)] += kept;
            row[usize::from(other)] += 1.0 - kept;
            if kept < 0.5 {
                *label = other;
            }
        }
        Some(shares)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    const SHAPE: Input = Input {
        height: 4,
        width: 4,
        channels: 1,
    };

    struct Mixed {
        images: Vec<u8>,
        labels: [u16; 3],
        shares: Vec<f32>,
    }

    /// Mixes three images of three classes a hundred times.
    fn mixed(augment: Augment) -> Vec<Mixed> {
        let mut bits = ChaCha8Rng::seed_from_u64(3);
        let mut one = || {
            let mut images = [[0u8; 16], [100; 16], [200; 16]].concat();
            let mut labels = [0, 1, 2];
            let batch = LabelledImages {
                images: &mut images,
                labels: &mut labels,
                shape: SHAPE,
                classes: 3,
            };
            let shares = augment.mix(batch, &mut bits).unwrap();
            Mixed {
                images,
                labels,
                shares,
            }
        };
        (0..100).map(|_| one()).collect()
    }

    #[test]
    fn shares_are_what_images_show() {
        for (mixup, cutmix) in [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)] {
            let augment = Augment {
                mixup,
                cutmix,
                ..Augment::default()
            };
            let mut uneven = 0;
            for mixed in mixed(augment) {
                for image in 0..3 {
                    let row = &mixed.shares[image * 3..][..3];
                    assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
                    let bytes = &mixed.images[image * 16..][..16];
                    let mean = bytes.iter().map(|v| f32::from(*v)).sum::<f32>() / 16.0;
                    // A share of each image's brightness, to half a byte of rounding.
                    let expected = row[1] * 100.0 + row[2] * 200.0;
                    assert!((mean - expected).abs() <= 0.51, "{mean} {expected}");
                    assert!(row[usize::from(mixed.labels[image])] >= 0.5 - 1e-6);
                    uneven += usize::from(bytes.iter().any(|v| *v != bytes[0]));
                }
            }
            assert_eq!(uneven > 0, cutmix > 0.0);
            assert_eq!(uneven < 200, mixup > 0.0, "{uneven}");
        }
    }

    #[test]
    fn nothing_is_mixed_and_drawn_by_default() {
        let mut bits = ChaCha8Rng::seed_from_u64(3);
        let mut images = [1; 32];
        let batch = LabelledImages {
            images: &mut images,
            labels: &mut [0, 1],
            shape: SHAPE,
            classes: 2,
        };
        let shares = Augment::default().mix(batch, &mut bits);
        assert_eq!((shares, images), (None, [1; 32]));
        assert_eq!(bits, ChaCha8Rng::seed_from_u64(3));
    }
}
