//! Where every value lies: the one definition of each index. Rank 1: shapes only.
//!
//! Loop letters are the axis letters everywhere: `y x c` for activations, `o ky kx i` for weights, and `k`
//! for the position along a filter once `ky kx i` are flattened.

use crate::shape::{Shape, StageShape};

/// Values are stored and multiplied in groups of this many, so that a word load is a group.
pub const GROUP: usize = 4;

/// Pixels of one call of an inner loop whose lines are `i16`.
pub const TILE: usize = 4;

/// Values of a vector of [`Order::Quads`], and filters that lie side by side there.
const VECTOR: usize = 16;
const QUAD: usize = 4;

/// Columns of a dense layer's convolution.
pub const TAPS: usize = 3;

/// Pixels that [`TILE`] neighbouring outputs of a dense layer's convolution read in one row.
pub const WINDOW: usize = TILE + TAPS - 1;

/// `n` rounded up to a whole number of [`GROUP`]s: the bytes per pixel of a map of `n` channels.
pub const fn stride(n: usize) -> usize {
    n.next_multiple_of(GROUP)
}

/// Offset of pixel `(y, x)` in a map of `width` pixels of `stride` bytes, in bytes.
pub const fn pixel_offset(width: usize, stride: usize, y: usize, x: usize) -> usize {
    (y * width + x) * stride
}

/// Bytes of line buffer for `columns` columns of `depth` values, as `i16`.
pub const fn line_len(columns: usize, depth: usize) -> usize {
    2 * columns * depth
}

/// Bytes of a dense layer's line buffer: [`TILE`] columns of its bottleneck's inputs, and a window of `tap_rows` rows of ring
/// pixels.
pub const fn layer_line_len(inputs: usize, bottleneck: Option<usize>, tap_rows: usize) -> usize {
    let (pixels, depth) = match bottleneck {
        Some(bottleneck) => (line_len(TILE, stride(inputs)), stride(bottleneck)),
        None => (0, stride(inputs)),
    };
    let window = line_len(tap_rows * WINDOW, depth);
    if pixels > window { pixels } else { window }
}

/// First words of a dense layer's scratch in a line buffer of `len` words, after a line of `used` words: one for each output of
/// its bottleneck, then one for each output of its 3x3, as far as there is room. Inner loops whose lines are bytes use it.
pub fn scratch(len: usize, used: usize, bottleneck: usize) -> [usize; 2] {
    let first = used.min(len);
    [first, (first + stride(bottleneck)).min(len)]
}

/// Order of the weights in a blob. Every kernel runs every order; the one it was made for runs fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `[o][k]`: filter after filter.
    Plain,
    /// `[o / 2][ky][i / 4][i % 2][kx][i / 2 % 2][o % 2]`: two filters in each other, for kernels that compute two
    /// outputs at once and widen every other byte of a word into two 16-bit halves. A word holds two inputs' weights
    /// (`i` and `i + 2`, as the same widening of four activations pairs them) of two outputs, and a row's taps
    /// lie side by side, so that an activation can be kept from one tap to the next.
    Pairs,
    /// `[o / 4][q / 16][o % 4][q % 16]`: vectors of four filters in turn, for kernels with 16 lanes. `q` is the position
    /// `[kx][ky][i]` along the filter, so that the columns of a window follow each other. It is counted from the zeros that
    /// fill the filter up to whole vectors at its start.
    Quads,
}

/// The sizes of a convolution's filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filters {
    /// Filters that compute something.
    pub outputs: usize,
    /// Weights of each: rows * taps * `depth`.
    pub length: usize,
    /// Weights of a tap, a multiple of [`GROUP`].
    pub depth: usize,
    /// The first weights of a tap, those that meet a value; the others are padding.
    pub inputs: usize,
}

impl Order {
    /// Weights stored for `outputs` filters of `length`: `Pairs` fills up with a filter of zeros, `Quads` with filters and,
    /// at the start of each, with weights. Returns `None` if the number exceeds `usize`.
    pub const fn weights_len(self, outputs: usize, length: usize) -> Option<usize> {
        let (filters, length) = match self {
            Self::Plain => (Some(outputs), Some(length)),
            Self::Pairs => (outputs.checked_next_multiple_of(2), Some(length)),
            Self::Quads => (
                outputs.checked_next_multiple_of(QUAD),
                length.checked_next_multiple_of(VECTOR),
            ),
        };
        match (filters, length) {
            (Some(filters), Some(length)) => filters.checked_mul(length),
            _ => None,
        }
    }

