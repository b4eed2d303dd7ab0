//! Multiplying for Helium: what is worked out once for a convolution, and what each tile asks the assembly for.

use crate::arithmetic;
use crate::kernel::arch::cast;
use crate::kernel::tile::{Content, Conv, Lines, Prepared, Tile};
use crate::layout::{GROUP, Order, TILE};

/// Outputs computed at once.
const QUAD: usize = 4;
/// Weights of a vector.
const VECTOR: usize = 16;
/// Outputs whose biases are computed at once if there is no room to keep them.
const SOME: usize = 16;

/// One call of a multiplying function. The assembly knows this layout.
#[repr(C)]
pub(super) struct Work {
    pub(super) weights: *const i8,
    /// The first pixel's values, less what its first vector is filled up with.
    pub(super) line: *const u8,
    /// Bytes from a pixel's values to the next pixel's.
    pub(super) pitch: usize,
    /// Bytes from the end of a pixel's values to the start of the next but one pixel's.
    pub(super) advance: usize,
    /// Vectors of a filter.
    pub(super) vectors: usize,
    /// Lanes of the first vector that are values, a bit for each byte; if it is halved, of its second half above.
    pub(super) lanes: u32,
    pub(super) bias: *const i32,
    pub(super) multiplier: *const i32,
    pub(super) out: *mut u8,
    pub(super) out_stride: usize,
    pub(super) pairs: usize,
    pub(super) quads: usize,
}

unsafe extern "C" {
    // Each multiplies pairs of pixels with quads of filters, at least one of both, and writes four bytes per pixel and
    // quad. Obligations:
    // * `weights` holds that many filters of that many vectors, at least one, in the order of quads;
    // * after `line` and the padding of its first vector, there are values for every pixel;
    // * `bias` and `multiplier`, aligned, have a value for every filter;
    // * four bytes per quad may be written at `out` for each pixel.
    fn denselet_multiply_bytes(work: &Work);
    fn denselet_multiply_sums(work: &Work);

    // Writes the sum of each filter's weights, times 128. Obligations: `weights` holds `quads` times four filters of
    // `vectors` vectors, `sums` has a place for each; neither is none.
    fn denselet_filter_sums(weights: *const i8, quads: usize, vectors: usize, lanes: u32, sums: *mut i32);
}

/// What is worked out once for a convolution.
#[derive(Clone, Copy, Debug)]
pub struct Filters {
    /// Whether scratch holds the biases of the first kind of border with what makes up for 128.
    is_kept: bool,
    /// Bytes of a filter's values, and of what fills its first vector up.
    values: usize,
    filling: usize,
    vectors: usize,
    lanes: u32,
    /// Bytes from a pixel's values to the next pixel's.
    pitch: usize,
}

impl Filters {
    /// Computes it for a whole convolution; `scratch` keeps the biases if it has room for them.
    pub(super) fn new(conv: &Conv<'_>, weights: &[i8], content: Content, scratch: &mut [i32]) -> Self {
        let value_len = match content {
            Content::Bytes => 1,
            Content::Sums => 2,
        };
        let filling = conv.length.next_multiple_of(VECTOR) - conv.length;
        let bits = VECTOR * value_len;
        let mut filters = Self {
            is_kept: false,
            values: conv.length * value_len,
            filling: filling * value_len,
            vectors: conv.length.div_ceil(VECTOR),
            lanes: (u32::MAX >> (32 - bits)) & (u32::MAX << (filling * value_len)),
            pitch: conv.length / conv.taps().max(1) * value_len,
        };
        let kept = conv.outputs.next_multiple_of(QUAD);
        // Lines of sums need nothing made up for.
        if content == Content::Bytes
            && conv.order == Order::Quads
            && conv.outputs > 0
            && kept <= scratch.len()
        {
            filters.sums(conv, weights, 0, scratch);
            add(&mut scratch[..conv.outputs], conv.bias);
            filters.is_kept = true;
        }
        filters
    }

