//! x86-64 with AVX2, for the host: `i16` lines and widened weights through `pmaddwd`, four outputs by four pixels.
//!
//! Every order runs here without a detour. In [`Order::Pairs`], which is the best one, a vector of products holds four
//! filters, so that a quarter as many accumulators, and as many additions at the end, are needed.

use super::portable::Portable;
use crate::kernel::tile::{Clamp, Conv, Lines, Pixels, Tile};
use crate::layout::{GROUP, Order, TILE, WINDOW};
use core::arch::x86_64::*;

/// The AVX2 inner loop; a value of this type is the proof that the machine has the instructions.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

/// Values that one step along a filter takes.
const STEP: usize = 16;
/// Outputs computed at once.
const QUAD: usize = 4;

impl Avx2 {
    /// The inner loop, where this machine has AVX2.
    pub fn detect() -> Option<Self> {
        #[cfg(feature = "std")]
        let is_there = std::is_x86_feature_detected!("avx2");
        #[cfg(not(feature = "std"))]
        let is_there = cfg!(target_feature = "avx2");
        is_there.then_some(Self(()))
    }
}

// The packing methods are the portable loops, compiled for AVX2: what the compiler makes of them is as fast as
// intrinsics would be.
impl Tile for Avx2 {
    const NAME: &'static str = "x86-64 AVX2";
    const ORDER: Order = Order::Pairs;

    fn put(self, line: &mut [i16], depth: usize, i: usize, values: [u8; TILE]) {
        Portable.put(line, depth, i, values);
    }

    fn widen_window(self, pixels: &Pixels<'_>, line: &mut [i16]) {
        // SAFETY: `self` exists, so the machine has AVX2.
        unsafe { widen_window(pixels, line) }
    }

    fn clamp(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [i16]) {
        // SAFETY: as above.
        unsafe { clamp_into(pixels, clamp, line) }
    }

    fn clamp_add(self, pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [i16]) {
        // SAFETY: as above.
        unsafe { clamp_add(pixels, clamp, line) }
    }

    fn clamp_bytes(self, source: &[u8], clamp: Clamp<'_>, out: &mut [u8]) {
        // SAFETY: as above.
        unsafe { clamp_bytes(source, clamp, out) }
    }

    fn multiply(self, lines: &Lines<'_>, conv: &Conv<'_>, out: &mut [u8], out_stride: usize) {
        if !lines.fit(conv, out, out_stride) {
            return;
        }
        // SAFETY: `self` exists, so the machine has AVX2, and the lengths have just been checked.
        unsafe { multiply(lines, conv, out, out_stride) }
    }
}

#[target_feature(enable = "avx2")]
fn widen_window(pixels: &Pixels<'_>, line: &mut [i16]) {
    Portable.widen_window(pixels, line);
}

#[target_feature(enable = "avx2")]
fn clamp_into(pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [i16]) {
    Portable.clamp(pixels, clamp, line);
}

#[target_feature(enable = "avx2")]
fn clamp_add(pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [i16]) {
    Portable.clamp_add(pixels, clamp, line);
}

#[target_feature(enable = "avx2")]
fn clamp_bytes(source: &[u8], clamp: Clamp<'_>, out: &mut [u8]) {
    Portable.clamp_bytes(source, clamp, out);
}

/// [`Tile::multiply`] behind its check.
///
/// # Safety
/// * [`Lines::fit`] holds for the arguments.
#[target_feature(enable = "avx2")]
unsafe fn multiply(lines: &Lines<'_>, conv: &Conv<'_>, out: &mut [u8], out_stride: usize) {
    // Pixels behind the last one are computed, as the line buffer has columns for them, and not stored.
    let biases: [usize; TILE] = core::array::from_fn(|p| lines.bias[p.min(lines.pixels - 1)]);
    for o in (0..conv.outputs).step_by(QUAD) {
        let stored = QUAD.min(conv.outputs - o);
        let sums = match conv.order {
            // SAFETY: `fit` holds, this is the order, and `o` is an output and a multiple of 4.
            Order::Plain => unsafe { plain(lines, conv, o) },
            // SAFETY: as above.
            Order::Pairs if conv.depth < conv.length => unsafe { pairs::<WINDOW>(lines, conv, o) },
            // SAFETY: as above.
            Order::Pairs => unsafe { pairs::<TILE>(lines, conv, o) },
        };
        let multiplier = four(&conv.multiplier[o..][..stored]);
        let multiplier = _mm256_set_m128i(multiplier, multiplier);
        for (half, sums) in sums.into_iter().enumerate() {
            let bias = [2 * half, 2 * half + 1].map(|p| four(&conv.bias[biases[p] + o..][..stored]));
            let acc = _mm256_add_epi32(sums, _mm256_set_m128i(bias[1], bias[0]));
            let bytes = requantise(acc, multiplier);
            let words = [_mm256_extract_epi32::<0>(bytes), _mm256_extract_epi32::<4>(bytes)];
            for (p, word) in (2 * half..lines.pixels).zip(words) {
                out[p * out_stride + o..][..stored].copy_from_slice(&word.to_le_bytes()[..stored]);
            }
        }
    }
}

