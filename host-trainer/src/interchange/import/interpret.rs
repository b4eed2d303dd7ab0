//! Runs a graph as the file describes it, node by node, with nothing matched, folded or permuted: what the imported
//! network is held against. Belongs to `import`.

use super::graph::{Affine, Graph, Node, Op, Pads, Window};
use crate::net::Conv;
use crate::spec::Map;
use rayon::prelude::*;

impl Graph {
    /// Answers for `n` images of `inputs`, floats as the network takes them but channels last: `[n][outputs]`.
    pub fn run(&self, inputs: &[f32], n: usize) -> Vec<f32> {
        self.run_to(self.output, inputs, n)
    }

    /// The node whose map is the logits: the output, or what its softmax or sigmoid reads.
    pub fn logits(&self) -> usize {
        let node = &self.nodes[self.output];
        match (&node.op, node.inputs.as_slice()) {
            (Op::Softmax | Op::LogSoftmax | Op::Sigmoid, [logits]) => *logits,
            _ => self.output,
        }
    }

    /// What node `end` makes of `n` images.
    pub fn run_to(&self, end: usize, inputs: &[f32], n: usize) -> Vec<f32> {
        let size = inputs.len() / n.max(1);
        let map = self.nodes[end].map;
        let outputs = map.pixels() * map.channels;
        let last_use = self.last_use();
        let mut answers = vec![0.0; n * outputs];
        inputs
            .par_chunks(size.max(1))
            .zip(answers.par_chunks_mut(outputs))
            .for_each(|(image, answer)| {
                answer.copy_from_slice(&self.run_one(end, image, &last_use));
            });
        answers
    }

    /// Returns the last node that reads each node; a node without readers is its own.
    fn last_use(&self) -> Vec<usize> {
        let readers = self.readers();
        let last = |(number, readers): (usize, &Vec<usize>)| readers.last().copied().unwrap_or(number);
        readers.iter().enumerate().map(last).collect()
    }

    fn run_one(&self, end: usize, image: &[f32], last_use: &[usize]) -> Vec<f32> {
        let mut values: Vec<Vec<f32>> = vec![Vec::new(); self.nodes.len()];
        values[0] = image.to_vec();
        for (number, node) in self.nodes.iter().enumerate().take(end + 1).skip(1) {
            if last_use[number] == number && number != end {
                continue;
            }
            values[number] = {
                let inputs: Vec<&[f32]> = node.inputs.iter().map(|&i| values[i].as_slice()).collect();
                node.run(&inputs, |input| self.nodes[node.inputs[input]].map)
            };
            for &input in &node.inputs {
                if last_use[input] == number {
                    values[input] = Vec::new();
                }
            }
        }
        core::mem::take(&mut values[end])
    }
}

impl Node {
    fn run(&self, inputs: &[&[f32]], map_of: impl Fn(usize) -> Map) -> Vec<f32> {
        let Some(&first) = inputs.first() else {
            return Vec::new();
        };
        let map = map_of(0);
        match &self.op {
            Op::Input => Vec::new(),
            Op::Affine(affine) => scaled(first, affine),
            Op::Norm(norm) => scaled(first, &Affine::of(norm)),
            Op::Conv(conv, window) => convolved(first, map, conv, window, self.map),
            Op::Relu => first.iter().map(|value| value.max(0.0)).collect(),
            Op::Concat => {
                let mut out = Vec::with_capacity(self.map.pixels() * self.map.channels);
                for pixel in 0..self.map.pixels() {
                    for (number, input) in inputs.iter().enumerate() {
                        let channels = map_of(number).channels;
                        out.extend_from_slice(&input[pixel * channels..][..channels]);
                    }
                }
                out
            }
            Op::Pad(pads) => padded(first, map, *pads, self.map),
            Op::AveragePool(window, counts_padding) => {
                pooled(first, map, window, self.map, |values, area| {
                    let count = if *counts_padding { area } else { values.len() };
                    (values.iter().sum::<f64>() / count.max(1) as f64) as f32
                })
            }
            Op::MaxPool(window) => pooled(first, map, window, self.map, |values, _| {
                values.iter().copied().fold(f64::NEG_INFINITY, f64::max) as f32
            }),
            Op::GlobalAverage => (0..map.channels)
                .map(|c| {
                    let values = first.iter().skip(c).step_by(map.channels);
                    (values.map(|v| f64::from(*v)).sum::<f64>() / map.pixels() as f64) as f32
                })
                .collect(),
            Op::Linear(linear) => {
                let rows = linear.weight.chunks_exact(linear.inputs).zip(&linear.bias);
                rows.map(|(row, bias)| {
                    let products = row.iter().zip(first).map(|(w, x)| f64::from(*w) * f64::from(*x));
                    (products.sum::<f64>() + f64::from(*bias)) as f32
                })
                .collect()
            }
            Op::Softmax => softmax(first, map.channels, |share| share as f32),
            Op::LogSoftmax => softmax(first, map.channels, |share| share.ln() as f32),
            Op::Sigmoid => first.iter().map(|value| sigmoid(*value)).collect(),
        }
    }
}

/// The probability that a score stands for.
pub(super) fn sigmoid(score: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(score)).exp())) as f32
}

fn scaled(values: &[f32], affine: &Affine) -> Vec<f32> {
    let channels = affine.scale.len();
    let one = |(index, value): (usize, &f32)| {
        let c = index % channels;
        (f64::from(*value) * affine.scale[c] + affine.shift[c]) as f32
    };
    values.iter().enumerate().map(one).collect()
}

