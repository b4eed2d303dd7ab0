//! Cases for inner loops, written once for the host and for boards: rows and tiles of any shape, in any order of weights,
//! with values in the middle of their range and at its ends. No heap and no `std`, so that firmware can include this file.

use denselet::kernel::arch::checked;
use denselet::kernel::arch::{Visitor, cast, each, reference::Reference};
use denselet::kernel::transition::{self, Columns};
use denselet::kernel::{Clamp, Content, Conv, Line, Lines, Prepared, Tile, conv1x1, conv3x3, head, stem};
use denselet::layout::{BORDERS, Order, TILE, WINDOW, line_len, stride};
use denselet::shape::Shape;

/// What an inner loop is to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A row through the bottleneck's 1x1.
    Bottleneck {
        width: usize,
        inputs: usize,
        outputs: usize,
        /// Bytes of a pixel after its inputs' stride, in groups.
        after: usize,
    },
    /// A row through a plain layer's clamp.
    Clamped {
        width: usize,
        channels: usize,
        after: usize,
    },
    /// A row of a layer's 3x3, or 1x3.
    Slot {
        width: usize,
        height: usize,
        y: usize,
        inputs: usize,
        outputs: usize,
        after: usize,
        has_borders: bool,
    },
    /// The sums of a head.
    Summed { pixels: usize, channels: usize },
    /// A tile of a transition.
    Pooled {
        pixels: usize,
        rows: usize,
        inputs: usize,
        outputs: usize,
    },
    /// An output row of the stem.
    Stem {
        /// Height and width.
        kernel: [usize; 2],
        stride_x: usize,
        filters: usize,
        width: usize,
        channels: usize,
        top: usize,
        after: usize,
    },
}

/// What the numbers look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Bytes of any value, results in the middle of their range.
    Random,
    /// Activations 255, weights at either end, any multiplier, any bias: accumulators wrap.
    Extreme,
}

/// Work and its numbers, which follow from the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    pub work: Work,
    pub values: Values,
    pub order: Order,
    pub seed: u32,
}

/// An inner loop computed other bytes than the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disagreement {
    pub kernel: &'static str,
    pub case: Case,
    /// The first byte that differs.
    pub at: usize,
}

/// Xorshift: small, seeded, the same everywhere.
#[derive(Clone, Debug)]
pub struct Random(u32);

impl Random {
    pub fn new(seed: u32) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9) | 1)
    }

    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0.wrapping_mul(0x2545_f491)
    }

    /// 0 to `n` - 1.
    pub fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.next()) * u64::from(n)) >> 32) as u32
    }

    /// Any of `range`.
    pub fn within(&mut self, range: core::ops::Range<usize>) -> usize {
        range.start + self.below((range.end - range.start) as u32) as usize
    }
}

impl Case {
    /// Any case.
    pub fn draw(random: &mut Random) -> Self {
        let work = match random.below(10) {
            0..3 => Work::Bottleneck {
                width: random.within(1..14),
                inputs: random.within(1..80),
                outputs: random.within(1..70),
                after: random.within(0..6),
            },
            3 => Work::Clamped {
                width: random.within(1..10),
                channels: random.within(1..80),
                after: random.within(0..6),
            },
            4..7 => Work::Slot {
                width: random.within(1..14),
                height: random.within(1..5),
                y: random.within(0..4),
                inputs: random.within(1..60),
                outputs: random.within(1..20),
                after: random.within(0..30),
                has_borders: random.below(2) == 0,
            },
            7 => Work::Pooled {
                pixels: random.within(1..5),
                rows: random.within(1..3),
                inputs: random.within(1..80),
                outputs: random.within(1..50),
            },
            8 => Work::Summed {
                pixels: random.within(1..9),
                channels: random.within(1..80),
            },
            _ => Work::Stem {
                kernel: [random.within(1..8), random.within(1..8)],
                stride_x: random.within(1..3),
                filters: random.within(1..40),
                width: random.within(1..14),
                channels: random.within(1..5),
                top: random.within(0..9),
                after: random.within(0..30),
            },
        };
        Self {
            work,
            values: if random.below(4) > 0 {
                Values::Random
            } else {
                Values::Extreme
            },
            order: match random.below(4) {
                0 => Order::Plain,
                1 => Order::Pairs,
                _ => Order::Quads,
            },
            seed: random.next(),
        }
    }

