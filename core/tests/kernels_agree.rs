//! Every inner loop that this machine has gives the portable one's bits: on shapes that are no multiple of anything, any
//! stride, either order, and values at the ends of their ranges.
#![allow(clippy::unwrap_used)]

#[allow(unreachable_pub, reason = "shared by several tests")]
mod support;

use denselet::kernel::{Clamp, Conv, Job, Tile, arch, conv1x1, conv3x3, stem, transition};
use denselet::layout::{BORDERS, Order, TILE, stride};
use denselet::shape::StemShape;
use proptest::prelude::*;
use support::Random;

/// Runs a job everywhere and compares.
fn agree(job: &(impl Job<Output = Vec<u8>> + Clone)) -> Result<(), TestCaseError> {
    let mut results = Vec::new();
    arch::each(job, |result| results.push(result));
    for found in &results[1..] {
        prop_assert_eq!(found, &results[0]);
    }
    Ok(())
}

/// What the numbers look like.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Values {
    /// Bytes of any value, results in the middle of their range.
    Random,
    /// Activations 255, weights at either end, any multiplier, biases of the largest size that cannot overflow.
    Extreme,
}

/// The numbers of one case; each is made anew for each inner loop, from the same seed.
#[derive(Clone, Debug)]
struct Numbers {
    values: Values,
    order: Order,
    seed: u64,
}

impl Numbers {
    fn random(&self, salt: u64) -> Random {
        Random::new(self.seed ^ (salt << 32))
    }

    /// Stored activations.
    fn bytes(&self, len: usize) -> Vec<u8> {
        match self.values {
            Values::Random => self.random(1).bytes(len),
            Values::Extreme => vec![255; len],
        }
    }

    /// Mask and threshold.
    fn clamp(&self, len: usize) -> (Vec<u8>, Vec<u8>) {
        let mut random = self.random(2);
        let mask = (0..len)
            .map(|_| if random.below(3) == 0 { 0xff } else { 0 })
            .collect();
        let threshold = match self.values {
            Values::Random => random.bytes(len),
            Values::Extreme => vec![0; len],
        };
        (mask, threshold)
    }

    /// Filters of `length` values, and `biases` biases per filter; activations reach `largest`.
    fn conv(&self, outputs: usize, length: usize, depth: usize, biases: usize, largest: i64) -> OwnedConv {
        let mut random = self.random(3);
        let weights = random.bytes(self.order.filters(outputs) * length).into_iter();
        let spread = match self.values {
            Values::Random => 128 * largest * (length as f64).sqrt() as i64,
            Values::Extreme => 2 * (i64::from(i32::MAX) - 128 * largest * length as i64),
        };
        let bias = (0..biases * outputs)
            .map(|_| (random.below(spread as u64) as i64 - spread / 2) as i32)
            .collect();
        let multiplier = (0..outputs).map(|_| match (self.values, random.below(4)) {
            (Values::Random, _) => ((1i64 << 40) / spread) as i32,
            (Values::Extreme, 0) => i32::MAX,
            (Values::Extreme, 1) => 0,
            (Values::Extreme, _) => random.below(1 << 31) as i32,
        });
        OwnedConv {
            weights: weights
                .map(|byte| match self.values {
                    Values::Random => byte.cast_signed(),
                    Values::Extreme if byte < 128 => 127,
                    Values::Extreme => -128,
                })
                .collect(),
            bias,
            multiplier: multiplier.collect(),
            order: self.order,
            outputs,
            length,
            depth,
        }
    }
}

struct OwnedConv {
    weights: Vec<i8>,
    bias: Vec<i32>,
    multiplier: Vec<i32>,
    order: Order,
    outputs: usize,
    length: usize,
    depth: usize,
}

impl OwnedConv {
    fn view(&self) -> Conv<'_> {
        Conv {
            weights: &self.weights,
            bias: &self.bias,
            multiplier: &self.multiplier,
            order: self.order,
            outputs: self.outputs,
            length: self.length,
            depth: self.depth,
        }
    }
}

