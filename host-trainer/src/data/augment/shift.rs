//! Shifts and mirrors an image.

use super::settings::{Augment, Fill, Ground};
use rand_chacha::rand_core::Rng;

impl Augment {
    /// Copies `image` to `out`, randomly shifted and mirrored.
    pub(super) fn place(&self, image: &[u8], ground: &Ground, bits: &mut impl Rng, out: &mut [u8]) {
        let shape = ground.shape;
        let (most_down, most_right) = (
            self.shift_y.unwrap_or(self.shift),
            self.shift_x.unwrap_or(self.shift),
        );
        // Always three draws, so that no option changes the draws of the following images.
        let (down, right, flip) = (bits.next_u32(), bits.next_u32(), bits.next_u32());
        let flip = self.flip && flip & 1 == 1;
        if (most_down, most_right) == (0, 0) && !flip {
            out.copy_from_slice(image);
            return;
        }
        let offset = |draw: u32, most: usize| {
            ((u64::from(draw) * (2 * most as u64 + 1)) >> 32) as isize - most as isize
        };
        let right = offset(right, most_right);
        let down = if shape.height == 1 {
            0
        } else {
            offset(down, most_down)
        };
        let row_len = shape.width * shape.channels;
        let inside = shape.width.saturating_sub(right.unsigned_abs()) * shape.channels;
        let outside = row_len - inside;
        for (y, out_row) in out.chunks_exact_mut(row_len).enumerate() {
            let from = y as isize - down;
            let nearest = from.clamp(0, shape.height as isize - 1);
            if from != nearest && self.fill != Fill::Edge {
                self.fill(ground, &[], out_row);
                continue;
            }
            let row = &image[nearest as usize * row_len..][..row_len];
            if right >= 0 {
                self.fill(ground, &row[..shape.channels], &mut out_row[..outside]);
                out_row[outside..].copy_from_slice(&row[..inside]);
            } else {
                out_row[..inside].copy_from_slice(&row[outside..]);
                self.fill(ground, &row[row_len - shape.channels..], &mut out_row[inside..]);
            }
            if flip {
                mirror(out_row, shape.channels);
            }
        }
    }

    /// Fills pixels from outside the image, next to the pixel `edge`.
    fn fill(&self, ground: &Ground, edge: &[u8], pixels: &mut [u8]) {
        let with = match self.fill {
            Fill::Black => return pixels.fill(0),
            Fill::Mean => &ground.mean,
            Fill::Edge => edge,
        };
        for pixel in pixels.chunks_exact_mut(ground.shape.channels) {
            pixel.copy_from_slice(with);
        }
    }
}

fn mirror(row: &mut [u8], channels: usize) {
    row.reverse();
    for pixel in row.chunks_exact_mut(channels) {
        pixel.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::{ground, outcomes};
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_shift_and_flip_occurs_and_nothing_else() {
        let mut image = [0; 18];
        (image[8], image[9]) = (1, 2); // the middle pixel
        let augment = Augment {
            shift: 1,
            flip: true,
            ..Augment::default()
        };
        let mut seen = BTreeSet::new();
        for out in outcomes(augment, &image, &ground(3, 3, 2, 9), 500) {
            let at = out
                .as_chunks::<2>()
                .0
                .iter()
                .position(|pixel| *pixel == [1, 2])
                .unwrap();
            assert_eq!(out.iter().filter(|&&v| v == 0).count(), 16);
            seen.insert(at);
        }
        assert_eq!(seen.len(), 9);
    }

    #[test]
    fn each_direction_has_its_shift_and_fill() {
        let seen = |augment: Augment| -> BTreeSet<Vec<u8>> {
            outcomes(augment, &[1, 2, 3, 4], &ground(2, 2, 1, 9), 200)
                .into_iter()
                .collect()
        };
        let sideways = Augment {
            shift: 2,
            shift_x: Some(1),
            shift_y: Some(0),
            fill: Fill::Mean,
            ..Augment::default()
        };
        assert_eq!(
            seen(sideways),
            [[1, 2, 3, 4], [9, 1, 9, 3], [2, 9, 4, 9]].map(Vec::from).into()
        );
        let upright = Augment {
            shift_y: Some(1),
            fill: Fill::Edge,
            ..Augment::default()
        };
        assert_eq!(
            seen(upright),
            [[1, 2, 3, 4], [1, 2, 1, 2], [3, 4, 3, 4]].map(Vec::from).into()
        );
        let sideways = Augment {
            fill: Fill::Edge,
            ..sideways
        };
        assert_eq!(
            seen(sideways),
            [[1, 2, 3, 4], [1, 1, 3, 3], [2, 2, 4, 4]].map(Vec::from).into()
        );
    }

    #[test]
    fn flip_mirrors_pixels_not_bytes() {
        let mut row = [1, 2, 3, 4, 5, 6];
        mirror(&mut row, 2);
        assert_eq!(row, [5, 6, 3, 4, 1, 2]);
    }
}
