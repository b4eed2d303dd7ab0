//! Rewrites a graph so that one function has one form: padding goes into what it pads, scales and shifts into each other or
//! into the weights after them. After reading, before matching.
//!
//! Nothing here depends on where in a network a node stands; that is `structure`'s knowledge.

use super::error::Problem;
use super::graph::{Affine, Graph, Node, Op, Pads, Window};
use crate::net::{Conv, Linear};

/// Weights that folding one linear layer into another may make.
const MOST_FOLDED: usize = 1 << 24;

/// The same function as `graph` in fewer forms.
pub(super) fn simplify(graph: &Graph) -> Result<Graph, Problem> {
    let readers = graph.readers();
    let first = &graph.nodes[0];
    let mut simple = Simple {
        old: graph,
        readers: &readers,
        new: Graph::new(&first.name, first.map, graph.axes)?,
        place: vec![0; graph.nodes.len()],
        shared: vec![readers[0].len() > 1],
    };
    simple.new.dropout = graph.dropout;
    for (number, own) in readers.iter().enumerate().skip(1) {
        if number == graph.output || !own.is_empty() {
            simple.place[number] = simple.take(number)?;
            simple.note_shared(number);
        }
    }
    simple.new.output = simple.place[graph.output];
    Ok(simple.new)
}

struct Simple<'g> {
    old: &'g Graph,
    readers: &'g [Vec<usize>],
    new: Graph,
    /// Where each old node's map is in the new graph.
    place: Vec<usize>,
    /// Whether a new node is read by more than one node.
    shared: Vec<bool>,
}

