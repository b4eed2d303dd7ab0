//! Observation of a running network, for tests and profilers.

/// Called after each stage. Every method does nothing by default and then costs nothing.
pub trait Tap {
    /// Stage `index` is complete; 0 is the stem. `map` is all of the map that it has written or appended to, NHWC with
    /// `stride` bytes per pixel; after the head it is empty.
    fn done(&mut self, index: usize, map: &[u8], stride: usize) {
        let _ = (index, map, stride);
    }
}

/// The tap that does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTap;

impl Tap for NoTap {}
