//! The two matrix products of training, on vectors of channels. `finetune` uses them too.
//!
//! Both keep a tile of sums in registers while they walk the inner dimension: 8 rows x 48 channels, 12 x 32 or
//! 16 x 16 with AVX-512, 6 x 16 or 10 x 8 with AVX2. Measured on one core of an AMD EPYC 9004: 110 to 117 GFLOP/s
//! of 118, against about 90 for a general sgemm, because rows are read where they lie: a 3x3 convolution is
//! three products over overlapping rows, never an im2col matrix.

use super::simd::{dispatch, widest};
use pulp::{Simd, WithSimd};

/// Vectors one panel may have; with their sums they fill the registers.
const MOST_VECTORS: usize = 3;

/// Channels of `vectors` vectors split into panels of similar size.
fn panels(vectors: usize, most: usize) -> impl Iterator<Item = usize> {
    let count = vectors.div_ceil(most);
    (0..count).map(move |at| vectors / count + usize::from(at < vectors % count))
}

/// The largest tile's rows beside `vectors` vectors.
#[inline(always)]
fn most_rows<S: Simd>(vectors: usize) -> usize {
    match (S::REGISTER_COUNT >= 32, vectors) {
        (true, 1) => 16,
        (true, 2) => 12,
        (true, _) => 8,
        (false, 1) => 10,
        (false, 2) => 6,
        (false, _) => 3,
    }
}

/// Panels this machine's registers hold: three vectors, or two if there are only 16 registers.
#[inline(always)]
fn most_vectors<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { MOST_VECTORS } else { 2 }
}

/// The right-hand matrix of [`multiply`], `[k][n]`, cut into panels of whole vectors and padded with zeros.
#[derive(Clone, Debug, Default)]
pub(crate) struct Panels {
    /// Inner dimension.
    pub(crate) k: usize,
    /// Columns with the padding.
    pub(crate) width: usize,
    lanes: usize,
    /// Panel after panel, `[k][vectors * lanes]` each.
    values: Vec<f32>,
}

struct MostVectors;

impl WithSimd for MostVectors {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        most_vectors::<S>()
    }
}

impl Panels {
    /// Packs `value(k, n)` for vectors of `lanes` floats.
    pub(crate) fn new(lanes: usize, k: usize, n: usize, value: impl Fn(usize, usize) -> f32) -> Self {
        let most = dispatch(lanes, MostVectors);
        let width = n.next_multiple_of(lanes);
        let mut values = Vec::with_capacity(k * width);
        let mut from = 0;
        for vectors in panels(width / lanes, most) {
            let columns = from..from + vectors * lanes;
            for row in 0..k {
                values.extend(
                    columns
                        .clone()
                        .map(|column| if column < n { value(row, column) } else { 0.0 }),
                );
            }
            from = columns.end;
        }
        Self {
            k,
            width,
            lanes,
            values,
        }
    }
}

/// Runs [`Multiply`]. Never inlined, so that its many tiles are compiled once.
#[inline(never)]
pub(crate) fn multiply(lanes: usize, op: Multiply<'_>) {
    dispatch(lanes, op);
}

/// Runs [`Outer`]. Never inlined, so that its many tiles are compiled once.
#[inline(never)]
pub(crate) fn outer(lanes: usize, op: Outer<'_>) {
    dispatch(lanes, op);
}

/// c[row * pixels + pixel][n] = sum over segments and k of
/// segment[row * a_row + pixel * a_step + k] * b[segment * len + k][n].
pub(crate) struct Multiply<'a> {
    /// Left-hand side, in segments that start at pixel 0 each.
    pub(crate) a: &'a [&'a [f32]],
    /// Floats from one pixel to the next.
    pub(crate) a_step: usize,
    /// Floats from one row of pixels to the next.
    pub(crate) a_row: usize,
    /// Inner dimension of one segment.
    pub(crate) len: usize,
    /// Rows of pixels.
    pub(crate) rows: usize,
    /// Pixels of a row.
    pub(crate) pixels: usize,
    /// Right-hand matrix, `k` = segments * `len`.
    pub(crate) b: &'a Panels,
    /// `[rows * pixels][b.width]`.
    pub(crate) c: &'a mut [f32],
}

