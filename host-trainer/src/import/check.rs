//! Holds an imported network against what it was made of: its framework's answers, or the graph in the file. The end of
//! every import.

use super::error::{ImportError, Problem};
use super::graph::Axes;
use super::interpret::softmax;
use super::npz::{self, Vectors};
use super::structure::Ending;
use super::{Imported, read_whole};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Serialize;
use std::path::Path;

/// Largest difference allowed, as a share of the answers' range.
pub const BAR: f64 = 1e-4;

/// How an imported network compares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Pictures compared.
    pub images: usize,
    /// Largest difference of two answers.
    pub difference: f64,
    /// Largest less smallest of the expected answers.
    pub range: f64,
}

impl Comparison {
    fn new(found: &[f32], expected: &[f32], images: usize) -> Self {
        let (mut low, mut high, mut difference) = (f64::INFINITY, f64::NEG_INFINITY, 0.0f64);
        for (found, expected) in found.iter().zip(expected) {
            let (found, expected) = (f64::from(*found), f64::from(*expected));
            (low, high) = (low.min(expected), high.max(expected));
            let apart = (found - expected).abs();
            difference = difference.max(if apart.is_nan() { f64::INFINITY } else { apart });
        }
        Self {
            images,
            difference,
            range: (high - low).max(f64::MIN_POSITIVE),
        }
    }

    /// The difference as a share of the range.
    pub fn share(&self) -> f64 {
        self.difference / self.range
    }

    /// Whether it is small enough.
    pub fn passes(&self) -> bool {
        self.share() <= BAR
    }
}

impl Imported {
    /// Compares with the graph in the file on pictures: `images` raw bytes, whole pictures.
    pub fn against_graph(&self, images: &[u8]) -> Comparison {
        let channels = self.network.spec.input.channels;
        let n = images.len() / self.network.image_len();
        // The scale was checked when the network was made.
        let floats: Vec<f32> = match self.preprocess.affine(channels) {
            Ok(affine) => (images.iter().enumerate())
                .map(|(index, byte)| {
                    let c = index % channels;
                    (f64::from(*byte) * affine.scale[c] + affine.shift[c]) as f32
                })
                .collect(),
            Err(_) => Vec::new(),
        };
        let expected = self.graph.run(&floats, n);
        let found = self.ended(self.network.logits(images, n));
        Comparison::new(&found, &expected, n)
    }

    /// `count` pictures of noise, the same for the same seed.
    pub fn noise(&self, count: usize, seed: u64) -> Vec<u8> {
        let mut bytes = vec![0; count * self.network.image_len()];
        ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
        bytes
    }

    /// Compares with an `.npz` file: arrays `x`, pictures as the file's network takes them, and `y`, its answers.
    ///
    /// # Errors
    ///
    /// Names the file, and the array that does not fit.
    pub fn against_file(&self, path: &Path) -> Result<Comparison, ImportError> {
        let compare = || {
            let vectors = npz::read(&read_whole(path)?)?;
            self.against(&vectors)
        };
        compare().map_err(|problem| ImportError {
            path: path.to_owned(),
            problem,
        })
    }

    /// Compares with the bytes of an `.npz` file.
    ///
    /// # Errors
    ///
    /// As [`Imported::against_file`].
    pub fn against_bytes(&self, bytes: &[u8]) -> Result<Comparison, Problem> {
        self.against(&npz::read(bytes)?)
    }

    fn against(&self, vectors: &Vectors) -> Result<Comparison, Problem> {
        let input = self.network.spec.input;
        let (height, width, channels) = (input.height, input.width, input.channels);
        let shape = match self.graph.axes {
            Axes::Nhwc => [height, width, channels],
            Axes::Nchw => [channels, height, width],
        };
        let x = &vectors.x;
        let n = x.shape.first().copied().unwrap_or(0);
        if n == 0 || x.shape[1..] != shape {
            return Err(Problem::field(
                "x",
                format!("[N, {}, {}, {}]", shape[0], shape[1], shape[2]),
                format!("{:?}", x.shape),
            ));
        }
        let classes = self.network.spec.classes;
        let y = &vectors.y;
        if y.shape.first() != Some(&n) || y.values.len() != n * classes {
            return Err(Problem::field(
                "y",
                format!("[{n}, {classes}]"),
                format!("{:?}", y.shape),
            ));
        }
        let pixels = height * width;
        let mut normalised = Vec::with_capacity(x.values.len());
        for picture in x.values.chunks_exact(pixels * channels) {
            for pixel in 0..pixels {
                for c in 0..channels {
                    let at = match self.graph.axes {
                        Axes::Nhwc => pixel * channels + c,
                        Axes::Nchw => c * pixels + pixel,
                    };
                    let scaled = f64::from(picture[at]) * self.takes.scale[c] + self.takes.shift[c];
                    normalised.push(scaled as f32);
                }
            }
        }
        let found = self.ended(self.network.logits_of(&normalised, n));
        Ok(Comparison::new(&found, &y.values, n))
    }

    /// Logits as the file's network answers them.
    fn ended(&self, logits: Vec<f32>) -> Vec<f32> {
        let classes = self.network.spec.classes;
        match self.ending {
            Ending::Logits => logits,
            Ending::Softmax => softmax(&logits, classes, |share| share as f32),
            Ending::LogSoftmax => softmax(&logits, classes, |share| share.ln() as f32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_shares_of_the_range() {
        let same = Comparison::new(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0], 1);
        assert!(same.passes() && same.share() == 0.0);
        let close = Comparison::new(&[0.0, 100.0, 50.005], &[0.0, 100.0, 50.0], 1);
        assert!(close.passes(), "{close:?}");
        let far = Comparison::new(&[0.0, 100.0, 50.02], &[0.0, 100.0, 50.0], 1);
        assert!(!far.passes(), "{far:?}");
        assert!(!Comparison::new(&[f32::NAN], &[1.0], 1).passes());
    }
}