/// Up to four words, the rest zero.
#[target_feature(enable = "avx2")]
#[inline]
fn four(words: &[i32]) -> __m128i {
    match *words {
        [a, b, c, d] => _mm_setr_epi32(a, b, c, d),
        [a, b, c] => _mm_setr_epi32(a, b, c, 0),
        [a, b] => _mm_setr_epi32(a, b, 0, 0),
        [a] => _mm_setr_epi32(a, 0, 0, 0),
        _ => _mm_setzero_si128(),
    }
}

/// `requantise` of [`crate::arithmetic`] for eight accumulators; the lowest four bytes of each half are the results.
#[target_feature(enable = "avx2")]
#[inline]
fn requantise(acc: __m256i, multiplier: __m256i) -> __m256i {
    let round = _mm256_set1_epi64x(1 << 31);
    let even = _mm256_add_epi64(_mm256_mul_epi32(acc, multiplier), round);
    let odd = _mm256_mul_epi32(_mm256_srli_epi64::<32>(acc), _mm256_srli_epi64::<32>(multiplier));
    let odd = _mm256_add_epi64(odd, round);
    let scaled = _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<32>(even), odd);
    // Saturating twice is saturating once: the first range holds the second.
    let words = _mm256_packs_epi32(scaled, scaled);
    _mm256_packus_epi16(words, words)
}

/// `len` bytes from `at`, zeros behind them.
///
/// # Safety
/// * `len` is a multiple of 4 and at most 32, and `len` bytes from `at` may be read.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn load_some<V>(at: *const V, len: usize) -> __m256i {
    let lanes = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(len as i32), lanes);
    // SAFETY: only lanes below `len` are read, which the caller allows.
    unsafe { _mm256_maskload_epi32(at.cast(), mask) }
}

/// Sums of outputs `o` to `o + 3` for pixels 0 and 1, and for pixels 2 and 3: `[pixel][output]` in a vector.
/// What lies behind the last output is anything.
///
/// # Safety
/// * [`Lines::fit`] holds, rows have `COLUMNS` columns, `conv.order` is `Pairs`, `o` is an output and a multiple of 4.
#[target_feature(enable = "avx2")]
unsafe fn pairs<const COLUMNS: usize>(lines: &Lines<'_>, conv: &Conv<'_>, o: usize) -> [__m256i; 2] {
    let taps = COLUMNS - TILE + 1;
    // Where there is no second pair, the first takes its place.
    let second = if o + 2 < conv.outputs { 2 * conv.length } else { 0 };
    let mut weights: *const i8 = conv.weights[o * conv.length..].as_ptr();
    // A pair of outputs in each half, twice: of inputs 0 and 1, and of 2 and 3 of every group.
    let mut acc = [_mm256_setzero_si256(); TILE];
    for row in lines.values.chunks_exact(COLUMNS * conv.depth).take(lines.rows) {
        let mut values = row.as_ptr();
        for _ in 0..conv.depth / GROUP {
            // SAFETY: a group of this row is left in two filters of each pair.
            let filters = unsafe { group::<COLUMNS>(weights, weights.wrapping_add(second)) };
            let columns: [__m256i; COLUMNS] = core::array::from_fn(|column| {
                let at: *const i64 = values.wrapping_add(column * conv.depth).cast();
                // SAFETY: and four values in each column.
                _mm256_set1_epi64x(unsafe { at.read_unaligned() })
            });
            for (p, acc) in acc.iter_mut().enumerate() {
                for (filters, &column) in filters.iter().zip(&columns[p..]).take(taps) {
                    *acc = _mm256_add_epi32(*acc, _mm256_madd_epi16(*filters, column));
                }
            }
            weights = weights.wrapping_add(2 * GROUP * taps);
            values = values.wrapping_add(GROUP);
        }
    }
    // Neighbours add up to a pixel's pair, two pixels in each half; then halves swap, so that each is a pixel.
    let [a, b, c, d] = acc;
    [(a, b), (c, d)].map(|(a, b)| _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(a, b)))
}