    /// Runs every inner loop of this machine, within `memory`, which starts at a multiple of 4; returns whether there was room.
    ///
    /// # Errors
    /// The first one that disagrees with the reference.
    pub fn check(&self, memory: &mut [u8]) -> Result<bool, Disagreement> {
        let Some((expected, memory)) = memory.split_at_mut_checked(self.out_len().next_multiple_of(4)) else {
            return Ok(false);
        };
        let expected = &mut expected[..self.out_len()];
        if self.run(Reference, memory, expected).is_none() {
            return Ok(false);
        }
        let Some((found, memory)) = memory.split_at_mut_checked(self.out_len().next_multiple_of(4)) else {
            return Ok(false);
        };
        let mut comparison = Comparison {
            case: *self,
            expected,
            found: &mut found[..self.out_len()],
            memory,
            result: Ok(true),
        };
        each(&mut comparison);
        comparison.result
    }

    /// Bytes that come out.
    fn out_len(&self) -> usize {
        match self.work {
            Work::Bottleneck { width, outputs, .. } => (width + 2) * stride(outputs),
            Work::Clamped { width, channels, .. } => (width + 2) * stride(channels),
            Work::Slot {
                width,
                outputs,
                after,
                ..
            } => width * (outputs + after),
            Work::Pooled { pixels, outputs, .. } => pixels * stride(outputs),
            Work::Summed { channels, .. } => 4 * stride(channels),
            Work::Stem {
                width,
                filters,
                after,
                ..
            } => width * (filters + after),
        }
    }