/// Calls a tile function with its sizes as constants.
macro_rules! with_sizes {
    ($call:ident, $simd:expr, $vectors:expr, $rows:expr, $args:tt; $($v:literal: $($p:literal)+;)+) => {
        match ($vectors, $rows) {
            $($(($v, $p) => $call::<S, $p, $v>($simd, $args),)+)+
            _ => {}
        }
    };
}

/// Every tile that [`most_rows`] allows.
macro_rules! any_tile {
    ($call:ident, $simd:expr, $vectors:expr, $rows:expr, $args:tt) => {
        if S::REGISTER_COUNT >= 32 {
            with_sizes!($call, $simd, $vectors, $rows, $args;
                1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16;
                2: 1 2 3 4 5 6 7 8 9 10 11 12;
                3: 1 2 3 4 5 6 7 8;)
        } else {
            with_sizes!($call, $simd, $vectors, $rows, $args;
                1: 1 2 3 4 5 6 7 8 9 10;
                2: 1 2 3 4 5 6;)
        }
    };
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        debug_assert_eq!(self.b.lanes, S::F32_LANES);
        debug_assert_eq!(self.b.k, self.a.len() * self.len);
        let lanes = S::F32_LANES;
        let (mut column, mut packed) = (0, 0);
        let pixels = self.rows * self.pixels;
        for vectors in panels(self.b.width / lanes, most_vectors::<S>()) {
            let panel = &self.b.values[packed..packed + self.b.k * vectors * lanes];
            packed += panel.len();
            let mut at = 0;
            let groups = pixels.div_ceil(most_rows::<S>(vectors));
            for group in 0..groups {
                let rows = (pixels - at).div_ceil(groups - group);
                let c = &mut self.c[at * self.b.width + column..];
                let starts = Starts {
                    y: at / self.pixels,
                    x: at % self.pixels,
                    pixels: self.pixels,
                    step: self.a_step,
                    row: self.a_row,
                };
                let args = (self.a, starts, self.len, panel, c, self.b.width);
                any_tile!(multiply_tile, simd, vectors, rows, args);
                at += rows;
            }
            column += vectors * lanes;
        }
    }
}

/// Where pixels begin, from pixel `(y, x)` on.
struct Starts {
    y: usize,
    x: usize,
    pixels: usize,
    step: usize,
    row: usize,
}

impl Starts {
    #[inline(always)]
    fn next(&mut self) -> usize {
        let start = self.y * self.row + self.x * self.step;
        self.x += 1;
        if self.x == self.pixels {
            (self.y, self.x) = (self.y + 1, 0);
        }
        start
    }
}

