//! Compares an imported network with what it was made of: its framework's answers, or the graph in the file. The end of every
//! import.
//!
//! Logits are compared, never probabilities: a saturated softmax is 0 and 1 whatever the network computes.

use super::answers::{Answers, Pairs};
use super::error::{ImportError, Problem};
use super::graph::Axes;
use super::npz::{self, Vectors};
use super::precision::Precision;
use super::{Imported, Structure};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Serialize;
use std::path::Path;

/// Largest difference allowed between float32 answers, as a share of their range.
pub const BAR: f64 = 1e-4;
/// Share of the answers that a check must have compared to say something.
const ENOUGH: f64 = 0.1;

/// How an imported network compares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Images compared.
    pub images: usize,
    /// Largest difference of two logits.
    pub difference: f64,
    /// Largest less smallest of the expected logits.
    pub range: f64,
    /// Largest difference allowed, as a share of the range.
    pub allowed: f64,
    /// What the answers were computed in, as far as their bits or the file say.
    pub precision: Precision,
    /// Share of the answers from which a logit could be computed back: below 1 if probabilities are saturated.
    pub compared: f64,
}

impl Comparison {
    fn new(pairs: &Pairs, images: usize, precision: Precision, allowed: f64) -> Self {
        let (mut low, mut high) = if pairs.has_zero {
            (0.0f64, 0.0f64)
        } else {
            (f64::INFINITY, f64::NEG_INFINITY)
        };
        let mut difference = pairs.excess;
        for (found, expected) in &pairs.both {
            (low, high) = (low.min(*expected), high.max(*expected));
            let apart = (found - expected).abs();
            difference = difference.max(if apart.is_nan() { f64::INFINITY } else { apart });
        }
        Self {
            images,
            difference,
            range: (high - low).max(f64::MIN_POSITIVE),
            allowed,
            precision,
            compared: pairs.both.len() as f64 / pairs.all.max(1) as f64,
        }
    }

    /// The difference as a share of the range.
    pub fn share(&self) -> f64 {
        self.difference / self.range
    }

    /// Whether it is small enough.
    pub fn passes(&self) -> bool {
        self.share() <= self.allowed
    }

    /// Whether so many answers are saturated that passing says little.
    pub fn is_saturated(&self) -> bool {
        self.compared < ENOUGH
    }
}

