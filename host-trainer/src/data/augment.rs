//! Random shift and flip of raw pictures while a batch is gathered; belongs to `data`.

use crate::spec::Input;
use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};

/// What may happen to a training picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Pixels it may move in each direction; black comes in from outside.
    pub shift: usize,
    /// Whether it may be mirrored left to right.
    pub flip: bool,
}

impl Augment {
    /// Checks every number.
    pub(crate) fn check(&self) -> Result<(), crate::train::TrainError> {
        Ok(())
    }

    /// Copies `image` to `out`, moved and mirrored as `bits` say.
    ///
    /// # Panics
    ///
    /// When a slice is not one picture of `shape`.
    pub fn apply(&self, image: &[u8], shape: Input, bits: &mut impl Rng, out: &mut [u8]) {
        let range = 2 * self.shift as u64 + 1;
        // Always three draws, so that one picture's fate never depends on another's options.
        let (down, right, flip) = (bits.next_u32(), bits.next_u32(), bits.next_u32());
        let flip = self.flip && flip & 1 == 1;
        if self.shift == 0 && !flip {
            out.copy_from_slice(image);
            return;
        }
        let offset = |draw: u32| ((u64::from(draw) * range) >> 32) as isize - self.shift as isize;
        let (down, right) = (if shape.height == 1 { 0 } else { offset(down) }, offset(right));
        let row_len = shape.width * shape.channels;
        for (y, out_row) in out.chunks_exact_mut(row_len).enumerate() {
            let Some(from) = y.checked_add_signed(-down).filter(|&row| row < shape.height) else {
                out_row.fill(0);
                continue;
            };
            let row = &image[from * row_len..][..row_len];
            let inside = shape.width.saturating_sub(right.unsigned_abs()) * shape.channels;
            let outside = row_len - inside;
            if right >= 0 {
                out_row[..outside].fill(0);
                out_row[outside..].copy_from_slice(&row[..inside]);
            } else {
                out_row[..inside].copy_from_slice(&row[outside..]);
                out_row[inside..].fill(0);
            }
            if flip {
                mirror(out_row, shape.channels);
            }
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
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn every_shift_and_flip_turns_up_and_nothing_else() {
        let shape = Input {
            height: 3,
            width: 3,
            channels: 2,
        };
        let mut image = [0; 18];
        (image[8], image[9]) = (1, 2); // the middle pixel
        let mut bits = ChaCha8Rng::seed_from_u64(1);
        let mut seen = std::collections::BTreeSet::new();
        let augment = Augment {
            shift: 1,
            flip: true,
            ..Augment::default()
        };
        for _ in 0..500 {
            let mut out = [0xA5; 18];
            augment.apply(&image, shape, &mut bits, &mut out);
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
    fn flip_mirrors_pixels_not_bytes() {
        let mut row = [1, 2, 3, 4, 5, 6];
        mirror(&mut row, 2);
        assert_eq!(row, [5, 6, 3, 4, 1, 2]);
    }
}
