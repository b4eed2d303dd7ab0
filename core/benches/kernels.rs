//! Every inner loop of this machine on the rows that D2 is made of: `cargo bench -p denselet --features std`. Throughput is
//! in MACs a second (bytes a second where nothing is multiplied).
#![allow(missing_docs, reason = "what criterion's macros make has none")]

use core::hint::black_box;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use denselet::kernel::arch::{self, Visitor};
use denselet::kernel::{Clamp, Content, Conv, Ready, Tile, conv1x1, conv3x3, head, stem, transition};
use denselet::layout::{TAPS, stride};
use denselet::shape::{StemPool, StemShape};

/// Pixels of a row.
const WIDTH: usize = 32;

/// Numbers that look like nothing in particular.
fn bytes(len: usize) -> Vec<u8> {
    let bytes = (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8);
    bytes.collect()
}

/// A convolution's arrays.
struct Arrays {
    weights: Vec<i8>,
    bias: Vec<i32>,
    multiplier: Vec<i32>,
}

impl Arrays {
    fn new<T: Tile>(outputs: usize, length: usize) -> Self {
        let len = T::ORDER.weights_len(outputs, length).unwrap_or(0);
        Self {
            weights: bytes(len).into_iter().map(u8::cast_signed).collect(),
            bias: vec![1000; outputs],
            multiplier: vec![1 << 22; outputs],
        }
    }

    fn conv<T: Tile>(&self, length: usize, depth: usize) -> Conv<'_> {
        Conv {
            weights: &self.weights,
            bias: &self.bias,
            multiplier: &self.multiplier,
            order: T::ORDER,
            outputs: self.bias.len(),
            length,
            depth,
        }
    }
}

/// A line buffer of `len` bytes, at a whole word as in an arena.
struct Line(Vec<u32>);

impl Line {
    fn new(len: usize) -> Self {
        Self(vec![0; len.div_ceil(4)])
    }

    fn values(&mut self) -> &mut [i16] {
        bytemuck::cast_slice_mut(&mut self.0)
    }
}

struct Rows<'c>(&'c mut Criterion);

impl Visitor for Rows<'_> {
    fn visit<T: Tile>(&mut self, tile: T) {
        self.bottleneck(tile, 24, 48);
        self.bottleneck(tile, 96, 48);
        self.slot(tile, 48, 12, 1);
        self.slot(tile, 60, 12, 9);
        self.transition(tile, 96, 48);
        self.stem(tile, 3, 24);
        self.head(tile, 132);
    }
}

