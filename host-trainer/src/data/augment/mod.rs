//! Changes training images, as raw bytes, while a batch is gathered.
//!
//! An image is shifted and mirrored, changed by operations, turned, scaled and jittered as a measurement, and covered in
//! part; then the images of a batch are mixed. Shift and flip draw from a generator of their own, so that other options do
//! not change them.

mod change;
mod cover;
mod draw;
mod measurement;
mod mix;
mod settings;
mod shift;
mod turn;

pub(crate) use mix::LabelledImages;
pub use settings::{Augment, Fill, Ground, OutOfRange};

use rand_chacha::rand_core::Rng;

/// The random generators of one image.
#[derive(Debug)]
pub struct Draws<'r, R> {
    /// Draws shift and flip.
    pub place: &'r mut R,
    /// Draws everything else; unused for options that are off.
    pub rest: &'r mut R,
}

impl Augment {
    /// Copies `image` to `out`, changed.
    ///
    /// # Panics
    ///
    /// When a slice is not one image of the ground's shape.
    pub fn apply(&self, ground: &Ground, draws: Draws<'_, impl Rng>, image: &[u8], out: &mut [u8]) {
        let Draws { place, rest } = draws;
        self.place(image, ground, place, out);
        self.change(ground, rest, out);
        self.turn(ground, rest, out);
        self.measure(ground, rest, out);
        self.cover(ground, rest, out);
    }
}
