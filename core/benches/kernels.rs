//! Every inner loop of this machine on the rows that D2 is made of: `cargo bench -p denselet --features std`. Throughput is
//! in MACs a second (bytes a second if nothing is multiplied).
#![allow(clippy::unwrap_used, reason = "a benchmark that is refused measures nothing")]
#![allow(missing_docs, reason = "what criterion's macros make has none")]

use core::hint::black_box;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use denselet::kernel;
use denselet::kernel::arch::{self, Visitor, checked};
use denselet::kernel::transition::{self, Columns};
use denselet::kernel::{Clamp, Content, Conv, Lines, Prepared, Tile, conv1x1, conv3x3, head, stem};
use denselet::layout::{TAPS, TILE, WINDOW, line_len, stride};
use denselet::shape::Shape;

/// Pixels of a row.
const WIDTH: usize = 32;

/// Arbitrary bytes.
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

    fn with<'l>(&'l mut self, scratch: &'l [i32]) -> kernel::Line<'l> {
        kernel::Line {
            words: &mut self.0,
            scratch,
        }
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
    /// Times `row`, which takes `count` MACs, or bytes.
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
        let mut scratch = vec![0; outputs];
        let conv = Prepared::new(tile, &conv, &arrays.weights, Content::Bytes, &mut scratch).unwrap();
        let (mask, threshold) = (vec![0; depth], vec![30; depth]);
        let clamp = Clamp::new(&mask, &threshold).unwrap();
        let source = bytes(WIDTH * depth);
        let mut line = Line::new(line_len(TILE, depth));
        let mut out = vec![0; (WIDTH + 2) * stride(outputs)];
        let name = format!("1x1, {inputs} to {outputs}");
        self.bench::<T>(&name, WIDTH * inputs * outputs, || {
            let source = conv1x1::Source {
                bytes: black_box(&source),
                stride: depth,
                clamp,
            };
            conv1x1::row(tile, source, &conv, line.with(&scratch), &mut out).unwrap();
        });
    }

    /// A 3x3 with as many kinds of border: 1 after a bottleneck, 9 in a layer without one.
    fn slot<T: Tile>(&mut self, tile: T, inputs: usize, outputs: usize, borders: usize) {
        let depth = stride(inputs);
        let length = TAPS * TAPS * depth;
        let mut arrays = Arrays::new::<T>(outputs, length);
        arrays.bias = vec![1000; outputs * borders];
        let conv = Conv {
            outputs,
            ..arrays.conv::<T>(length, depth)
        };
        let mut scratch = vec![0; outputs];
        let conv = Prepared::new(tile, &conv, &arrays.weights, Content::Bytes, &mut scratch).unwrap();
        let ring = bytes(TAPS * (WIDTH + 2) * depth);
        let mut line = Line::new(line_len(TAPS * WINDOW, depth));
        let mut out = vec![0; WIDTH * 96];
        let of = if borders > 1 { " of a plain layer" } else { "" };
        let name = format!("3x3{of}, {inputs} to {outputs}");
        self.bench::<T>(&name, WIDTH * 9 * inputs * outputs, || {
            let row = conv3x3::Row {
                map: Shape {
                    height: 32,
                    width: WIDTH,
                    channels: inputs,
                },
                y: 5,
                out: &mut out,
                out_stride: 96,
            };
            let rows = black_box(&ring).chunks_exact((WIDTH + 2) * depth);
            conv3x3::row(tile, rows, row, &conv, line.with(&scratch)).unwrap();
        });
    }

    fn transition<T: Tile>(&mut self, tile: T, inputs: usize, outputs: usize) {
        let depth = stride(inputs);
        let arrays = Arrays::new::<T>(outputs, depth);
        let conv = arrays.conv::<T>(depth, depth);
        let mut scratch = vec![0; outputs];
        let conv = Prepared::new(tile, &conv, &arrays.weights, Content::Sums, &mut scratch).unwrap();
        let (mask, threshold) = (vec![0; depth], vec![30; depth]);
        let clamp = Clamp::new(&mask, &threshold).unwrap();
        let source = bytes(8 * depth);
        let mut line = Line::new(line_len(TILE, depth));
        let mut out = vec![0; 4 * stride(outputs)];
        let name = format!("transition, {inputs} to {outputs}");
        self.bench::<T>(&name, 4 * inputs * outputs, || {
            let rows = [&black_box(&source)[..], &source];
            let line = &mut line.0;
            let source = transition::Source {
                rows: &rows,
                stride: depth,
                clamp,
            };
            transition::pack(tile, source, Columns { x: 0, count: 4 }, line).unwrap();
            let lines = Lines {
                words: line,
                scratch: &[],
                pixels: 4,
                borders: None,
            };
            checked::multiply(tile, &lines, &conv, &mut out, stride(outputs)).unwrap();
        });
    }

    fn stem<T: Tile>(&mut self, tile: T, channels: usize, filters: usize) {
        let length = stride(9 * channels);
        let arrays = Arrays::new::<T>(filters, length);
        let conv = arrays.conv::<T>(length, length);
        let mut scratch = vec![0; filters];
        let conv = Prepared::new(tile, &conv, &arrays.weights, Content::Bytes, &mut scratch).unwrap();
        let ring = bytes(3 * (WIDTH + 2) * channels);
        let mut line = Line::new(line_len(TILE, length));
        let mut out = vec![0; WIDTH * 96];
        let name = format!("stem 3x3, {channels} to {filters}");
        self.bench::<T>(&name, WIDTH * 9 * channels * filters, || {
            let row = stem::Row {
                tap_len: 3 * channels,
                step: channels,
                out: &mut out,
                out_stride: 96,
            };
            let rows = black_box(&ring).chunks_exact((WIDTH + 2) * channels);
            stem::row(tile, rows, row, &conv, line.with(&scratch)).unwrap();
        });
    }

    fn head<T: Tile>(&mut self, tile: T, channels: usize) {
        let depth = stride(channels);
        let (mask, threshold) = (vec![0; depth], vec![30; depth]);
        let clamp = Clamp::new(&mask, &threshold).unwrap();
        let map = bytes(64 * depth);
        let mut sums = vec![0; depth];
        let name = format!("sums of the head, {channels} channels");
        self.bench::<T>(&name, 64 * depth, || {
            head::add_row(tile, black_box(&map), depth, clamp, &mut sums).unwrap();
        });
    }
}

fn rows(criterion: &mut Criterion) {
    arch::each(&mut Rows(criterion));
}

criterion_group!(kernels, rows);
criterion_main!(kernels);
