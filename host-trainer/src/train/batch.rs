//! A batch, and the part of it that a rank trains on.

/// Images of one step.
pub(crate) struct Batch {
    /// Raw bytes, NHWC, augmented.
    pub(crate) images: Vec<u8>,
    /// One per image.
    pub(crate) labels: Vec<u16>,
    /// What each image shows of each class, `[image][class]`, if images are mixed.
    pub(crate) shares: Option<Vec<f32>>,
    /// Decides what is dropped in this step.
    pub(super) key: u64,
}

/// Images of one rank in one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part<'b> {
    pub(super) images: &'b [u8],
    pub(super) labels: &'b [u16],
    pub(super) shares: Option<&'b [f32]>,
}

impl Batch {
    /// What rank `rank` of `count` trains on: parts of equal size, in the order of the ranks.
    pub(super) fn part(&self, rank: usize, count: usize) -> Part<'_> {
        /// That part of a list that is made of equal parts.
        fn cut<T>(all: &[T], rank: usize, count: usize) -> &[T] {
            &all[rank * (all.len() / count)..][..all.len() / count]
        }
        Part {
            images: cut(&self.images, rank, count),
            labels: cut(&self.labels, rank, count),
            shares: self.shares.as_deref().map(|shares| cut(shares, rank, count)),
        }
    }
}