    /// Runs one inner loop; `None` if it does not fit into `memory`, or is refused.
    fn run<T: Tile>(&self, tile: T, memory: &mut [u8], out: &mut [u8]) -> Option<()> {
        let mut numbers = Numbers {
            case: self,
            random: Random::new(self.seed),
            memory,
        };
        out.fill(0xa5);
        match self.work {
            Work::Bottleneck {
                width,
                inputs,
                outputs,
                after,
            } => {
                let depth = stride(inputs);
                let source_stride = depth + 4 * after;
                let source = numbers.bytes(width * source_stride)?;
                let clamp = numbers.clamp(depth)?;
                let (conv, weights) = numbers.conv(outputs, [depth, depth], 1, 255)?;
                let (words, scratch) = numbers.line(line_len(TILE, depth))?;
                let conv = Prepared::new(tile, &conv, weights, Content::Bytes, scratch).ok()?;
                let source = conv1x1::Source {
                    bytes: source,
                    stride: source_stride,
                    clamp,
                };
                conv1x1::row(tile, source, &conv, Line { words, scratch }, out).ok()?;
            }
            Work::Clamped {
                width,
                channels,
                after,
            } => {
                let depth = stride(channels);
                let source_stride = depth + 4 * after;
                let source = numbers.bytes(width * source_stride)?;
                let clamp = numbers.clamp(depth)?;
                let source = conv1x1::Source {
                    bytes: source,
                    stride: source_stride,
                    clamp,
                };
                conv1x1::clamp_row(tile, source, out).ok()?;
            }
            Work::Slot {
                width,
                height,
                y,
                inputs,
                outputs,
                after,
                has_borders,
            } => {
                let tap_rows = if height > 1 { 3 } else { 1 };
                let depth = stride(inputs);
                let row_len = (width + 2) * depth;
                let ring = numbers.bytes(tap_rows * row_len)?;
                let biases = if has_borders { BORDERS } else { 1 };
                let (conv, weights) = numbers.conv(outputs, [tap_rows * 3 * depth, depth], biases, 255)?;
                let (words, scratch) = numbers.line(line_len(tap_rows * WINDOW, depth))?;
                let conv = Prepared::new(tile, &conv, weights, Content::Bytes, scratch).ok()?;
                let row = conv3x3::Row {
                    map: Shape {
                        height,
                        width,
                        channels: inputs,
                    },
                    y: y % height,
                    out,
                    out_stride: outputs + after,
                };
                let rows = ring.chunks_exact(row_len);
                conv3x3::row(tile, rows, row, &conv, Line { words, scratch }).ok()?;
            }
            Work::Pooled {
                pixels,
                rows,
                inputs,
                outputs,
            } => {
                let depth = stride(inputs);
                let bytes = numbers.bytes(2 * 2 * pixels * depth)?;
                let (top, bottom) = bytes.split_at(2 * pixels * depth);
                let clamp = numbers.clamp(depth)?;
                let (conv, weights) = numbers.conv(outputs, [depth, depth], 1, 1020)?;
                let (line, scratch) = numbers.line(line_len(TILE, depth))?;
                let source = transition::Source {
                    rows: &[top, bottom][..rows],
                    stride: depth,
                    clamp,
                };
                let columns = Columns { x: 0, count: pixels };
                transition::pack(tile, source, columns, line).ok()?;
                let conv = Prepared::new(tile, &conv, weights, Content::Sums, scratch).ok()?;
                let lines = Lines {
                    words: line,
                    scratch,
                    pixels,
                    borders: None,
                };
                checked::multiply(tile, &lines, &conv, out, stride(outputs)).ok()?;
            }
            Work::Summed { pixels, channels } => {
                let depth = stride(channels);
                let map = numbers.bytes(pixels * depth)?;
                let clamp = numbers.clamp(depth)?;
                let sums = cast::as_i32s_mut(cast::as_words_mut(out));
                sums.fill(0);
                head::add_row(tile, map, depth, clamp, sums).ok()?;
            }
            Work::Stem {
                kernel: [kernel_height, kernel_width],
                stride_x,
                filters,
                width,
                channels,
                top,
                after,
            } => {
                let padded = (width - 1) * stride_x + kernel_width;
                let ring = numbers.bytes(kernel_height * padded * channels)?;
                let length = stride(kernel_height * kernel_width * channels);
                let (conv, weights) = numbers.conv(filters, [length, length], 1, 255)?;
                let (words, scratch) = numbers.line(line_len(TILE, length))?;
                let conv = Prepared::new(tile, &conv, weights, Content::Bytes, scratch).ok()?;
                let row = stem::Row {
                    tap_len: kernel_width * channels,
                    step: stride_x * channels,
                    out,
                    out_stride: filters + after,
                };
                let rows = ring.chunks_exact(padded * channels);
                let rows = rows.clone().cycle().skip(top % kernel_height).take(kernel_height);
                stem::row(tile, rows, row, &conv, Line { words, scratch }).ok()?;
            }
        }
        Some(())
    }
}

/// Compares every inner loop with the reference.
struct Comparison<'c> {
    case: Case,
    expected: &'c [u8],
    found: &'c mut [u8],
    memory: &'c mut [u8],
    result: Result<bool, Disagreement>,
}

impl Visitor for Comparison<'_> {
    fn visit<T: Tile>(&mut self, tile: T) {
        let has_room = self.case.run(tile, self.memory, self.found).is_some();
        let mut pairs = self.expected.iter().zip(self.found.iter());
        match (self.result, pairs.position(|(expected, found)| expected != found)) {
            (Ok(_), _) if !has_room => self.result = Ok(false),
            (Ok(true), Some(at)) => {
                self.result = Err(Disagreement {
                    kernel: T::NAME,
                    case: self.case,
                    at,
                });
            }
            _ => {}
        }
    }
}

