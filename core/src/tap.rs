//! Observation points: what tests, profilers and the curious see of a running network. Rank 0: imports nothing.

/// Told about each stage when it is done. Every method does nothing by default and costs nothing then.
pub trait Tap {
    /// Stage `index` (0 the stem, then the stages in order) is done. `map` is the block buffer it worked on, all of
    /// it, NHWC with `stride` bytes per pixel; after the head it is empty.
    fn done(&mut self, index: usize, map: &[u8], stride: usize) {
        let _ = (index, map, stride);
    }
}

/// Sees nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Blind;

impl Tap for Blind {}