fn numbers() -> impl Strategy<Value = Numbers> {
    let values = prop_oneof![3 => Just(Values::Random), 1 => Just(Values::Extreme)];
    let order = prop_oneof![Just(Order::Plain), Just(Order::Pairs)];
    (values, order, any::<u64>()).prop_map(|(values, order, seed)| Numbers { values, order, seed })
}

/// A row through the bottleneck.
#[derive(Clone, Debug)]
struct Bottleneck {
    numbers: Numbers,
    width: usize,
    inputs: usize,
    /// Bytes of a pixel behind its inputs' stride.
    behind: usize,
    outputs: usize,
}

impl Job for Bottleneck {
    type Output = Vec<u8>;

    fn run<T: Tile>(self, tile: T) -> Vec<u8> {
        let length = stride(self.inputs);
        let source_stride = length + self.behind;
        let source = self.numbers.bytes(self.width * source_stride);
        let (mask, threshold) = self.numbers.clamp(length);
        let clamp = Clamp {
            mask: &mask,
            threshold: &threshold,
        };
        let conv = self.numbers.conv(self.outputs, length, length, 1, 255);
        let mut line = vec![0x5a5a; conv1x1::line_len(self.inputs) / 2];
        let mut out = vec![0xa5; (self.width + 2) * stride(self.outputs)];
        conv1x1::row(
            tile,
            &source,
            source_stride,
            clamp,
            &conv.view(),
            &mut line,
            &mut out,
        );
        out
    }
}

/// A row through a plain layer's clamp.
#[derive(Clone, Debug)]
struct Clamped {
    numbers: Numbers,
    width: usize,
    channels: usize,
    behind: usize,
}

impl Job for Clamped {
    type Output = Vec<u8>;

    fn run<T: Tile>(self, tile: T) -> Vec<u8> {
        let length = stride(self.channels);
        let source_stride = length + self.behind;
        let source = self.numbers.bytes(self.width * source_stride);
        let (mask, threshold) = self.numbers.clamp(length);
        let clamp = Clamp {
            mask: &mask,
            threshold: &threshold,
        };
        let mut out = vec![0xa5; (self.width + 2) * length];
        conv1x1::clamp_row(tile, &source, source_stride, clamp, &mut out);
        out
    }
}

/// A row of a layer's 3x3, or 1x3.
#[derive(Clone, Debug)]
struct Slot {
    numbers: Numbers,
    width: usize,
    height: usize,
    y: usize,
    inputs: usize,
    outputs: usize,
    behind: usize,
    has_borders: bool,
}

impl Job for Slot {
    type Output = Vec<u8>;

    fn run<T: Tile>(self, tile: T) -> Vec<u8> {
        let tap_rows = if self.height > 1 { 3 } else { 1 };
        let ring_stride = stride(self.inputs);
        let bytes = self.numbers.bytes(tap_rows * (self.width + 2) * ring_stride);
        let ring = conv3x3::Ring {
            bytes: &bytes,
            tap_rows,
            stride: ring_stride,
            height: self.height,
            width: self.width,
        };
        let biases = if self.has_borders { BORDERS } else { 1 };
        let conv = self
            .numbers
            .conv(self.outputs, tap_rows * 3 * ring_stride, ring_stride, biases, 255);
        let out_stride = self.outputs + self.behind;
        let mut line = vec![0x5a5a; conv3x3::line_len(tap_rows, ring_stride) / 2];
        let mut out = vec![0xa5; self.width * out_stride];
        let y = self.y % self.height;
        conv3x3::row(tile, &ring, y, &conv.view(), &mut line, &mut out, out_stride);
        out
    }
}

/// A tile of a transition.
#[derive(Clone, Debug)]
struct Pooled {
    numbers: Numbers,
    pixels: usize,
    rows: usize,
    inputs: usize,
    outputs: usize,
}

impl Job for Pooled {
    type Output = Vec<u8>;