    /// The biases that were kept for all tiles, one per output of the first kind of border; empty if they were not.
    fn kept<'l, T: Tile<Filters = Self>>(&self, conv: &'l Prepared<'_, T>, lines: &Lines<'l>) -> &'l [i32] {
        match conv.content() {
            Content::Sums => conv.bias,
            Content::Bytes if self.is_kept => lines.scratch,
            Content::Bytes => &[],
        }
    }

    /// Writes the biases of the outputs from `o` on, a multiple of 4, of the kind of border that starts at `border`; `kept` are
    /// those of the first kind.
    fn biases_at<T: Tile<Filters = Self>>(
        &self,
        conv: &Prepared<'_, T>,
        kept: &[i32],
        (o, border): (usize, usize),
        biases: &mut [i32; SOME],
    ) {
        let count = SOME.min(conv.outputs - o);
        if let Some(kept) = kept.get(o..o + count) {
            // What makes up for 128 is the same for every kind.
            let others = conv.bias[o..].iter().zip(&conv.bias[border + o..]);
            for ((bias, kept), (first, other)) in biases.iter_mut().zip(kept).zip(others) {
                *bias = kept.wrapping_sub(*first).wrapping_add(*other);
            }
            return;
        }
        self.sums(conv, conv.weights(), o, biases);
        add(&mut biases[..count], &conv.bias[border + o..]);
    }

    /// What makes up for 128, for the outputs from `o` on, a multiple of 4, that `sums` has room for, which is whole quads.
    fn sums(&self, conv: &Conv<'_>, weights: &[i8], o: usize, sums: &mut [i32]) {
        let quads = sums.len().min(conv.outputs - o).div_ceil(QUAD);
        let len = quads * QUAD;
        let weights = &weights[o * self.vectors * VECTOR..][..len * self.vectors * VECTOR];
        let sums = &mut sums[..len];
        // SAFETY: both slices have just been cut to that many quads; a whole convolution has a vector.
        unsafe {
            denselet_filter_sums(
                weights.as_ptr(),
                quads,
                self.vectors,
                self.lanes,
                sums.as_mut_ptr(),
            );
        }
    }
}

fn add(sums: &mut [i32], biases: &[i32]) {
    for (sum, bias) in sums.iter_mut().zip(biases) {
        *sum = sum.wrapping_add(*bias);
    }
}

/// Pixels `first` to `first + count` of a tile, and outputs from `o` on, a multiple of 4.
#[derive(Clone, Copy)]
struct Run {
    first: usize,
    count: usize,
    o: usize,
}

/// Where outputs go: one pixel's every `stride` bytes.
struct Out<'o> {
    bytes: &'o mut [u8],
    stride: usize,
}

/// [`Tile::multiply`](crate::kernel::Tile::multiply), with its obligations.
pub(super) unsafe fn multiply<T: Tile<Filters = Filters>>(
    lines: &Lines<'_>,
    conv: &Prepared<'_, T>,
    out: &mut [u8],
    out_stride: usize,
) {
    let whole = Run {
        first: 0,
        count: lines.pixels,
        o: 0,
    };
    let kept = conv.filters().kept(conv, lines);
    let is_kept = conv.outputs <= kept.len();
    if conv.order == Order::Quads && lines.borders.is_none() && is_kept {
        let out = Out {
            bytes: out,
            stride: out_stride,
        };
        outputs(lines, conv, whole, kept, out);
    } else if conv.order == Order::Quads {
        by_borders(lines, conv, out, out_stride);
    } else {
        slowly(lines, conv, out, out_stride);
    }
}

/// Pixels with different biases, or biases that were not kept.
#[inline(never)]
fn by_borders<T: Tile<Filters = Filters>>(
    lines: &Lines<'_>,
    conv: &Prepared<'_, T>,
    out: &mut [u8],
    out_stride: usize,
) {
    let kept = conv.filters().kept(conv, lines);
    let mut first = 0;
    while first < lines.pixels {
        let border = lines.border(first);
        let alike = (first..lines.pixels).take_while(|&p| lines.border(p) == border);
        let count = alike.count();
        for o in (0..conv.outputs).step_by(SOME) {
            let mut biases = [0; SOME];
            conv.filters().biases_at(conv, kept, (o, border), &mut biases);
            let biases = &biases[..SOME.min(conv.outputs - o)];
            let out = Out {
                bytes: &mut *out,
                stride: out_stride,
            };
            outputs(lines, conv, Run { first, count, o }, biases, out);
        }
        first += count;
    }
}

/// The outputs that `biases` are for.
fn outputs<T: Tile<Filters = Filters>>(
    lines: &Lines<'_>,
    conv: &Prepared<'_, T>,
    run: Run,
    biases: &[i32],
    out: Out<'_>,
) {
    let Run { first, o, .. } = run;
    let stride = out.stride;
    let count = biases.len().min(conv.outputs - o);
    let whole = count / QUAD * QUAD;
    let at = first * stride + o;
    if whole > 0 {
        let multipliers = &conv.multiplier[o..][..whole];
        let bytes = &mut out.bytes[at..];
        quads(lines, conv, run, [biases, multipliers], Out { bytes, stride });
    }
    if whole < count {
        let run = Run { o: o + whole, ..run };
        let bytes = &mut out.bytes[at + whole..];
        last_outputs(lines, conv, run, &biases[whole..count], Out { bytes, stride });
    }
}