fn convolved(values: &[f32], map: Map, conv: &Conv, window: &Window, to: Map) -> Vec<f32> {
    let (inputs, outputs) = (conv.inputs, conv.outputs);
    // [ky][kx][i][o]: the innermost loop runs over outputs.
    let mut weight = vec![0.0f32; conv.weight.len()];
    for (o, filter) in conv.weight.chunks_exact(conv.taps() * inputs).enumerate() {
        for (k, w) in filter.iter().enumerate() {
            weight[k * outputs + o] = *w;
        }
    }
    let mut out = vec![0.0f32; to.pixels() * outputs];
    for (pixel, sums) in out.chunks_exact_mut(outputs).enumerate() {
        if let Some(bias) = &conv.bias {
            sums.copy_from_slice(bias);
        }
        let (y, x) = (pixel / to.width, pixel % to.width);
        for (ky, row) in taps(y, window.kernel[0], window.stride[0], window.pads.top, map.height) {
            for (kx, column) in taps(x, window.kernel[1], window.stride[1], window.pads.left, map.width) {
                let from = &values[(row * map.width + column) * inputs..][..inputs];
                let tap = &weight[(ky * conv.kernel_width + kx) * inputs * outputs..];
                for (value, weights) in from.iter().zip(tap.chunks_exact(outputs)) {
                    for (sum, w) in sums.iter_mut().zip(weights) {
                        *sum += value * w;
                    }
                }
            }
        }
    }
    out
}

/// Each tap of a kernel at place `at` that lies on the map, with the row or column it meets.
fn taps(
    at: usize,
    kernel: usize,
    stride: usize,
    pad: usize,
    size: usize,
) -> impl Iterator<Item = (usize, usize)> {
    (0..kernel).filter_map(move |k| {
        let place = (at * stride + k).checked_sub(pad)?;
        (place < size).then_some((k, place))
    })
}

fn padded(values: &[f32], map: Map, pads: Pads, to: Map) -> Vec<f32> {
    let mut out = vec![0.0; to.pixels() * to.channels];
    let row_len = map.width * map.channels;
    for (row, from) in values.chunks_exact(row_len).enumerate() {
        let at = ((row + pads.top) * to.width + pads.left) * to.channels;
        out[at..at + row_len].copy_from_slice(from);
    }
    out
}

/// What `join` makes of each window's values and its area, channel by channel.
fn pooled(
    values: &[f32],
    map: Map,
    window: &Window,
    to: Map,
    join: impl Fn(&[f64], usize) -> f32,
) -> Vec<f32> {
    let mut out = Vec::with_capacity(to.pixels() * to.channels);
    let mut seen = Vec::new();
    for pixel in 0..to.pixels() {
        let (y, x) = (pixel / to.width, pixel % to.width);
        for c in 0..to.channels {
            seen.clear();
            for (_, row) in taps(y, window.kernel[0], window.stride[0], window.pads.top, map.height) {
                for (_, column) in taps(x, window.kernel[1], window.stride[1], window.pads.left, map.width) {
                    seen.push(f64::from(values[(row * map.width + column) * map.channels + c]));
                }
            }
            out.push(join(&seen, window.kernel[0] * window.kernel[1]));
        }
    }
    out
}

/// `make` of each channel's share, pixel by pixel.
pub(super) fn softmax(values: &[f32], channels: usize, make: impl Fn(f64) -> f32) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for pixel in values.chunks_exact(channels) {
        let largest = pixel.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let raised: Vec<f64> = pixel.iter().map(|v| f64::from(v - largest).exp()).collect();
        let sum: f64 = raised.iter().sum();
        out.extend(raised.iter().map(|v| make(v / sum)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::graph::Axes;
    use super::*;

    fn one(op: Op, height: usize, width: usize, channels: usize, values: &[f32]) -> Vec<f32> {
        let map = Map {
            height,
            width,
            channels,
        };
        let mut graph = Graph::new("x", map, Axes::Nhwc).unwrap();
        graph.push("node", "Node", op, vec![0]).unwrap();
        graph.run(values, 1)
    }

    #[test]
    fn operations_compute_what_they_are_called() {
        let row = [1.0, -2.0, 3.0, 4.0];
        assert_eq!(one(Op::Relu, 1, 2, 2, &row), [1.0, 0.0, 3.0, 4.0]);
        assert_eq!(one(Op::GlobalAverage, 1, 2, 2, &row), [2.0, 1.0]);
        let window = Window {
            kernel: [1, 2],
            stride: [1, 2],
            pads: Pads {
                left: 1,
                right: 1,
                ..Pads::default()
            },
            round_up: false,
        };
        assert_eq!(one(Op::MaxPool(window), 1, 4, 1, &row), [1.0, 3.0, 4.0]);
        assert_eq!(one(Op::AveragePool(window, true), 1, 4, 1, &row), [0.5, 0.5, 2.0]);
        assert_eq!(
            one(Op::AveragePool(window, false), 1, 4, 1, &row),
            [1.0, 0.5, 4.0]
        );
        let shares = one(Op::Softmax, 1, 1, 4, &row);
        assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-6 && shares[3] > shares[2]);
        let pads = Pads {
            top: 1,
            left: 1,
            ..Pads::default()
        };
        assert_eq!(
            one(Op::Pad(pads), 2, 2, 1, &row),
            [0.0, 0.0, 0.0, 0.0, 1.0, -2.0, 0.0, 3.0, 4.0]
        );
    }

    #[test]
    fn convolution_reads_its_weights_in_order() {
        let conv = Conv {
            outputs: 1,
            kernel_height: 1,
            kernel_width: 2,
            inputs: 2,
            weight: vec![1.0, 10.0, 100.0, 1000.0],
            bias: Some(vec![0.5]),
        };
        let window = Window {
            kernel: [1, 2],
            ..Window::PIXEL
        };
        let values = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(one(Op::Conv(conv, window), 1, 2, 2, &values), [4321.5]);
    }
}