type MultiplyArgs<'a> = (&'a [&'a [f32]], Starts, usize, &'a [f32], &'a mut [f32], usize);

#[inline(always)]
fn multiply_tile<S: Simd, const P: usize, const V: usize>(simd: S, args: MultiplyArgs<'_>) {
    let (a, mut starts, len, panel, c, width) = args;
    let starts: [usize; P] = core::array::from_fn(|_| starts.next());
    let mut sums = [[simd.splat_f32s(0.0); V]; P];
    let (panel, _) = S::as_simd_f32s(panel);
    let (panel, _) = panel.as_chunks::<V>();
    for (segment, b) in a.iter().zip(panel.chunks_exact(len)) {
        let rows: [&[f32]; P] = core::array::from_fn(|p| &segment[starts[p]..starts[p] + len]);
        for k in 0..len {
            let b = b[k];
            for p in 0..P {
                let x = simd.splat_f32s(rows[p][k]);
                for v in 0..V {
                    sums[p][v] = simd.mul_add_e_f32s(x, b[v], sums[p][v]);
                }
            }
        }
    }
    for (row, sums) in c.chunks_mut(width).zip(&sums) {
        let (to, _) = S::as_mut_simd_f32s(row);
        to[..V].copy_from_slice(sums);
    }
}

/// c[m][n] += sum over rows and pixels of a[row * a_row + pixel * a_step + m] * b[row * b_row + pixel * b_step + n].
pub(crate) struct Outer<'a> {
    /// Left-hand side: `m` consecutive floats for each pixel.
    pub(crate) a: &'a [f32],
    /// Floats from one pixel to the next.
    pub(crate) a_step: usize,
    /// Floats from one row of pixels to the next.
    pub(crate) a_row: usize,
    /// Right-hand side: `width` consecutive floats for each pixel, which may reach into the next one.
    pub(crate) b: &'a [f32],
    /// Floats from one pixel to the next.
    pub(crate) b_step: usize,
    /// Floats from one row of pixels to the next.
    pub(crate) b_row: usize,
    /// Columns of `c`, whole vectors.
    pub(crate) width: usize,
    /// Rows of pixels.
    pub(crate) rows: usize,
    /// Pixels of a row.
    pub(crate) pixels: usize,
    /// Rows of `c`.
    pub(crate) m: usize,
    /// Sums, `[m][width]`.
    pub(crate) c: &'a mut [f32],
}

impl WithSimd for Outer<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        debug_assert_eq!(self.width % lanes, 0);
        let mut column = 0;
        for vectors in panels(self.width / lanes, most_vectors::<S>()) {
            let mut row = 0;
            let groups = self.m.div_ceil(most_rows::<S>(vectors));
            for group in 0..groups {
                let rows = (self.m - row).div_ceil(groups - group);
                let c = &mut self.c[row * self.width + column..];
                let a = (self.a, row, self.a_step, self.a_row);
                let b = (self.b, column, self.b_step, self.b_row);
                let args = (a, b, (self.rows, self.pixels), c, self.width);
                any_tile!(outer_tile, simd, vectors, rows, args);
                row += rows;
            }
            column += vectors * lanes;
        }
    }
}