/// The last outputs, fewer than a quad: they have filters to be one with, but neither multipliers nor room.
#[inline(never)]
fn last_outputs<T: Tile<Filters = Filters>>(
    lines: &Lines<'_>,
    conv: &Prepared<'_, T>,
    run: Run,
    biases: &[i32],
    out: Out<'_>,
) {
    let count = biases.len();
    let mut four_biases = [0; QUAD];
    four_biases[..count].copy_from_slice(biases);
    let mut multipliers = [0; QUAD];
    multipliers[..count].copy_from_slice(&conv.multiplier[run.o..][..count]);
    let mut outs = [0; 2 * TILE * QUAD];
    let bytes = &mut outs[..];
    let stride = QUAD;
    quads(
        lines,
        conv,
        run,
        [&four_biases, &multipliers],
        Out { bytes, stride },
    );
    for (p, four) in outs.chunks_exact(QUAD).enumerate().take(run.count) {
        out.bytes[p * out.stride..][..count].copy_from_slice(&four[..count]);
    }
}

/// Quads of outputs that `multipliers` are for; there is at least one.
fn quads<T: Tile<Filters = Filters>>(
    lines: &Lines<'_>,
    conv: &Prepared<'_, T>,
    run: Run,
    [biases, multipliers]: [&[i32]; 2],
    out: Out<'_>,
) {
    let Out {
        bytes: out,
        stride: out_stride,
    } = out;
    let o = run.o;
    let filters = conv.filters();
    let function: unsafe extern "C" fn(&Work) = match conv.content() {
        Content::Bytes => denselet_multiply_bytes,
        Content::Sums => denselet_multiply_sums,
    };
    let line = cast::as_bytes(lines.words).as_ptr();
    let start = |pixel: usize| {
        line.wrapping_add(pixel * filters.pitch)
            .wrapping_sub(filters.filling)
    };
    let mut work = Work {
        weights: conv.weights()[o * filters.vectors * VECTOR..].as_ptr(),
        line: start(run.first),
        pitch: filters.pitch,
        advance: (2 * filters.pitch).wrapping_sub(filters.values + filters.filling),
        vectors: filters.vectors,
        lanes: filters.lanes,
        bias: biases.as_ptr(),
        multiplier: multipliers.as_ptr(),
        out: out.as_mut_ptr(),
        out_stride,
        pairs: run.count / 2,
        quads: multipliers.len() / QUAD,
    };
    if work.pairs > 0 {
        // SAFETY: lines fit, so every pixel's values are there, from its column on, and `conv` has the filters;
        // biases and multipliers are quads, and every pixel of `out` has room for as many bytes.
        unsafe { function(&work) };
    }
    if run.count % 2 == 1 {
        // The last pixel twice, into the same place.
        let last = run.count - 1;
        work.line = start(run.first + last);
        work.pitch = 0;
        work.out = out[last * out_stride..].as_mut_ptr();
        work.out_stride = 0;
        work.pairs = 1;
        // SAFETY: as above.
        unsafe { function(&work) };
    }
}

/// Filters in another order, of lines that fit.
#[inline(never)]
fn slowly<T: Tile<Filters = Filters>>(
    lines: &Lines<'_>,
    conv: &Prepared<'_, T>,
    out: &mut [u8],
    out_stride: usize,
) {
    let steps = conv.order.steps(conv.length, conv.depth);
    let bytes = cast::as_bytes(lines.words);
    for o in 0..conv.outputs {
        for p in 0..lines.pixels {
            let mut acc = conv.bias[lines.border(p) + o];
            for ky in 0..conv.rows() {
                for kx in 0..conv.taps() {
                    let tap = ((p + kx) * conv.rows() + ky) * conv.depth;
                    let k = (ky * conv.taps() + kx) * conv.depth;
                    let mut at = conv.order.weight_offset(conv.length, conv.depth, o, k);
                    for i in (tap..tap + conv.depth).step_by(GROUP) {
                        for (j, step) in steps.iter().enumerate() {
                            let value = match conv.content() {
                                Content::Bytes => i32::from(bytes[i + j] ^ 0x80),
                                Content::Sums => i32::from(cast::as_i16s(lines.words)[i + j]),
                            };
                            acc = acc.wrapping_add(value * i32::from(conv.weights()[at + step]));
                        }
                        at = conv.order.next_group(conv.length, conv.depth, at);
                    }
                }
            }
            out[p * out_stride + o] = arithmetic::requantise(acc, conv.multiplier[o]);
        }
    }
}