impl Simple<'_> {
    fn note_shared(&mut self, number: usize) {
        self.shared.resize(self.new.nodes.len(), false);
        let readers = self.readers[number].len() + usize::from(number == self.old.output);
        self.shared[self.place[number]] |= readers > 1;
    }

    /// Whether one node at most reads new node `at`, so that it may change.
    fn is_private(&self, at: usize) -> bool {
        self.shared.get(at) != Some(&true)
    }

    fn op(&self, at: usize) -> &Op {
        &self.new.nodes[at].op
    }

    fn push(&mut self, like: &Node, op: Op, inputs: Vec<usize>) -> Result<usize, Problem> {
        self.new.push(&like.name, &like.what, op, inputs)
    }

    /// Puts old node `number` into the new graph; where its map is there.
    fn take(&mut self, number: usize) -> Result<usize, Problem> {
        let node = &self.old.nodes[number];
        let inputs: Vec<usize> = node.inputs.iter().map(|&input| self.place[input]).collect();
        let at = inputs.first().copied().unwrap_or(0);
        match &node.op {
            Op::Concat if inputs.len() == 1 => Ok(at),
            Op::Pad(pads) => self.pad(node, *pads, at),
            Op::Conv(conv, window) => self.conv(node, conv, *window, at),
            Op::AveragePool(window, counts) => self.average(node, *window, *counts, at),
            Op::MaxPool(window) => {
                let (window, at) = match self.op(at) {
                    Op::Pad(pads) if self.is_positive(self.new.nodes[at].inputs[0]) => {
                        (padded(*window, *pads), self.new.nodes[at].inputs[0])
                    }
                    _ => (*window, at),
                };
                self.push(node, Op::MaxPool(window), vec![at])
            }
            Op::Relu => self.relu(node, at),
            Op::Affine(affine) => self.affine(number, affine.clone(), at),
            Op::Norm(norm) => {
                let goes_into = match self.op(at) {
                    Op::Affine(_) | Op::Norm(_) | Op::Linear(_) => true,
                    Op::Conv(..) => !self.is_before_relu(number),
                    _ => false,
                };
                if goes_into && self.is_private(at) {
                    self.affine(number, Affine::of(norm), at)
                } else {
                    self.push(node, node.op.clone(), inputs)
                }
            }
            Op::GlobalAverage => self.global_average(node, at),
            Op::Linear(linear) => self.linear(node, linear, at),
            Op::Concat | Op::Softmax | Op::LogSoftmax | Op::Sigmoid | Op::Input => {
                self.push(node, node.op.clone(), inputs)
            }
        }
    }

    fn pad(&mut self, node: &Node, pads: Pads, at: usize) -> Result<usize, Problem> {
        if let Op::Pad(before) = self.op(at) {
            let all = padded(
                Window {
                    pads: *before,
                    ..Window::PIXEL
                },
                pads,
            );
            let from = self.new.nodes[at].inputs.clone();
            return self.push(node, Op::Pad(all.pads), from);
        }
        if pads == Pads::default() {
            return Ok(at);
        }
        self.push(node, Op::Pad(pads), vec![at])
    }

    fn conv(&mut self, node: &Node, conv: &Conv, window: Window, at: usize) -> Result<usize, Problem> {
        if let Op::Pad(pads) = self.op(at) {
            let (window, from) = (padded(window, *pads), self.new.nodes[at].inputs.clone());
            return self.push(node, Op::Conv(conv.clone(), window), from);
        }
        // Behind a global average a convolution is a linear layer.
        if conv.taps() == 1 && matches!(self.op(at), Op::GlobalAverage | Op::Linear(_)) {
            return self.linear(node, &as_linear(conv), at);
        }
        self.push(node, Op::Conv(conv.clone(), window), vec![at])
    }

    fn average(&mut self, node: &Node, window: Window, counts: bool, at: usize) -> Result<usize, Problem> {
        let map = self.new.nodes[at].map;
        if map.pixels() == 1 && node.map.pixels() == 1 && window.pads == Pads::default() {
            return Ok(at);
        }
        if let Op::Pad(pads) = self.op(at)
            && (counts || window.pads == Pads::default())
        {
            let (window, from) = (padded(window, *pads), self.new.nodes[at].inputs.clone());
            return self.push(node, Op::AveragePool(window, true), from);
        }
        // Where a window of two covers the map, this may be a transition as well; the matcher decides.
        let is_whole = window.kernel == [map.height, map.width] && window.pads == Pads::default();
        let is_half = window.kernel == [map.height.min(2), 2];
        if is_whole && !is_half && node.map.pixels() == 1 {
            return self.global_average(node, at);
        }
        self.push(node, Op::AveragePool(window, counts), vec![at])
    }

    /// Whether no value of a map is below zero.
    fn is_positive(&self, at: usize) -> bool {
        let node = &self.new.nodes[at];
        match node.op {
            Op::Relu => true,
            Op::MaxPool(_) => matches!(self.new.nodes[node.inputs[0]].op, Op::Relu),
            _ => false,
        }
    }

    fn relu(&mut self, node: &Node, at: usize) -> Result<usize, Problem> {
        if self.is_positive(at) {
            return Ok(at);
        }
        // The largest of a window stays the largest after a ReLU.
        if let (&Op::MaxPool(window), true) = (self.op(at), self.is_private(at)) {
            let pool = self.new.nodes[at].clone();
            let relu = self.push(node, Op::Relu, pool.inputs.clone())?;
            return self.push(&pool, Op::MaxPool(window), vec![relu]);
        }
        self.push(node, Op::Relu, vec![at])
    }

    /// Whether the only reader of old node `number` is a ReLU or scales further.
    fn is_before_relu(&self, number: usize) -> bool {
        match self.readers[number].as_slice() {
            [reader] => matches!(
                self.old.nodes[*reader].op,
                Op::Relu | Op::Affine(_) | Op::Norm(_) | Op::MaxPool(_)
            ),
            _ => false,
        }
    }

    fn affine(&mut self, number: usize, affine: Affine, at: usize) -> Result<usize, Problem> {
        let node = &self.old.nodes[number];
        if affine.scale.len() != self.new.nodes[at].map.channels {
            return self.push(node, Op::Affine(affine), vec![at]);
        }
        let (all, from) = match as_affine(self.op(at)) {
            Some(before) if self.is_private(at) => (before.then(&affine), self.new.nodes[at].inputs[0]),
            _ => (affine, at),
        };
        let only_shifts = all.scale.iter().all(|scale| *scale == 1.0);
        let (is_private, is_before_relu) = (self.is_private(from), self.is_before_relu(number));
        match &mut self.new.nodes[from].op {
            Op::Conv(conv, _) if is_private && (only_shifts || !is_before_relu) => {
                scale_outputs(conv, &all);
                Ok(from)
            }
            Op::Linear(linear) if is_private => {
                let rows = linear
                    .weight
                    .chunks_exact_mut(linear.inputs)
                    .zip(&mut linear.bias);
                scale_rows(rows, &all);
                Ok(from)
            }
            _ => self.push(node, Op::Affine(all), vec![from]),
        }
    }

    fn global_average(&mut self, node: &Node, at: usize) -> Result<usize, Problem> {
        let before = self.new.nodes[at].clone();
        if before.map.pixels() == 1 {
            return Ok(at);
        }
        if let (Some(affine), true) = (as_affine(&before.op), self.is_private(at)) {
            // The mean of what is scaled is the mean, scaled.
            let mean = self.push(node, Op::GlobalAverage, before.inputs.clone())?;
            return self.push(&before, Op::Affine(affine), vec![mean]);
        }
        let is_pooled = |inputs: &[usize]| matches!(self.op(inputs[0]), Op::AveragePool(..));
        match &before.op {
            // A classifier that runs before the average; after an average pool it is that of a transition.
            Op::Conv(conv, window)
                if conv.taps() == 1
                    && *window == Window::PIXEL
                    && self.is_private(at)
                    && !is_pooled(&before.inputs) =>
            {
                let mean = self.push(node, Op::GlobalAverage, before.inputs.clone())?;
                self.push(&before, Op::Linear(as_linear(conv)), vec![mean])
            }
            _ => self.push(node, Op::GlobalAverage, vec![at]),
        }
    }

    fn linear(&mut self, node: &Node, linear: &Linear, at: usize) -> Result<usize, Problem> {
        let from = self.new.nodes[at].inputs.clone();
        if let Some(affine) = as_affine(self.op(at)).filter(|affine| affine.scale.len() == linear.inputs) {
            return self.linear(node, &after_affine(linear, &affine), from[0]);
        }
        match self.op(at) {
            Op::Linear(before)
                if before.outputs == linear.inputs
                    && linear.outputs.saturating_mul(before.inputs) <= MOST_FOLDED =>
            {
                let linear = after_linear(linear, before);
                self.push(node, Op::Linear(linear), from)
            }
            _ => self.push(node, Op::Linear(linear.clone()), vec![at]),
        }
    }
}

