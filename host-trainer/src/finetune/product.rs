//! The two matrix products of a step, on rows where they lie: those of `net`.
//!
//! A 3x3 convolution is three products over overlapping rows of a framed map, never an im2col matrix.

use crate::net::product::{self, Multiply, Outer, Panels};
use crate::net::simd::lanes;

/// `n` channels rounded up to whole vectors.
pub(super) fn padded(n: usize) -> usize {
    n.next_multiple_of(lanes(n))
}

/// A right-hand matrix, `[k][n]`.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    lanes: usize,
    panels: Panels,
}

impl Matrix {
    /// Of `value(k, n)`.
    pub(super) fn new(k: usize, n: usize, value: impl Fn(usize, usize) -> f32) -> Self {
        let lanes = lanes(n);
        Self {
            lanes,
            panels: Panels::new(lanes, k, n, value),
        }
    }

    /// Columns with the padding: what a row of a product takes.
    pub(super) fn width(&self) -> usize {
        self.panels.width
    }
}

/// Floats after a buffer's last pixel: a vector that begins in a pixel may reach beyond it.
pub(super) const SLACK: usize = 16;

/// The pixels of a map as rows of a matrix, each `len` floats long. They may overlap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    /// Rows of pixels.
    pub(super) height: usize,
    /// Pixels of a row.
    pub(super) width: usize,
    /// Floats from one pixel to the next.
    pub(super) step: usize,
    /// Floats from one row of pixels to the next.
    pub(super) row: usize,
    pub(super) len: usize,
}

impl Rows {
    /// So many pixels of so many channels without gaps.
    pub(super) fn dense(pixels: usize, channels: usize) -> Self {
        Self {
            height: 1,
            width: pixels,
            step: channels,
            row: pixels * channels,
            len: channels,
        }
    }
}

/// `c = sum over segments of segment * b`, where the rows of each segment lie as `a` says and `b` has the segments' rows one
/// below the other; `c` is `[pixel][b.width]`.
pub(super) fn multiply(segments: &[&[f32]], a: Rows, b: &Matrix, c: &mut [f32]) {
    let op = Multiply {
        a: segments,
        a_step: a.step,
        a_row: a.row,
        len: a.len,
        rows: a.height,
        pixels: a.width,
        b: &b.panels,
        c,
    };
    product::multiply(b.lanes, op);
}

/// `c += a^T b` over the same pixels of both; `c` is `[a.len][padded(b.len)]`. After the last pixel of `b` there is room for a
/// vector to reach into: what it finds there gets no farther than the padding of `c`.
pub(super) fn outer((values, a): (&[f32], Rows), (others, b): (&[f32], Rows), c: &mut [f32]) {
    debug_assert_eq!((a.height, a.width), (b.height, b.width));
    let op = Outer {
        a: values,
        a_step: a.step,
        a_row: a.row,
        b: others,
        b_step: b.step,
        b_row: b.row,
        width: padded(b.len),
        rows: a.height,
        pixels: a.width,
        m: a.len,
        c,
    };
    product::outer(lanes(b.len), op);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_rows_are_a_convolution() {
        let row = [1.0, 2.0, 3.0, 4.0, 5.0];
        let windows = Rows {
            len: 3,
            ..Rows::dense(3, 1)
        };
        let taps = Matrix::new(3, 1, |k, _| [1.0, 10.0, 100.0][k]);
        let mut out = vec![7.0; 3 * taps.width()];
        multiply(&[&row], windows, &taps, &mut out);
        let first = |values: &[f32]| -> Vec<f32> { values.iter().step_by(taps.width()).copied().collect() };
        assert_eq!(first(&out), [321.0, 432.0, 543.0]);
        let mut gradients = vec![0.0; 3 * taps.width()];
        gradients[0] = 1.0;
        gradients[2 * taps.width()] = 2.0;
        let mut back = vec![1.0; 3 * taps.width()];
        let each = Rows {
            step: taps.width(),
            ..Rows::dense(3, 1)
        };
        outer((&row, windows), (&gradients, each), &mut back);
        assert_eq!(first(&back), [1.0 + 1.0 + 6.0, 1.0 + 2.0 + 8.0, 1.0 + 3.0 + 10.0]);
    }
}
