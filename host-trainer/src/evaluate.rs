//! A blob over many images on the host: `core` itself, so the bits are the device's.

use crate::blob::Blob;
use denselet::{Error, Network};
use rayon::prelude::*;

/// Logits of every image, `[n][classes]`, in order. `images` are NHWC bytes, whole images.
///
/// `done` is told about images as they are finished, from any thread.
///
/// # Errors
/// Returns an error if the images have another shape than the network's input.
pub fn logits(blob: &Blob, images: &[u8], done: &(dyn Fn(usize) + Sync)) -> Result<Vec<i32>, Error> {
    let bytes = blob.bytes();
    let model = denselet::Model::read(bytes)?;
    let (input, classes) = (model.header().input, model.classes());
    let image_len = input.pixels() * input.channels;
    let chunks: Vec<Vec<i32>> = images
        .par_chunks(image_len * 16)
        .map(|chunk| {
            let mut memory = vec![0u8; denselet::arena_len(bytes) + 16];
            let mut network = Network::in_bytes(bytes, &mut memory)?;
            let mut logits = Vec::with_capacity(classes * 16);
            for image in chunk.chunks(image_len) {
                logits.extend_from_slice(network.run(image)?.as_slice());
                done(1);
            }
            Ok(logits)
        })
        .collect::<Result<_, Error>>()?;
    Ok(chunks.concat())
}

/// The class of the largest logit, the first of them where several are equal, as a device says it.
pub fn largest<T: PartialOrd>(logits: &[T]) -> usize {
    let mut best = 0;
    for (class, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = class;
        }
    }
    best
}

/// How predictions compare with labels.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Confusion {
    /// `counts[label][prediction]`.
    pub counts: Vec<Vec<usize>>,
}

impl Confusion {
    /// Counts predictions, each the class that [`largest`] names.
    pub fn new<T: PartialOrd>(logits: &[T], labels: &[u16], classes: usize) -> Self {
        let mut counts = vec![vec![0; classes]; classes];
        for (row, &label) in logits.chunks_exact(classes).zip(labels) {
            if let Some(count) = counts
                .get_mut(usize::from(label))
                .and_then(|counts| counts.get_mut(largest(row)))
            {
                *count += 1;
            }
        }
        Self { counts }
    }

    /// Images counted.
    pub fn images(&self) -> usize {
        self.counts.iter().flatten().sum()
    }

    /// Images whose prediction is their label.
    pub fn right(&self) -> usize {
        self.counts
            .iter()
            .enumerate()
            .map(|(class, row)| row[class])
            .sum()
    }

    /// Share of images whose prediction is their label, 0 to 1.
    pub fn accuracy(&self) -> f64 {
        self.right() as f64 / self.images().max(1) as f64
    }
}