type OuterArgs<'a> = (
    (&'a [f32], usize, usize, usize),
    (&'a [f32], usize, usize, usize),
    (usize, usize),
    &'a mut [f32],
    usize,
);

#[inline(always)]
fn outer_tile<S: Simd, const P: usize, const V: usize>(simd: S, args: OuterArgs<'_>) {
    let ((a, m, a_step, a_row), (b, column, b_step, b_row), (rows, pixels), c, width) = args;
    let mut sums = [[simd.splat_f32s(0.0); V]; P];
    for (row, sums) in c.chunks(width).zip(&mut sums) {
        let (from, _) = S::as_simd_f32s(row);
        sums.copy_from_slice(&from[..V]);
    }
    for row in 0..rows {
        let a = &a[row * a_row + m..];
        let b = &b[row * b_row + column..];
        for pixel in 0..pixels {
            let a = a[pixel * a_step..].first_chunk::<P>();
            let (b, _) = S::as_simd_f32s(&b[pixel * b_step..][..V * S::F32_LANES]);
            let (Some(a), Some(b)) = (a, b.first_chunk::<V>()) else {
                return;
            };
            for p in 0..P {
                let x = simd.splat_f32s(a[p]);
                for v in 0..V {
                    sums[p][v] = simd.mul_add_e_f32s(x, b[v], sums[p][v]);
                }
            }
        }
    }
    for (row, sums) in c.chunks_mut(width).zip(&sums) {
        let (to, _) = S::as_mut_simd_f32s(row);
        to[..V].copy_from_slice(sums);
    }
}

/// Billions of operations per second of products that stay in the first cache level, on all threads, timed for about
/// `seconds`: what this program could reach at best.
pub fn product_speed(seconds: f64) -> f64 {
    let lanes = widest();
    let (rows, k) = (32, 96);
    let weights = Panels::new(lanes, k, MOST_VECTORS * lanes, |k, n| (k + n) as f32);
    let start = std::time::Instant::now();
    let speeds = rayon::broadcast(|_| {
        let source = vec![1.0f32; rows * k];
        let mut c = vec![0.0; rows * weights.width];
        let mut products = 0u64;
        while start.elapsed().as_secs_f64() < seconds {
            for _ in 0..100 {
                let a = [core::hint::black_box(&source[..])];
                multiply(
                    lanes,
                    Multiply {
                        a: &a,
                        a_step: k,
                        a_row: 0,
                        len: k,
                        rows: 1,
                        pixels: rows,
                        b: &weights,
                        c: &mut c,
                    },
                );
                core::hint::black_box(&c);
                products += 1;
            }
        }
        products as f64 * (2 * rows * k * weights.width) as f64 / start.elapsed().as_secs_f64()
    });
    speeds.iter().sum::<f64>() / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widths() -> Vec<usize> {
        if widest() == 16 {
            vec![16, 8]
        } else {
            vec![widest()]
        }
    }

    fn number(seed: usize) -> f32 {
        ((seed * 7919 + 13) % 257) as f32 / 128.0 - 1.0
    }

    fn close(found: f32, expected: f64) {
        assert!(
            (f64::from(found) - expected).abs() < 1e-4,
            "{found} for {expected}"
        );
    }

    #[test]
    fn multiply_agrees_with_the_definition() {
        for lanes in widths() {
            for n in [1, 12, 16, 33, 48, 64, 100] {
                for (rows, pixels) in [(1, 1), (1, 7), (1, 9), (1, 28), (11, 3), (3, 11)] {
                    let (a_step, a_row, len) = (5, 19, 15);
                    let source: Vec<f32> = (0..3 * 300).map(number).collect();
                    let a = [&source[..300], &source[300..600], &source[600..]];
                    let at = |row: usize| row / pixels * a_row + row % pixels * a_step;
                    let weight = |k: usize, n: usize| number(k * 31 + n * 7);
                    let b = Panels::new(lanes, 3 * len, n, weight);
                    let mut c = vec![f32::NAN; rows * pixels * b.width];
                    dispatch(
                        lanes,
                        Multiply {
                            a: &a,
                            a_step,
                            a_row,
                            len,
                            rows,
                            pixels,
                            b: &b,
                            c: &mut c,
                        },
                    );
                    for row in 0..rows * pixels {
                        for column in 0..n {
                            let sum = (0..3 * len)
                                .map(|k| {
                                    let value = a[k / len][at(row) + k % len];
                                    f64::from(value) * f64::from(weight(k, column))
                                })
                                .sum();
                            close(c[row * b.width + column], sum);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn outer_adds_to_what_is_there() {
        for lanes in widths() {
            for (m, vectors) in [(1, 1), (5, 2), (36, 3), (24, 4), (17, 5)] {
                let width = vectors * lanes;
                let (rows, pixels, a_step, a_row) = (3, 7, 4, 60);
                let a: Vec<f32> = (0..300).map(number).collect();
                // Pixels of `b` overlap, and rows have gaps.
                let (b_step, b_row) = (width - 3, pixels * width);
                let b: Vec<f32> = (0..rows * b_row).map(|i| number(i * 3)).collect();
                let mut c = vec![1.0; m * width];
                dispatch(
                    lanes,
                    Outer {
                        a: &a,
                        a_step,
                        a_row,
                        b: &b,
                        b_step,
                        b_row,
                        width,
                        rows,
                        pixels,
                        m,
                        c: &mut c,
                    },
                );
                for row in 0..m {
                    for column in 0..width {
                        let mut sum = 1.0;
                        for (y, x) in (0..rows).flat_map(|y| (0..pixels).map(move |x| (y, x))) {
                            let left = a[y * a_row + x * a_step + row];
                            sum += f64::from(left) * f64::from(b[y * b_row + x * b_step + column]);
                        }
                        close(c[row * width + column], sum);
                    }
                }
            }
        }
    }
}
