//! Mixes the pictures of a batch and their labels: mixup and `CutMix`; belongs to `augment`, at its end.

use super::{Augment, below};
use crate::spec::Input;
use rand_chacha::rand_core::Rng;
use rand_distr::{Beta, Distribution};

/// Mixes each picture of a batch with the next one, the last with the first; the order is random already. Returns what
/// each picture shows of each class, `[picture][class]`, or nothing where nothing is mixed. Labels become the class that
/// a picture shows most of.
///
/// # Panics
///
/// When images and labels do not fit together.
pub(crate) fn mix(
    augment: &Augment,
    shape: Input,
    classes: usize,
    bits: &mut impl Rng,
    images: &mut [u8],
    labels: &mut [u16],
) -> Option<Vec<f32>> {
    let is_blend = match (augment.mixup > 0.0, augment.cutmix > 0.0) {
        (false, false) => return None,
        (true, true) => bits.next_u32() & 1 == 1,
        (blend, _) => blend,
    };
    let alpha = if is_blend { augment.mixup } else { augment.cutmix };
    // A number that makes no distribution was refused with the recipe.
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
                let part =
                    y * row_len + columns.start * shape.channels..y * row_len + columns.end * shape.channels;
                image[part.clone()].copy_from_slice(&other[part]);
            }
        }
        start += size;
    }
    let mut shares = vec![0.0; labels.len() * classes];
    let others: Vec<u16> = labels
        .iter()
        .cycle()
        .skip(1)
        .take(labels.len())
        .copied()
        .collect();
    for ((row, label), other) in shares.chunks_exact_mut(classes).zip(labels).zip(others) {
        row[usize::from(*label)] += kept;
        row[usize::from(other)] += 1.0 - kept;
        if kept < 0.5 {
            *label = other;
        }
    }
    Some(shares)
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

    /// Three pictures of three classes, mixed many times: bytes, labels, shares.
    fn mixed(augment: Augment) -> Vec<(Vec<u8>, [u16; 3], Vec<f32>)> {
        let mut bits = ChaCha8Rng::seed_from_u64(3);
        let mut one = || {
            let mut images = [[0u8; 16], [100; 16], [200; 16]].concat();
            let mut labels = [0, 1, 2];
            let shares = mix(&augment, SHAPE, 3, &mut bits, &mut images, &mut labels).unwrap();
            (images, labels, shares)
        };
        (0..100).map(|_| one()).collect()
    }

    #[test]
    fn shares_are_what_pictures_show() {
        for (mixup, cutmix) in [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)] {
            let augment = Augment {
                mixup,
                cutmix,
                ..Augment::default()
            };
            let mut uneven = 0;
            for (images, labels, shares) in mixed(augment) {
                for picture in 0..3 {
                    let row = &shares[picture * 3..][..3];
                    assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
                    let bytes = &images[picture * 16..][..16];
                    let mean = bytes.iter().map(|v| f32::from(*v)).sum::<f32>() / 16.0;
                    // A share of each picture's brightness, to half a byte of rounding.
                    let said = row[1] * 100.0 + row[2] * 200.0;
                    assert!((mean - said).abs() <= 0.51, "{mean} {said}");
                    assert!(row[usize::from(labels[picture])] >= 0.5 - 1e-6);
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
        let shares = mix(&Augment::default(), SHAPE, 2, &mut bits, &mut images, &mut [0, 1]);
        assert_eq!((shares, images), (None, [1; 32]));
        assert_eq!(bits, ChaCha8Rng::seed_from_u64(3));
    }
}
