//! Cases for inner loops, written once for the host and for boards: rows and tiles of any shape, in any order of weights,
//! with values in the middle of their range and at its ends. No heap and no `std`, so that firmware can include this file.

use denselet::kernel::arch::{Visitor, cast, each, reference::Reference};
use denselet::kernel::{Clamp, Content, Conv, Ready, Tile, conv1x1, conv3x3, head, stem, transition};
use denselet::layout::{BORDERS, Order, stride};
use denselet::shape::{StemPool, StemShape};

/// What an inner loop is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A row through the bottleneck's 1x1.
    Bottleneck {
        width: usize,
        inputs: usize,
        outputs: usize,
        /// Bytes of a pixel behind its inputs' stride, in groups.
        behind: usize,
    },
    /// A row through a plain layer's clamp.
    Clamped {
        width: usize,
        channels: usize,
        behind: usize,
    },
    /// A row of a layer's 3x3, or 1x3.
    Slot {
        width: usize,
        height: usize,
        y: usize,
        inputs: usize,
        outputs: usize,
        behind: usize,
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
        behind: usize,
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

/// An inner loop gave other bytes than the reference.
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
                behind: random.within(0..6),
            },
            3 => Work::Clamped {
                width: random.within(1..10),
                channels: random.within(1..80),
                behind: random.within(0..6),
            },
            4..7 => Work::Slot {
                width: random.within(1..14),
                height: random.within(1..5),
                y: random.within(0..4),
                inputs: random.within(1..60),
                outputs: random.within(1..20),
                behind: random.within(0..30),
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
                behind: random.within(0..30),
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

    /// Runs every inner loop of this machine, within `memory`, which starts at a multiple of 4; whether there was room.
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
                behind,
                ..
            } => width * (outputs + behind),
            Work::Pooled { pixels, outputs, .. } => pixels * stride(outputs),
            Work::Summed { channels, .. } => 4 * stride(channels),
            Work::Stem {
                width,
                filters,
                behind,
                ..
            } => width * (filters + behind),
        }
    }

    /// Runs one inner loop; `None` where it does not fit into `memory`.
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
                behind,
            } => {
                let depth = stride(inputs);
                let source_stride = depth + 4 * behind;
                let source = numbers.bytes(width * source_stride)?;
                let clamp = numbers.clamp(depth)?;
                let conv = numbers.conv(outputs, depth, depth, 1, 255)?;
                let (line, notes) = numbers.line(conv1x1::line_len(inputs))?;
                let conv = Ready::new(tile, &conv, Content::Bytes, notes);
                conv1x1::row(tile, source, source_stride, clamp, &conv, line, out);
            }
            Work::Clamped {
                width,
                channels,
                behind,
            } => {
                let depth = stride(channels);
                let source_stride = depth + 4 * behind;
                let source = numbers.bytes(width * source_stride)?;
                let clamp = numbers.clamp(depth)?;
                conv1x1::clamp_row(tile, source, source_stride, clamp, out);
            }
            Work::Slot {
                width,
                height,
                y,
                inputs,
                outputs,
                behind,
                has_borders,
            } => {
                let tap_rows = if height > 1 { 3 } else { 1 };
                let depth = stride(inputs);
                let ring = conv3x3::Ring {
                    bytes: numbers.bytes(tap_rows * (width + 2) * depth)?,
                    tap_rows,
                    stride: depth,
                    height,
                    width,
                };
                let biases = if has_borders { BORDERS } else { 1 };
                let conv = numbers.conv(outputs, tap_rows * 3 * depth, depth, biases, 255)?;
                let (line, notes) = numbers.line(conv3x3::line_len(tap_rows, depth))?;
                let conv = Ready::new(tile, &conv, Content::Bytes, notes);
                conv3x3::row(tile, &ring, y % height, &conv, line, out, outputs + behind);
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
                let conv = numbers.conv(outputs, depth, depth, 1, 1020)?;
                let (line, notes) = numbers.line(transition::line_len(inputs))?;
                let both = [top, bottom];
                transition::pack(tile, &both[..rows], depth, clamp, 0, pixels, line);
                let conv = Ready::new(tile, &conv, Content::Sums, notes);
                transition::multiply(tile, line, pixels, &conv, out, stride(outputs));
            }
            Work::Summed { pixels, channels } => {
                let depth = stride(channels);
                let map = numbers.bytes(pixels * depth)?;
                let clamp = numbers.clamp(depth)?;
                head::sum(tile, map, depth, clamp, cast::as_i32s_mut(out));
            }
            Work::Stem {
                kernel: [kernel_height, kernel_width],
                stride_x,
                filters,
                width,
                channels,
                top,
                behind,
            } => {
                let shape = StemShape {
                    kernel_height,
                    kernel_width,
                    stride_y: 1,
                    stride_x,
                    pad_top: 0,
                    pad_left: 0,
                    pad_bottom: 0,
                    pad_right: 0,
                    pool: StemPool::None,
                    filters,
                };
                let padded = (width - 1) * stride_x + kernel_width;
                let ring = numbers.bytes(kernel_height * padded * channels)?;
                let length = stride(kernel_height * kernel_width * channels);
                let conv = numbers.conv(filters, length, length, 1, 255)?;
                let (line, notes) = numbers.line(stem::line_len(length))?;
                let conv = Ready::new(tile, &conv, Content::Bytes, notes);
                stem::row(
                    tile,
                    &shape,
                    channels,
                    ring,
                    top,
                    &conv,
                    line,
                    out,
                    filters + behind,
                );
            }
        }
        Some(())
    }
}

/// Holds every inner loop against what the reference gave.
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
        Some(Clamp {
            mask: self.fill(len, |random| if random.below(3) == 0 { 0xff } else { 0 })?,
            threshold: self.fill(len, |random| match values {
                Values::Random => random.next() as u8,
                Values::Extreme => 0,
            })?,
        })
    }

    /// Filters of `length` values, and `biases` biases per filter; activations reach `largest`.
    fn conv(
        &mut self,
        outputs: usize,
        length: usize,
        depth: usize,
        biases: usize,
        largest: u32,
    ) -> Option<Conv<'m>> {
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
        Some(Conv {
            weights: cast::as_i8s(weights),
            bias,
            multiplier,
            order,
            outputs,
            length,
            depth,
        })
    }

    /// A line buffer of `len` bytes, full of what must not be read, and room for up to 64 notes.
    fn line(&mut self, len: usize) -> Option<(&'m mut [i16], &'m mut [i32])> {
        let piece = self.piece(len)?;
        piece.fill(0x5a);
        let notes = [0, 1, 20, 64][self.random.below(4) as usize];
        let notes = cast::as_i32s_mut(self.piece(4 * notes)?);
        notes.fill(0x5a5a_5a5a);
        Some((cast::as_i16s_mut(piece), notes))
    }
}