/// One group's weights for each tap: four of one filter, four of the other, widened; the pair at `near` in the lower
/// half, the one at `far` in the upper.
///
/// # Safety
/// * A group of weights, eight bytes or 24 where there are three taps, may be read at `near` and `far`.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn group<const COLUMNS: usize>(near: *const i8, far: *const i8) -> [__m256i; 3] {
    // A word holds inputs 0 and 2, or 1 and 3, of either filter; a word's bytes become the upper halves of lanes.
    let (w, v) = (if COLUMNS == WINDOW { 12 } else { 4 }, -1);
    #[rustfmt::skip]
    let ends = _mm256_setr_epi8(
        v, 0, v, w, v, 2, v, w + 2, v, 1, v, w + 1, v, 3, v, w + 3,
        v, 0, v, w, v, 2, v, w + 2, v, 1, v, w + 1, v, 3, v, w + 3,
    );
    let widened = |words, places| _mm256_srai_epi16::<8>(_mm256_shuffle_epi8(words, places));
    if COLUMNS < WINDOW {
        // SAFETY: the caller's.
        let [near, far] = [near, far].map(|at| unsafe { _mm_loadl_epi64(at.cast()) });
        return [widened(_mm256_set_m128i(far, near), ends); 3];
    }
    // SAFETY: the caller's.
    let first = [near, far].map(|at| unsafe { _mm_loadu_si128(at.cast()) });
    // SAFETY: the caller's.
    let last = [near, far].map(|at| unsafe { _mm_loadu_si128(at.wrapping_add(8).cast()) });
    // Words of taps 0 1 2 0, and of 2 0 1 2.
    let [first, last] = [first, last].map(|[near, far]| _mm256_set_m128i(far, near));
    let middle = _mm256_blend_epi32::<0b1100_1100>(first, last);
    #[rustfmt::skip]
    let middles = _mm256_setr_epi8(
        v, 4, v, 8, v, 6, v, 10, v, 5, v, 9, v, 7, v, 11,
        v, 4, v, 8, v, 6, v, 10, v, 5, v, 9, v, 7, v, 11,
    );
    [
        widened(first, ends),
        widened(middle, middles),
        widened(last, ends),
    ]
}

/// The same as [`pairs`] for filters one behind the other.
///
/// # Safety
/// * As there, but that `conv.order` is `Plain`.
#[target_feature(enable = "avx2")]
unsafe fn plain(lines: &Lines<'_>, conv: &Conv<'_>, o: usize) -> [__m256i; 2] {
    // A pixel's taps of a row lie side by side.
    let columns = lines.columns(conv);
    let run_len = (columns - TILE + 1) * conv.depth;
    // Where there is no such output, the last one takes its place.
    let filters: [&[i8]; QUAD] =
        core::array::from_fn(|n| &conv.weights[(o + n).min(conv.outputs - 1) * conv.length..]);
    [0, 2].map(|first| {
        let mut acc = [[_mm256_setzero_si256(); QUAD]; 2];
        let rows = lines.values.chunks_exact(columns * conv.depth);
        for (r, row) in rows.enumerate().take(lines.rows) {
            let mut values = [first, first + 1].map(|p| row[p * conv.depth..].as_ptr());
            let mut weights = filters.map(|filter| filter[r * run_len..].as_ptr());
            for _ in 0..run_len / STEP {
                // SAFETY: a whole step is left of this run of both pixels.
                let pixels = values.map(|at| unsafe { load(at) });
                // SAFETY: and of the filters.
                let filters = weights.map(|at| unsafe { _mm_loadu_si128(at.cast()) });
                add_plain(&mut acc, filters, pixels);
                values = values.map(|at| at.wrapping_add(STEP));
                weights = weights.map(|at| at.wrapping_add(STEP));
            }
            let rest = run_len % STEP;
            if rest > 0 {
                // SAFETY: `rest` values are left of this run of both pixels.
                let pixels = values.map(|at| unsafe { load_some(at, 2 * rest) });
                // SAFETY: and of the filters.
                let filters = weights.map(|at| _mm256_castsi256_si128(unsafe { load_some(at, rest) }));
                add_plain(&mut acc, filters, pixels);
            }
        }
        let [left, right] =
            acc.map(|[a, b, c, d]| _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d)));
        add_halves(left, right)
    })
}

/// One step of [`plain`].
#[target_feature(enable = "avx2")]
#[inline]
fn add_plain(acc: &mut [[__m256i; QUAD]; 2], filters: [__m128i; QUAD], pixels: [__m256i; 2]) {
    let filters = filters.map(|weights| _mm256_cvtepi8_epi16(weights));
    for (acc, pixel) in acc.iter_mut().zip(pixels) {
        for (acc, weights) in acc.iter_mut().zip(filters) {
            *acc = _mm256_add_epi32(*acc, _mm256_madd_epi16(weights, pixel));
        }
    }
}

/// 32 bytes.
///
/// # Safety
/// * 32 bytes from `at` may be read.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn load<V>(at: *const V) -> __m256i {
    // SAFETY: the caller's.
    unsafe { _mm256_loadu_si256(at.cast()) }
}

/// The two halves of `left` added up, and those of `right`.
#[target_feature(enable = "avx2")]
#[inline]
fn add_halves(left: __m256i, right: __m256i) -> __m256i {
    _mm256_add_epi32(
        _mm256_permute2x128_si256::<0x20>(left, right),
        _mm256_permute2x128_si256::<0x31>(left, right),
    )
}
