//! The two matrix products of a step; belongs to `finetune`.
//!
//! A 3x3 convolution is three products over overlapping rows of a framed map, never an im2col matrix.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, ShapeBuilder};

/// The rows of a matrix in a slice. They may overlap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    step: usize,
}

impl<'a> Rows<'a> {
    /// `rows` rows of `columns` floats, `step` floats from one to the next, from the start of `values`.
    ///
    /// # Panics
    ///
    /// When `values` is too short.
    pub(super) fn new(values: &'a [f32], rows: usize, columns: usize, step: usize) -> Self {
        let needed = rows.saturating_sub(1) * step + columns;
        assert!(values.len() >= needed, "{needed} floats, had {}", values.len());
        Self {
            values,
            rows,
            columns,
            step,
        }
    }

    fn view(&self) -> ArrayView2<'a, f32> {
        let shape = (self.rows, self.columns).strides((self.step, 1));
        ArrayView2::from_shape(shape, self.values).expect("the length was checked")
    }
}

/// `[rows][columns]` without gaps.
fn whole(values: &mut [f32], rows: usize, columns: usize) -> ArrayViewMut2<'_, f32> {
    ArrayViewMut2::from_shape((rows, columns), &mut values[..rows * columns]).expect("a slice of that length")
}

/// What happens to what stands where a product goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Old {
    /// The product takes its place.
    Replace,
    /// The product is added.
    Keep,
}

/// `c = a b`, or `c += a b`: `b` is `[a.columns][n]`, `c` is `[a.rows][n]`.
pub(super) fn multiply(a: Rows<'_>, b: &[f32], old: Old, c: &mut [f32]) {
    let n = b.len() / a.columns;
    let b = ArrayView2::from_shape((a.columns, n), b).expect("whole rows");
    let keep = if old == Old::Keep { 1.0 } else { 0.0 };
    general_mat_mul(1.0, &a.view(), &b, keep, &mut whole(c, a.rows, n));
}

/// `c += a^T b`: `c` is `[a.columns][b.columns]`.
pub(super) fn outer(a: Rows<'_>, b: Rows<'_>, c: &mut [f32]) {
    let c = &mut whole(c, a.columns, b.columns);
    general_mat_mul(1.0, &a.view().t(), &b.view(), 1.0, c);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_rows_are_a_convolution() {
        let row = [1.0, 2.0, 3.0, 4.0, 5.0];
        let taps = [1.0, 10.0, 100.0];
        let mut out = [7.0; 3];
        multiply(Rows::new(&row, 3, 3, 1), &taps, Old::Replace, &mut out);
        assert_eq!(out, [321.0, 432.0, 543.0]);
        multiply(Rows::new(&row, 3, 3, 1), &taps, Old::Keep, &mut out);
        assert_eq!(out, [642.0, 864.0, 1086.0]);
        let mut taps = [1.0; 3];
        outer(
            Rows::new(&row, 3, 3, 1),
            Rows::new(&[1.0, 0.0, 2.0], 3, 1, 1),
            &mut taps,
        );
        assert_eq!(taps, [1.0 + 1.0 + 6.0, 1.0 + 2.0 + 8.0, 1.0 + 3.0 + 10.0]);
    }
}
