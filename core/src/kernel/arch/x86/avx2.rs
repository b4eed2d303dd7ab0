//! AVX2: `i16` lines and widened weights through `pmaddwd`, eight outputs by four pixels.
//!
//! A vector of weights is `[output][i]`, four by four; a group of a pixel's values is broadcast to it. So nothing is
//! added up across a vector but, at the end, neighbours.
//!
//! D2 takes 1.5 ms on one thread (45 G MACs a second); with filters in the blob's order, 2.6 ms.

use super::{QUAD, borders, for_each_run, in_lanes, run_len};
use crate::kernel::arch::cast;
use crate::kernel::arch::reference::Reference;
use crate::kernel::tile::{Clamp, Content, Conv, Lines, Pixels, Prepared, Sources, Taps, Tile};
use crate::layout::{GROUP, Order, TILE};
use core::arch::x86_64::*;
use std::vec;
use std::vec::Vec;

/// Outputs computed at once: two quads.
const OCT: usize = 2 * QUAD;

/// The AVX2 inner loop; a value of this type is the proof that the machine has the instructions.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

/// A repacked convolution.
#[derive(Clone, Debug)]
pub struct Filters {
    /// `[o / 4][row][group]`.
    weights: Vec<Weights>,
    /// `[border][o / 8]`.
    bias: Vec<[i32; OCT]>,
    /// `[o / 8]`.
    multiplier: Vec<[i32; OCT]>,
}

/// `[o % 4][i]`.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Weights([[i16; GROUP]; QUAD]);