    fn run<T: Tile>(self, tile: T) -> Vec<u8> {
        let length = stride(self.inputs);
        let bytes = self.numbers.bytes(2 * 2 * self.pixels * length);
        let (top, bottom) = bytes.split_at(2 * self.pixels * length);
        let (mask, threshold) = self.numbers.clamp(length);
        let clamp = Clamp {
            mask: &mask,
            threshold: &threshold,
        };
        let conv = self.numbers.conv(self.outputs, length, length, 1, 1020);
        let mut line = vec![0x5a5a; transition::line_len(self.inputs) / 2];
        let rows = [top, bottom];
        transition::pack(tile, &rows[..self.rows], length, clamp, 0, self.pixels, &mut line);
        let out_stride = stride(self.outputs);
        let mut out = vec![0xa5; self.pixels * out_stride];
        transition::multiply(tile, &line, self.pixels, &conv.view(), &mut out, out_stride);
        out
    }
}

/// An output row of the stem.
#[derive(Clone, Debug)]
struct Stem {
    numbers: Numbers,
    shape: StemShape,
    width: usize,
    channels: usize,
    top: usize,
    behind: usize,
}

impl Job for Stem {
    type Output = Vec<u8>;

    fn run<T: Tile>(self, tile: T) -> Vec<u8> {
        let shape = self.shape;
        let padded = (self.width - 1) * shape.stride_x + shape.kernel_width;
        let ring = self.numbers.bytes(shape.kernel_height * padded * self.channels);
        let length = stride(shape.kernel_height * shape.kernel_width * self.channels);
        let conv = self.numbers.conv(shape.filters, length, length, 1, 255);
        let (mut line, mut patches) = (vec![0x5a5a; TILE * length], vec![0x5a; TILE * length]);
        let out_stride = shape.filters + self.behind;
        let mut out = vec![0xa5; self.width * out_stride];
        stem::row(
            tile,
            &shape,
            self.channels,
            &ring,
            self.top,
            &conv.view(),
            (&mut line, &mut patches),
            &mut out,
            out_stride,
        );
        out
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..Default::default() })]

    #[test]
    fn bottlenecks(
        numbers in numbers(), width in 1usize..14, inputs in 1usize..80, behind in 0usize..6, outputs in 1usize..70,
    ) {
        agree(&Bottleneck { numbers, width, inputs, behind: 4 * behind, outputs })?;
    }

    #[test]
    fn clamps(numbers in numbers(), width in 1usize..10, channels in 1usize..80, behind in 0usize..6) {
        agree(&Clamped { numbers, width, channels, behind: 4 * behind })?;
    }

    #[test]
    fn slots(
        numbers in numbers(), width in 1usize..14, height in 1usize..5, y in 0usize..5, inputs in 1usize..60,
        outputs in 1usize..20, behind in 0usize..30, has_borders in any::<bool>(),
    ) {
        agree(&Slot { numbers, width, height, y, inputs, outputs, behind, has_borders })?;
    }

    #[test]
    fn transitions(
        numbers in numbers(), pixels in 1usize..5, rows in 1usize..3, inputs in 1usize..80, outputs in 1usize..50,
    ) {
        agree(&Pooled { numbers, pixels, rows, inputs, outputs })?;
    }

    #[test]
    fn stems(
        numbers in numbers(), kernel in (1usize..8, 1usize..8), strides in (1usize..3, 1usize..3), filters in 1usize..40,
        width in 1usize..14, channels in 1usize..5, top in 0usize..9, behind in 0usize..30,
    ) {
        let shape = StemShape {
            kernel_height: kernel.0,
            kernel_width: kernel.1,
            stride_y: strides.0,
            stride_x: strides.1,
            pad_top: 0,
            pad_left: 0,
            pad_bottom: 0,
            pad_right: 0,
            pool: false,
            filters,
        };
        agree(&Stem { numbers, shape, width, channels, top, behind })?;
    }
}