/// The numbers of a case, made anew for each inner loop, in memory that is handed out piece by piece.
struct Numbers<'c, 'm> {
    case: &'c Case,
    random: Random,
    memory: &'m mut [u8],
}

impl<'m> Numbers<'_, 'm> {
    fn piece(&mut self, len: usize) -> Option<&'m mut [u8]> {
        let memory = core::mem::take(&mut self.memory);
        let (piece, rest) = memory.split_at_mut_checked(len.next_multiple_of(4))?;
        self.memory = rest;
        piece.get_mut(..len)
    }

    fn fill(&mut self, len: usize, mut byte: impl FnMut(&mut Random) -> u8) -> Option<&'m [u8]> {
        let piece = self.piece(len)?;
        for place in piece.iter_mut() {
            *place = byte(&mut self.random);
        }
        Some(piece)
    }

    fn words(&mut self, len: usize, mut word: impl FnMut(&mut Random) -> i32) -> Option<&'m [i32]> {
        let piece = self.piece(4 * len)?;
        for place in piece.chunks_exact_mut(4) {
            place.copy_from_slice(&word(&mut self.random).to_le_bytes());
        }
        cast::as_i32s(piece)
    }

    /// Stored activations.
    fn bytes(&mut self, len: usize) -> Option<&'m [u8]> {
        let values = self.case.values;
        self.fill(len, |random| match values {
            Values::Random => random.next() as u8,
            Values::Extreme => 255,
        })
    }

    fn clamp(&mut self, len: usize) -> Option<Clamp<'m>> {
        let values = self.case.values;
        let mask = self.fill(len, |random| if random.below(3) == 0 { 0xff } else { 0 })?;
        let threshold = self.fill(len, |random| match values {
            Values::Random => random.next() as u8,
            Values::Extreme => 0,
        })?;
        Clamp::new(mask, threshold)
    }

    /// Filters of `length` values, `depth` for each tap, and `biases` biases per filter; activations reach `largest`.
    fn conv(
        &mut self,
        outputs: usize,
        [length, depth]: [usize; 2],
        biases: usize,
        largest: u32,
    ) -> Option<(Conv<'m>, &'m [i8])> {
        let Case { values, order, .. } = *self.case;
        let weights = self.fill(order.weights_len(outputs, length)?, |random| match values {
            Values::Random => random.next() as u8,
            Values::Extreme if random.below(2) == 0 => 127,
            Values::Extreme => 128,
        })?;
        let sum = 128 * largest;
        let spread = sum * length.isqrt() as u32;
        let bias = self.words(biases * outputs, |random| match (values, random.below(4)) {
            (Values::Random, _) => random.below(spread).wrapping_sub(spread / 2) as i32,
            (Values::Extreme, 0) => i32::MAX,
            (Values::Extreme, 1) => i32::MIN,
            (Values::Extreme, _) => random.next() as i32,
        })?;
        let multiplier = self.words(outputs, |random| match (values, random.below(4)) {
            (Values::Random, _) => ((1u64 << 40) / u64::from(spread)).min(i32::MAX as u64) as i32,
            (Values::Extreme, 0) => i32::MAX,
            (Values::Extreme, 1) => 0,
            (Values::Extreme, _) => (random.next() >> 1) as i32,
        })?;
        let conv = Conv {
            bias,
            multiplier,
            order,
            outputs,
            length,
            depth,
        };
        Some((conv, cast::as_i8s(weights)))
    }

    /// A line buffer of `len` bytes, filled with what must not be read, and up to 64 words of scratch.
    fn line(&mut self, len: usize) -> Option<(&'m mut [u32], &'m mut [i32])> {
        let piece = self.piece(len)?;
        piece.fill(0x5a);
        let scratch = [0, 1, 20, 64][self.random.below(4) as usize];
        let scratch = cast::as_i32s_mut(cast::as_words_mut(self.piece(4 * scratch)?));
        scratch.fill(0x5a5a_5a5a);
        Some((cast::as_words_mut(piece), scratch))
    }
}