/// What scales and shifts, as such.
fn as_affine(op: &Op) -> Option<Affine> {
    match op {
        Op::Affine(affine) => Some(affine.clone()),
        Op::Norm(norm) => Some(Affine::of(norm)),
        _ => None,
    }
}

fn padded(window: Window, more: Pads) -> Window {
    let pads = window.pads;
    Window {
        pads: Pads {
            top: pads.top + more.top,
            left: pads.left + more.left,
            bottom: pads.bottom + more.bottom,
            right: pads.right + more.right,
        },
        ..window
    }
}

/// A 1x1 convolution on one pixel.
fn as_linear(conv: &Conv) -> Linear {
    Linear {
        outputs: conv.outputs,
        inputs: conv.inputs,
        weight: conv.weight.clone(),
        bias: conv.bias.clone().unwrap_or_else(|| vec![0.0; conv.outputs]),
    }
}

fn scale_outputs(conv: &mut Conv, affine: &Affine) {
    let length = conv.taps() * conv.inputs;
    let has_shift = conv.bias.is_some() || affine.shift.iter().any(|shift| *shift != 0.0);
    let mut bias = conv.bias.take().unwrap_or_else(|| vec![0.0; conv.outputs]);
    scale_rows(conv.weight.chunks_exact_mut(length).zip(&mut bias), affine);
    conv.bias = has_shift.then_some(bias);
}

fn scale_rows<'r>(rows: impl Iterator<Item = (&'r mut [f32], &'r mut f32)>, affine: &Affine) {
    let affine = affine.scale.iter().zip(&affine.shift);
    for ((row, bias), (&scale, shift)) in rows.zip(affine) {
        if scale != 1.0 {
            for weight in row {
                *weight = (f64::from(*weight) * scale) as f32;
            }
        }
        *bias = (f64::from(*bias) * scale + shift) as f32;
    }
}

/// `linear` of what `affine` makes.
fn after_affine(linear: &Linear, affine: &Affine) -> Linear {
    let mut folded = linear.clone();
    let rows = folded
        .weight
        .chunks_exact_mut(linear.inputs)
        .zip(&mut folded.bias);
    for (row, bias) in rows {
        let mut sum = f64::from(*bias);
        for (weight, (scale, shift)) in row.iter_mut().zip(affine.scale.iter().zip(&affine.shift)) {
            sum += f64::from(*weight) * shift;
            *weight = (f64::from(*weight) * scale) as f32;
        }
        *bias = sum as f32;
    }
    folded
}

/// `linear` of what `before` makes.
fn after_linear(linear: &Linear, before: &Linear) -> Linear {
    let mut weight = Vec::with_capacity(linear.outputs * before.inputs);
    let mut bias = Vec::with_capacity(linear.outputs);
    for (row, own) in linear.weight.chunks_exact(linear.inputs).zip(&linear.bias) {
        let mut sums = vec![0.0f64; before.inputs];
        let mut sum = f64::from(*own);
        let inner = before.weight.chunks_exact(before.inputs).zip(&before.bias);
        for (w, (inner_row, inner_bias)) in row.iter().zip(inner) {
            let w = f64::from(*w);
            sum += w * f64::from(*inner_bias);
            for (total, value) in sums.iter_mut().zip(inner_row) {
                *total += w * f64::from(*value);
            }
        }
        weight.extend(sums.iter().map(|total| *total as f32));
        bias.push(sum as f32);
    }
    Linear {
        outputs: linear.outputs,
        inputs: before.inputs,
        weight,
        bias,
    }
}
