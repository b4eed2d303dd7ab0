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

/// Rows of floats, each `step` floats after the one before, each `len` floats long. They may overlap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    pub(super) rows: usize,
    pub(super) step: usize,
    pub(super) len: usize,
}

/// `c = sum over segments of segment * b`, where the rows of each segment lie as `a` says and `b` has the segments' rows one
/// below the other; `c` is `[a.rows][b.width]`.
pub(super) fn multiply(segments: &[&[f32]], a: Rows, b: &Matrix, c: &mut [f32]) {
    let op = Multiply {
        a: segments,
        step: a.step,
        len: a.len,
        rows: a.rows,
        b: &b.panels,
        c,
    };
    product::multiply(b.lanes, op);
}

/// `c += a^T b`: `b` is `[rows][padded(n)]`, `c` is `[a.len][padded(n)]`.
pub(super) fn outer(values: &[f32], a: Rows, b: &[f32], n: usize, c: &mut [f32]) {
    let op = Outer {
        a: values,
        a_step: a.step,
        a_row: 0,
        b,
        width: padded(n),
        rows: 1,
        pixels: a.rows,
        m: a.len,
        c,
    };
    product::outer(lanes(n), op);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_rows_are_a_convolution() {
        let row = [1.0, 2.0, 3.0, 4.0, 5.0];
        let windows = Rows {
            rows: 3,
            step: 1,
            len: 3,
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
        outer(&row, windows, &gradients, 1, &mut back);
        assert_eq!(first(&back), [1.0 + 1.0 + 6.0, 1.0 + 2.0 + 8.0, 1.0 + 3.0 + 10.0]);
    }
}