impl Rows<'_> {
    /// Runs `row`, which takes so many MACs, or bytes.
    fn bench<T: Tile>(&mut self, name: &str, count: usize, mut row: impl FnMut()) {
        let mut group = self.0.benchmark_group(name);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(T::NAME, |bencher| bencher.iter(&mut row));
        group.finish();
    }

    fn bottleneck<T: Tile>(&mut self, tile: T, inputs: usize, outputs: usize) {
        let depth = stride(inputs);
        let arrays = Arrays::new::<T>(outputs, depth);
        let conv = arrays.conv::<T>(depth, depth);
        let mut notes = vec![0; outputs];
        let conv = Ready::new(tile, &conv, Content::Bytes, &mut notes);
        let (mask, threshold) = (vec![0; depth], vec![30; depth]);
        let clamp = Clamp {
            mask: &mask,
            threshold: &threshold,
        };
        let source = bytes(WIDTH * depth);
        let mut line = Line::new(conv1x1::line_len(inputs));
        let mut out = vec![0; (WIDTH + 2) * stride(outputs)];
        let name = format!("1x1, {inputs} to {outputs}");
        self.bench::<T>(&name, WIDTH * inputs * outputs, || {
            let source = black_box(&source);
            conv1x1::row(tile, source, depth, clamp, &conv, line.values(), &mut out);
        });
    }

    /// A 3x3 with as many kinds of border: 1 behind a bottleneck, 9 in a plain layer.
    fn slot<T: Tile>(&mut self, tile: T, inputs: usize, outputs: usize, borders: usize) {
        let depth = stride(inputs);
        let length = TAPS * TAPS * depth;
        let mut arrays = Arrays::new::<T>(outputs, length);
        arrays.bias = vec![1000; outputs * borders];
        let conv = Conv {
            outputs,
            ..arrays.conv::<T>(length, depth)
        };
        let mut notes = vec![0; outputs];
        let conv = Ready::new(tile, &conv, Content::Bytes, &mut notes);
        let ring = bytes(TAPS * (WIDTH + 2) * depth);
        let ring = conv3x3::Ring {
            bytes: &ring,
            tap_rows: TAPS,
            stride: depth,
            height: 32,
            width: WIDTH,
        };
        let mut line = Line::new(conv3x3::line_len(TAPS, depth));
        let mut out = vec![0; WIDTH * 96];
        let of = if borders > 1 { " of a plain layer" } else { "" };
        let name = format!("3x3{of}, {inputs} to {outputs}");
        self.bench::<T>(&name, WIDTH * 9 * inputs * outputs, || {
            conv3x3::row(tile, black_box(&ring), 5, &conv, line.values(), &mut out, 96);
        });
    }

    fn transition<T: Tile>(&mut self, tile: T, inputs: usize, outputs: usize) {
        let depth = stride(inputs);
        let arrays = Arrays::new::<T>(outputs, depth);
        let conv = arrays.conv::<T>(depth, depth);
        let mut notes = vec![0; outputs];
        let conv = Ready::new(tile, &conv, Content::Sums, &mut notes);
        let (mask, threshold) = (vec![0; depth], vec![30; depth]);
        let clamp = Clamp {
            mask: &mask,
            threshold: &threshold,
        };
        let source = bytes(8 * depth);
        let mut line = Line::new(transition::line_len(inputs));
        let mut out = vec![0; 4 * stride(outputs)];
        let name = format!("transition, {inputs} to {outputs}");
        self.bench::<T>(&name, 4 * inputs * outputs, || {
            let rows = [&black_box(&source)[..], &source];
            let line = line.values();
            transition::pack(tile, &rows, depth, clamp, 0, 4, line);
            transition::multiply(tile, line, 4, &conv, &mut out, stride(outputs));
        });
    }

    fn stem<T: Tile>(&mut self, tile: T, channels: usize, filters: usize) {
        let shape = StemShape {
            kernel_height: 3,
            kernel_width: 3,
            stride_y: 1,
            stride_x: 1,
            pad_top: 1,
            pad_left: 1,
            pad_bottom: 1,
            pad_right: 1,
            pool: StemPool::None,
            filters,
        };
        let length = stride(9 * channels);
        let arrays = Arrays::new::<T>(filters, length);
        let conv = arrays.conv::<T>(length, length);
        let mut notes = vec![0; filters];
        let conv = Ready::new(tile, &conv, Content::Bytes, &mut notes);
        let ring = bytes(3 * (WIDTH + 2) * channels);
        let mut line = Line::new(stem::line_len(length));
        let mut out = vec![0; WIDTH * 96];
        let name = format!("stem 3x3, {channels} to {filters}");
        self.bench::<T>(&name, WIDTH * 9 * channels * filters, || {
            let ring = black_box(&ring);
            stem::row(
                tile,
                &shape,
                channels,
                ring,
                1,
                &conv,
                line.values(),
                &mut out,
                96,
            );
        });
    }

    fn head<T: Tile>(&mut self, tile: T, channels: usize) {
        let depth = stride(channels);
        let (mask, threshold) = (vec![0; depth], vec![30; depth]);
        let clamp = Clamp {
            mask: &mask,
            threshold: &threshold,
        };
        let map = bytes(64 * depth);
        let mut sums = vec![0; depth];
        let name = format!("sums of the head, {channels} channels");
        self.bench::<T>(&name, 64 * depth, || {
            head::sum(tile, black_box(&map), depth, clamp, &mut sums);
        });
    }
}

fn rows(criterion: &mut Criterion) {
    arch::each(&mut Rows(criterion));
}

criterion_group!(kernels, rows);
criterion_main!(kernels);
