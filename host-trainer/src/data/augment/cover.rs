//! Covers a square, rows or columns of an image with the training mean.

use super::draw::below;
use super::settings::{Augment, Ground};
use core::ops::Range;
use rand_chacha::rand_core::Rng;

impl Augment {
    /// Covers parts of an image.
    pub(super) fn cover(&self, ground: &Ground, bits: &mut impl Rng, image: &mut [u8]) {
        let (height, width) = (ground.shape.height, ground.shape.width);
        if self.mask_rows > 0 {
            let rows = stripe(self.mask_rows, height, bits);
            fill(ground, image, rows, 0..width);
        }
        if self.mask_columns > 0 {
            let columns = stripe(self.mask_columns, width, bits);
            fill(ground, image, 0..height, columns);
        }
        if self.cutout > 0 {
            // The centre may be any pixel, so corners are covered as often as other parts.
            let around = |middle: usize, side: usize| {
                let first = middle.saturating_sub(self.cutout / 2);
                first..(middle + self.cutout.div_ceil(2)).min(side)
            };
            let (y, x) = (below(height, bits), below(width, bits));
            fill(ground, image, around(y, height), around(x, width));
        }
    }
}

/// Returns a random stripe of at most `most` of `side`.
fn stripe(most: usize, side: usize, bits: &mut impl Rng) -> Range<usize> {
    let len = below(most.min(side) + 1, bits);
    let first = below(side - len + 1, bits);
    first..first + len
}

fn fill(ground: &Ground, image: &mut [u8], rows: Range<usize>, columns: Range<usize>) {
    let (width, channels) = (ground.shape.width, ground.shape.channels);
    for y in rows {
        let row = &mut image[y * width * channels..][..width * channels];
        for pixel in row[columns.start * channels..columns.end * channels].chunks_exact_mut(channels) {
            pixel.copy_from_slice(&ground.mean);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::{ground, outcomes};
    use super::*;

    #[test]
    fn a_square_is_covered() {
        let augment = Augment {
            cutout: 3,
            ..Augment::default()
        };
        let ground = ground(5, 5, 2, 9);
        let counts: Vec<usize> = outcomes(augment, &[1; 50], &ground, 300)
            .iter()
            .map(|out| out.iter().filter(|&&v| v == 9).count())
            .collect();
        // A whole one, two pixels of a side, a corner of four; two channels each.
        assert_eq!((counts.iter().max(), counts.iter().min()), (Some(&18), Some(&8)));
    }

    #[test]
    fn stripes_are_whole_rows_or_columns() {
        let ground = ground(4, 6, 1, 9);
        let rows = Augment {
            mask_rows: 2,
            ..Augment::default()
        };
        let mut seen = [false; 3];
        for out in outcomes(rows, &[1; 24], &ground, 100) {
            let covered = out.chunks(6).filter(|row| row.iter().all(|&v| v == 9)).count();
            assert_eq!(out.iter().filter(|&&v| v == 9).count(), 6 * covered);
            seen[covered] = true;
        }
        assert_eq!(seen, [true; 3]);
        let columns = Augment {
            mask_columns: 100,
            ..Augment::default()
        };
        for out in outcomes(columns, &[1; 24], &ground, 100) {
            assert!(out.chunks(6).all(|row| row == &out[..6]));
        }
    }
}