impl Imported {
    /// Compares with the graph that was read, on raw bytes: `images`, whole images.
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
        let expected = self.graph.run_to(self.graph.logits(), &floats, n);
        let found = self.scores(self.network.logits(images, n));
        let pairs = Answers::Logits.pairs(&found, &expected, self.outputs());
        Comparison::new(&pairs, n, Precision::Float32, BAR)
    }

    /// What [`Imported::against_graph`] compares with: a state dict has no graph of its own.
    pub fn graph_is_of(&self) -> &'static str {
        match self.structure {
            Structure::Read => "the file's graph, node by node",
            Structure::Assumed => "the graph assumed for these names, node by node (the file holds no graph)",
        }
    }

    /// `count` images of noise, the same for the same seed.
    pub fn noise(&self, count: usize, seed: u64) -> Vec<u8> {
        let mut bytes = vec![0; count * self.network.image_len()];
        ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
        bytes
    }

    /// Compares with an `.npz` file: arrays `x`, images as the file's network takes them, and `y`, its answers.
    ///
    /// # Errors
    ///
    /// Names the file, and the array that does not fit.
    pub fn against_file(&self, path: &Path) -> Result<Comparison, ImportError> {
        let vectors = Vectors::load(path)?;
        self.against(&vectors).map_err(|problem| ImportError {
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

    /// Compares with reference vectors.
    ///
    /// # Errors
    ///
    /// Names the array that does not fit.
    pub fn against(&self, vectors: &Vectors) -> Result<Comparison, Problem> {
        let n = self.images_of(vectors)?;
        let outputs = self.outputs();
        let y = &vectors.y;
        if y.shape.first() != Some(&n) || y.values.len() != n * outputs {
            return Err(Problem::field(
                "y",
                format!("[{n}, {outputs}]"),
                format!("{:?}", y.shape),
            ));
        }
        for (name, tensor) in [("x", &vectors.x), ("y", y)] {
            if let Some(value) = tensor.values.iter().find(|value| !value.is_finite()) {
                return Err(Problem::field(name, "finite numbers", value));
            }
        }
        let precision = match Precision::of(&y.values) {
            Precision::Float32 => self.graph.precision.unwrap_or(Precision::Float32),
            told => told,
        };
        let found = self.scores(self.network.logits_of(&self.normalised(vectors), n));
        let answers = Answers::of(self.ending, &y.values, outputs);
        let allowed = self.tolerance.unwrap_or(precision.bar());
        let compare = |answers: Answers| {
            let pairs = answers.pairs(&found, &y.values, outputs);
            Comparison::new(&pairs, n, precision, allowed)
        };
        let usual = compare(answers);
        // Numbers from 0 to 1 may be scores or a sigmoid's: the file may lack a sigmoid that the framework computes.
        let other = answers.of_one_score(&y.values, outputs).map(compare);
        Ok(match other {
            Some(other) if !usual.passes() && other.passes() && !other.is_saturated() => other,
            _ => usual,
        })
    }

    /// Numbers that the file's network answers.
    fn outputs(&self) -> usize {
        self.graph.nodes[self.graph.output].map.channels
    }

    /// How many images vectors hold, if their shape is the network's; one row may be left out.
    fn images_of(&self, vectors: &Vectors) -> Result<usize, Problem> {
        let input = self.network.spec.input;
        let (height, width, channels) = (input.height, input.width, input.channels);
        let (shape, row) = match self.graph.axes {
            Axes::Nhwc => ([height, width, channels], [width, channels]),
            Axes::Nchw => ([channels, height, width], [channels, width]),
        };
        let x = &vectors.x;
        let own = x.shape.get(1..).unwrap_or(&[]);
        match x.shape.first() {
            Some(&n) if n > 0 && (own == shape || height == 1 && own == row) => Ok(n),
            _ => Err(Problem::field(
                "x",
                format!("[N, {}, {}, {}]", shape[0], shape[1], shape[2]),
                format!("{:?}", x.shape),
            )),
        }
    }

    /// Images of vectors as the network's normalised input.
    fn normalised(&self, vectors: &Vectors) -> Vec<f32> {
        let input = self.network.spec.input;
        let (pixels, channels) = (input.height * input.width, input.channels);
        let mut normalised = Vec::with_capacity(vectors.x.values.len());
        for image in vectors.x.values.chunks_exact(pixels * channels) {
            for pixel in 0..pixels {
                for c in 0..channels {
                    let at = match self.graph.axes {
                        Axes::Nhwc => pixel * channels + c,
                        Axes::Nchw => c * pixels + pixel,
                    };
                    let scaled = f64::from(image[at]) * self.takes.scale[c] + self.takes.shift[c];
                    normalised.push(scaled as f32);
                }
            }
        }
        normalised
    }

    /// Logits as the file's network has them: one score of two classes is their difference.
    fn scores(&self, logits: Vec<f32>) -> Vec<f32> {
        if self.outputs() == 1 {
            return logits.chunks_exact(2).map(|two| two[1] - two[0]).collect();
        }
        logits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(found: &[f32], expected: &[f32]) -> Comparison {
        let pairs = Answers::Logits.pairs(found, expected, found.len());
        Comparison::new(&pairs, 1, Precision::Float32, BAR)
    }

    #[test]
    fn differences_are_shares_of_the_range() {
        let same = compared(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]);
        assert!(same.passes() && same.share() == 0.0 && !same.is_saturated());
        let close = compared(&[0.0, 100.0, 50.005], &[0.0, 100.0, 50.0]);
        assert!(close.passes(), "{close:?}");
        let far = compared(&[0.0, 100.0, 50.02], &[0.0, 100.0, 50.0]);
        assert!(!far.passes(), "{far:?}");
        assert!(!compared(&[f32::NAN], &[1.0]).passes());
        // Of two probabilities one logit is told: the range begins at the other, which is 0.
        let pairs = Answers::Shares.pairs(&[1.0, 3.0], &[0.119_202_92, 0.880_797_1], 2);
        let one = Comparison::new(&pairs, 1, Precision::Float32, BAR);
        assert!(one.passes() && (one.range - 2.0).abs() < 1e-5, "{one:?}");
    }
}
