//! The contract of the inner loop: what an architecture may do its own way, and what it must give.
//!
//! Everything a network computes is one of two movements: bytes are packed into a *line buffer* as `i16`
//! (clamped, added up or just widened), and lines are multiplied with filters. How values lie inside a group of
//! four in a line is the architecture's own business; a group of a line always meets the same group of a filter.

use crate::arithmetic;
use crate::layout::{GROUP, Order, TILE};

/// Batch norm and ReLU in front of a convolution, as bytes per channel of the input's stride.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clamp<'b> {
    /// 0x00 or 0xff per channel.
    pub mask: &'b [u8],
    /// Subtracted with saturation per channel.
    pub threshold: &'b [u8],
}

/// A quantised convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv<'b> {
    /// Filters in `order`, `length` values each.
    pub weights: &'b [i8],
    /// One per output, or `[border][o]` in a plain layer.
    pub bias: &'b [i32],
    /// One per output, in [0, 2^31) for [0, 1/2).
    pub multiplier: &'b [i32],
    /// How the filters lie.
    pub order: Order,
    /// Number of outputs.
    pub outputs: usize,
    /// Values of one filter, a multiple of [`GROUP`].
    pub length: usize,
}

/// Up to [`TILE`] pixels' inputs to a convolution, in the line buffer.
///
/// Pixel `p`'s values are `runs` runs of `run_len`: run `r` starts at `p * pixel_pitch + r * run_pitch`. One run per pixel
/// is a packed line; three runs are the rows of a 3x3 window, which neighbouring pixels share.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a> {
    /// The line buffer.
    pub values: &'a [i16],
    /// Pixels, 1 to [`TILE`].
    pub pixels: usize,
    /// Values from one pixel's first run to the next pixel's.
    pub pixel_pitch: usize,
    /// Runs per pixel.
    pub runs: usize,
    /// Values per run, a multiple of [`GROUP`]; `runs * run_len` is the filter's length.
    pub run_len: usize,
    /// Values from one run of a pixel to its next.
    pub run_pitch: usize,
    /// Where each pixel's biases start in [`Conv::bias`]; all 0 but in a plain layer.
    pub bias: [usize; TILE],
}

impl Lines<'_> {
    /// Whether every value and bias that [`Tile::multiply`] touches is there: the one check at the entry, which
    /// architectures rely on.
    pub fn fit(&self, conv: &Conv<'_>, out: &[u8], out_stride: usize) -> bool {
        let last = self.pixels.wrapping_sub(1);
        let values = last
            .saturating_mul(self.pixel_pitch)
            .saturating_add(self.runs.saturating_sub(1).saturating_mul(self.run_pitch))
            .saturating_add(self.run_len);
        let biases = self.bias.iter().take(self.pixels).max().copied().unwrap_or(0);
        last < TILE
            && self.runs > 0
            && self.run_len.is_multiple_of(GROUP)
            && self.runs.saturating_mul(self.run_len) == conv.length
            && values <= self.values.len()
            && conv.order.filters(conv.outputs).saturating_mul(conv.length) <= conv.weights.len()
            && biases.saturating_add(conv.outputs) <= conv.bias.len()
            && conv.outputs <= conv.multiplier.len()
            && last.saturating_mul(out_stride).saturating_add(conv.outputs) <= out.len()
    }
}

/// One architecture's inner loops.
///
/// `source`, clamp and line have the same length in every packing method, a multiple of [`GROUP`] but in the stem's
/// padding; shorter arrays end the work early.
pub trait Tile: Copy {
    /// Name for people.
    const NAME: &'static str;
    /// The order of weights this inner loop was made for.
    const ORDER: Order;

    /// `line = source`.
    fn widen(self, source: &[u8], line: &mut [i16]);

    /// `line = clamp(source)`.
    fn clamp(self, source: &[u8], clamp: Clamp<'_>, line: &mut [i16]);

    /// `line += clamp(source)`.
    fn clamp_add(self, source: &[u8], clamp: Clamp<'_>, line: &mut [i16]);

    /// `out = clamp(source)`, as bytes.
    fn clamp_bytes(self, source: &[u8], clamp: Clamp<'_>, out: &mut [u8]) {
        for ((out, &u), (&m, &t)) in out
            .iter_mut()
            .zip(source)
            .zip(clamp.mask.iter().zip(clamp.threshold))
        {
            *out = arithmetic::clamp(u, m, t);
        }
    }

    /// `out[p * out_stride + o] = requantise(bias + filter o . pixel p)` for every pixel and output.
    ///
    /// Does nothing where [`Lines::fit`] is false.
    fn multiply(self, lines: &Lines<'_>, conv: &Conv<'_>, out: &mut [u8], out_stride: usize);
}

/// Something to run with whichever architecture is chosen: generic over it, compiled once for each.
pub trait Job {
    /// What comes out.
    type Output;
    /// Runs with `tile`.
    fn run<T: Tile>(self, tile: T) -> Self::Output;
}