    /// The one definition of padding among weights: the offset of one that is not zero although it meets no value. It is
    /// after a tap's inputs, in a filter that fills up, or before a filter.
    ///
    /// `weights` are as long as [`weights_len`](Self::weights_len) says.
    pub fn find_padding(self, filters: &Filters, weights: &[u8]) -> Option<usize> {
        let &Filters {
            outputs,
            length,
            depth,
            inputs,
        } = filters;
        let stored = match self {
            Self::Plain | Self::Pairs => length,
            Self::Quads => length.next_multiple_of(VECTOR),
        };
        let is_set = |at: &usize| weights.get(*at).is_some_and(|&weight| weight != 0);
        for o in 0..weights.len() / stored.max(1) {
            let inputs = if o < outputs { inputs } else { 0 };
            let start = o / QUAD * QUAD * stored + o % QUAD * VECTOR;
            if let Some(at) = (start..start + stored - length).find(is_set) {
                return Some(at);
            }
            let mut tap = 0;
            while inputs < depth && tap < length {
                let fill = tap + inputs..tap + depth;
                let mut offsets = fill.map(|k| self.weight_offset(length, depth, o, k));
                if let Some(at) = offsets.find(is_set) {
                    return Some(at);
                }
                tap += depth;
            }
        }
        None
    }

    /// Offset of weight `k` of filter `o`, where a filter has `length` weights and each of its taps `depth`
    /// (multiples of [`GROUP`]). One tap, or rows of [`TAPS`].
    pub const fn weight_offset(self, length: usize, depth: usize, o: usize, k: usize) -> usize {
        match self {
            Self::Plain => o * length + k,
            Self::Pairs => {
                let taps = taps(length, depth);
                let (row, kx, i) = (k / (taps * depth), k / depth % taps, k % depth);
                let word = row * taps * depth / 2 + (i / GROUP * 2 + i % 2) * taps + kx;
                o / 2 * 2 * length + word * 4 + i / 2 % 2 * 2 + o % 2
            }
            Self::Quads => {
                let taps = taps(length, depth);
                let rows = length / (taps * depth);
                let (ky, kx, i) = (k / (taps * depth), k / depth % taps, k % depth);
                let whole = length.next_multiple_of(VECTOR);
                let q = whole - length + (kx * rows + ky) * depth + i;
                o / QUAD * QUAD * whole + q / VECTOR * QUAD * VECTOR + o % QUAD * VECTOR + q % VECTOR
            }
        }
    }

    /// [`weight_offset`](Self::weight_offset) of the next [`GROUP`] of a tap, where that of one is `at`.
    pub const fn next_group(self, length: usize, depth: usize, at: usize) -> usize {
        match self {
            Self::Plain => at + GROUP,
            Self::Pairs => at + 2 * GROUP * taps(length, depth),
            Self::Quads if at % VECTOR + GROUP < VECTOR => at + GROUP,
            Self::Quads => at + GROUP + (QUAD - 1) * VECTOR,
        }
    }

    /// What [`weight_offset`](Self::weight_offset) grows by from the first weight of a [`GROUP`] to each of it.
    pub const fn steps(self, length: usize, depth: usize) -> [usize; GROUP] {
        match self {
            Self::Plain | Self::Quads => [0, 1, 2, 3],
            Self::Pairs => {
                let next = 4 * taps(length, depth);
                [0, next, 2, next + 2]
            }
        }
    }
}

/// Weights stored for a stage that reads a map of shape `input`: for its bottleneck (none without), and for its main convolution.
#[cfg(feature = "coded")]
pub(crate) fn stage_weights(order: Order, stage: StageShape, input: Shape) -> Option<[usize; 2]> {
    let (bottleneck, outputs) = match stage {
        StageShape::Layer { bottleneck, growth } => (bottleneck.unwrap_or(0), growth),
        StageShape::Transition { filters: outputs } | StageShape::Head { classes: outputs } => (0, outputs),
    };
    Some([
        order.weights_len(bottleneck, stride(input.channels))?,
        order.weights_len(outputs, stage_filter_len(stage, input)?)?,
    ])
}