impl Avx2 {
    /// The inner loop, where this machine has AVX2.
    pub fn detect() -> Option<Self> {
        std::is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

// The packing methods are the reference's loops, compiled for AVX2: what the compiler makes of them is as fast as
// intrinsics would be.
impl Tile for Avx2 {
    const NAME: &'static str = "x86-64 AVX2";
    const ORDER: Order = Order::Plain;

    type Filters = Filters;

    fn filters(self, conv: &Conv<'_>, weights: &[i8], _: Content, _: &mut [i32]) -> Filters {
        let groups = conv.length / GROUP;
        let mut packed = vec![Weights([[0; GROUP]; QUAD]); conv.outputs.div_ceil(QUAD) * groups];
        for_each_run(conv, weights, |o, row, run| {
            let at = o / QUAD * groups + row * (run.len() / GROUP);
            let (run, _) = run.as_chunks::<GROUP>();
            for (weights, group) in packed[at..].iter_mut().zip(run) {
                weights.0[o % QUAD] = group.map(i16::from);
            }
        });
        let borders = conv.bias.chunks_exact(conv.outputs.max(1));
        Filters {
            weights: packed,
            bias: borders.flat_map(|bias| in_lanes(bias, |o| o)).collect(),
            multiplier: in_lanes(&conv.multiplier[..conv.outputs], |o| o),
        }
    }

    unsafe fn gather(self, taps: &Taps<'_>, line: &mut [u32]) {
        // SAFETY: the same obligations.
        unsafe { Reference.gather(taps, line) }
    }

    unsafe fn widen_window(self, window: &Sources<'_>, line: &mut [u32]) {
        // SAFETY: `self` exists, so the machine has AVX2; the obligations are the same.
        unsafe { widen_window(window, line) }
    }

    unsafe fn clamp(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [u32]) {
        // SAFETY: as above.
        unsafe { clamp_into(pixels, clamp, line) }
    }

    unsafe fn pool(self, sources: &Sources<'_>, clamp: Clamp<'_>, line: &mut [u32]) {
        // SAFETY: as above.
        unsafe { pool(sources, clamp, line) }
    }

    unsafe fn clamp_bytes(self, source: &[u8], clamp: Clamp<'_>, out: &mut [u8]) {
        // SAFETY: as above.
        unsafe { clamp_bytes(source, clamp, out) }
    }

    unsafe fn multiply(
        self,
        lines: &Lines<'_>,
        conv: &Prepared<'_, Self>,
        out: &mut [u8],
        out_stride: usize,
    ) {
        // SAFETY: as above.
        unsafe { multiply(lines, conv, out, out_stride) }
    }
}

#[target_feature(enable = "avx2")]
unsafe fn widen_window(window: &Sources<'_>, line: &mut [u32]) {
    // SAFETY: the caller's obligations, as in the functions below.
    unsafe { Reference.widen_window(window, line) }
}

#[target_feature(enable = "avx2")]
unsafe fn clamp_into(pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [u32]) {
    // SAFETY: as above.
    unsafe { Reference.clamp(pixels, clamp, line) }
}

#[target_feature(enable = "avx2")]
unsafe fn pool(sources: &Sources<'_>, clamp: Clamp<'_>, line: &mut [u32]) {
    // SAFETY: as above.
    unsafe { Reference.pool(sources, clamp, line) }
}

#[target_feature(enable = "avx2")]
unsafe fn clamp_bytes(source: &[u8], clamp: Clamp<'_>, out: &mut [u8]) {
    // SAFETY: as above.
    unsafe { Reference.clamp_bytes(source, clamp, out) }
}

/// [`Tile::multiply`], oct by oct, of lines that fit.
#[target_feature(enable = "avx2")]
fn multiply(lines: &Lines<'_>, conv: &Prepared<'_, Avx2>, out: &mut [u8], out_stride: usize) {
    let filters = conv.filters();
    let groups = conv.length / GROUP;
    let octs = conv.outputs.div_ceil(OCT);
    let borders = borders(lines, conv.outputs, octs);
    let rows = Rows {
        values: cast::as_i16s(lines.words),
        row_len: conv.columns() * conv.depth,
        depth: conv.depth,
        run_groups: run_len(conv) / GROUP,
    };
    for (oct, multiplier) in filters.multiplier.iter().enumerate() {
        let quads = &filters.weights[oct * 2 * groups..];
        let acc = match quads.get(groups..2 * groups) {
            Some(second) => {
                let [first, second] = rows.multiply([&quads[..groups], second]);
                sums(first, second)
            }
            None => {
                let [first] = rows.multiply([&quads[..groups]]);
                sums(first, [_mm256_setzero_si256(); TILE])
            }
        };
        let multiplier = vector(multiplier);
        let mut scaled = acc;
        for (scaled, border) in scaled.iter_mut().zip(borders) {
            let bias = vector(&filters.bias[border + oct]);
            *scaled = requantise(_mm256_add_epi32(*scaled, bias), multiplier);
        }
        let o = oct * OCT;
        let stored = OCT.min(conv.outputs - o);
        for (p, bytes) in narrow(scaled).iter().enumerate().take(lines.pixels) {
            let out = &mut out[p * out_stride + o..][..stored];
            match out.first_chunk_mut() {
                Some(out) => *out = *bytes,
                None => out.copy_from_slice(&bytes[..stored]),
            }
        }
    }
}

/// Rows of the line buffer.
struct Rows<'a> {
    values: &'a [i16],
    /// Values of a row.
    row_len: usize,
    /// Values of a column.
    depth: usize,
    /// Groups of a row of taps.
    run_groups: usize,
}

// Arrays are filled by plain loops here: `map` and `from_fn` are compiled without AVX2, so nothing that uses it can
// be inlined there.
impl Rows<'_> {
    /// Sums of each quad's outputs for each pixel, every output's in two neighbouring lanes.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn multiply<const QUADS: usize>(&self, quads: [&[Weights]; QUADS]) -> [[__m256i; TILE]; QUADS] {
        let mut acc = [[_mm256_setzero_si256(); TILE]; QUADS];
        let groups = self.run_groups;
        for (r, row) in self
            .values
            .chunks_exact(self.row_len)
            .enumerate()
            .take(quads[0].len() / groups)
        {
            let mut weights = [&[] as &[Weights]; QUADS];
            for (weights, quad) in weights.iter_mut().zip(quads) {
                *weights = &quad[r * groups..][..groups];
            }
            let mut pixels = [&[] as &[[i16; GROUP]]; TILE];
            for (p, pixel) in pixels.iter_mut().enumerate() {
                *pixel = &row[p * self.depth..][..groups * GROUP].as_chunks().0[..groups];
            }
            for g in 0..groups {
                for (p, pixel) in pixels.iter().enumerate() {
                    let pixel = broadcast(pixel[g]);
                    for (acc, weights) in acc.iter_mut().zip(weights) {
                        let products = _mm256_madd_epi16(load(&weights[g]), pixel);
                        acc[p] = _mm256_add_epi32(acc[p], products);
                    }
                }
            }
        }
        acc
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load(weights: &Weights) -> __m256i {
    // SAFETY: both are 32 bytes of integers.
    unsafe { core::mem::transmute::<Weights, __m256i>(*weights) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn vector(words: &[i32; OCT]) -> __m256i {
    // SAFETY: both are 32 bytes of integers.
    unsafe { core::mem::transmute::<[i32; OCT], __m256i>(*words) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn broadcast(group: [i16; GROUP]) -> __m256i {
    // SAFETY: both are eight bytes of integers.
    _mm256_set1_epi64x(unsafe { core::mem::transmute::<[i16; GROUP], i64>(group) })
}

/// The eight outputs of two quads, in order, for each pixel.
#[target_feature(enable = "avx2")]
#[inline]
fn sums(first: [__m256i; TILE], second: [__m256i; TILE]) -> [__m256i; TILE] {
    let mut sums = first;
    for (sum, second) in sums.iter_mut().zip(second) {
        *sum = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(*sum, second));
    }
    sums
}

/// `scale` of [`crate::arithmetic`] for eight accumulators.
#[target_feature(enable = "avx2")]
#[inline]
fn requantise(acc: __m256i, multiplier: __m256i) -> __m256i {
    let round = _mm256_set1_epi64x(1 << 31);
    let even = _mm256_add_epi64(_mm256_mul_epi32(acc, multiplier), round);
    let odd = _mm256_mul_epi32(_mm256_srli_epi64::<32>(acc), _mm256_srli_epi64::<32>(multiplier));
    let odd = _mm256_add_epi64(odd, round);
    _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<32>(even), odd)
}

/// Each pixel's eight results saturated to bytes. Saturating twice is saturating once: the first range holds the second.
#[target_feature(enable = "avx2")]
#[inline]
fn narrow(scaled: [__m256i; TILE]) -> [[u8; OCT]; TILE] {
    let [a, b, c, d] = scaled;
    let bytes = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    // Halves of the pixels in turn: first all first halves, then all second ones.
    let bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    // SAFETY: both are 32 bytes of integers.
    unsafe { core::mem::transmute::<__m256i, [[u8; OCT]; TILE]>(bytes) }
}