/// Columns of a filter with `length` weights, `depth` of them in each tap.
const fn taps(length: usize, depth: usize) -> usize {
    if depth < length { TAPS } else { 1 }
}

/// Weights of one filter of a stage's main convolution, which reads a map of shape `input`; `None` if the number exceeds `usize`.
pub fn stage_filter_len(stage: StageShape, input: Shape) -> Option<usize> {
    match stage {
        StageShape::Layer { bottleneck, .. } => {
            let taps = input.tap_rows().checked_mul(TAPS)?;
            taps.checked_mul(stride(bottleneck.unwrap_or(input.channels)))
        }
        _ => Some(stride(input.channels)),
    }
}

/// Position along a filter of the dense layers' and transitions' convolutions: each tap has
/// [`stride`]`(inputs)` values, as a pixel in a ring has.
pub const fn tap_position(taps_x: usize, inputs: usize, ky: usize, kx: usize, i: usize) -> usize {
    (ky * taps_x + kx) * stride(inputs) + i
}

/// Position along a filter of the stem, whose taps lie close together, as an input row does.
pub const fn stem_position(taps_x: usize, inputs: usize, ky: usize, kx: usize, i: usize) -> usize {
    (ky * taps_x + kx) * inputs + i
}

/// Number of biases a plain layer's 3x3 has per output: one for each kind of border (see [`border`]).
pub const BORDERS: usize = 9;

/// Which of the [`BORDERS`] biases pixel `(y, x)` takes: 3 * (first row 0, inner 1, last 2) + (the same of
/// the column). A map of one row or column is all first.
pub const fn border(height: usize, width: usize, y: usize, x: usize) -> usize {
    3 * edge(height, y) + edge(width, x)
}

const fn edge(length: usize, at: usize) -> usize {
    if at == 0 {
        0
    } else if at + 1 < length {
        1
    } else {
        2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::vec;

    #[test]
    fn every_order_is_a_bijection_and_a_group_is_its_steps() {
        for order in [Order::Plain, Order::Pairs, Order::Quads] {
            for outputs in 1..7 {
                for (length, depth) in [(4, 4), (8, 8), (36, 4), (24, 8), (72, 8), (36, 12)] {
                    let mut seen = vec![false; order.weights_len(outputs, length).unwrap()];
                    for o in 0..outputs {
                        for k in 0..length {
                            let at = order.weight_offset(length, depth, o, k);
                            assert!(!core::mem::replace(&mut seen[at], true));
                            let group = order.weight_offset(length, depth, o, k - k % GROUP);
                            assert_eq!(at, group + order.steps(length, depth)[k % GROUP]);
                            if k % depth + GROUP < depth {
                                let next = order.weight_offset(length, depth, o, k - k % GROUP + GROUP);
                                assert_eq!(order.next_group(length, depth, group), next);
                            }
                        }
                    }
                    assert_eq!(seen.iter().filter(|&&s| s).count(), outputs * length);
                }
            }
        }
    }

    #[test]
    fn a_stored_weight_meets_a_value_or_is_padding() {
        for order in [Order::Plain, Order::Pairs, Order::Quads] {
            for outputs in 1..7 {
                for (length, depth, inputs) in [(4, 4, 3), (12, 12, 9), (36, 4, 4), (24, 8, 5), (36, 12, 12)]
                {
                    let filters = Filters {
                        outputs,
                        length,
                        depth,
                        inputs,
                    };
                    let mut meets_a_value = vec![false; order.weights_len(outputs, length).unwrap()];
                    for o in 0..outputs {
                        for k in (0..length).filter(|k| k % depth < inputs) {
                            meets_a_value[order.weight_offset(length, depth, o, k)] = true;
                        }
                    }
                    for (at, &meets) in meets_a_value.iter().enumerate() {
                        let mut weights = vec![0; meets_a_value.len()];
                        weights[at] = 1;
                        let expected = (!meets).then_some(at);
                        assert_eq!(order.find_padding(&filters, &weights), expected, "{order:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn borders_name_corners_edges_and_inside() {
        let row = |y| [0, 1, 2].map(|x| border(3, 3, y, x));
        assert_eq!([row(0), row(1), row(2)], [[0, 1, 2], [3, 4, 5], [6, 7, 8]]);
        assert_eq!(border(1, 1, 0, 0), 0);
        assert_eq!(border(2, 2, 1, 1), 8);
    }
}
