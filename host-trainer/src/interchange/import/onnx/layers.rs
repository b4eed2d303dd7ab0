//! ONNX operations with a kernel, and joins, as nodes of the graph.

use super::super::error::Problem;
use super::super::graph::{Op, Pads};
use super::axes::{Axis, NCHW, NCW, agree};
use super::node::View;
use super::ops::ADVICE;
use super::{Reader, Value};
use crate::net::Linear;

impl<'m> Reader<'m> {
    pub(super) fn conv(&mut self, node: &View<'m>, at: usize, axes: Vec<Axis>) -> Result<Value, Problem> {
        self.check_order(node, at, &axes)?;
        let groups = node.int("group", 1);
        if groups != 1 {
            return Err(node.bad(
                &format!("it is a convolution of {groups} groups"),
                "a DenseNet's convolutions read every channel",
            ));
        }
        let name = node.input(1).unwrap_or_default();
        let bias = self.floats(node, 2)?;
        let bias = bias.map(|bias| (*bias).clone().vector(node.input(2).unwrap_or_default()));
        let weight = (*self.needed_floats(node, 1)?).clone().with_one_row();
        let conv = weight.conv_oihw(name, bias.transpose()?)?;
        let map = self.graph.nodes[at].map;
        let window = node.window(map, Some([conv.kernel_height, conv.kernel_width]))?;
        self.push(node, Op::Conv(conv, window), vec![at], in_order(&axes))
    }

    pub(super) fn pad(&mut self, node: &View<'m>, at: usize, axes: Vec<Axis>) -> Result<Value, Problem> {
        let value = self
            .floats(node, 2)?
            .and_then(|tensor| tensor.values.first().copied())
            .or_else(|| node.has("value").then(|| node.float("value", 0.0)));
        let is_zero = value.is_none_or(|value| value == 0.0);
        let mode = node
            .node
            .attribute
            .iter()
            .find(|attribute| attribute.name == "mode");
        if !is_zero || mode.is_some_and(|mode| mode.s != b"constant") {
            return Err(node.bad("it pads with other values than zero", "only zeros are padded"));
        }
        // Operator sets before 11 have an attribute.
        let ints = match node.ints("pads") {
            Some(pads) => pads.to_vec(),
            None => self.ints_at(node, 1)?.unwrap_or_default(),
        };
        let all: Vec<i64> = (0..i64::try_from(axes.len()).unwrap_or(0)).collect();
        let of = self.ints_at(node, 3)?.unwrap_or(all);
        let bad = || {
            node.bad(
                &format!("its pads are {ints:?}"),
                "rows and columns may be padded, nothing else",
            )
        };
        if ints.len() != 2 * of.len() {
            return Err(bad());
        }
        let mut pads = [0i64; 4];
        let rank = i64::try_from(axes.len()).unwrap_or(0);
        for (index, axis) in of.iter().enumerate() {
            let axis = usize::try_from(if *axis < 0 {
                axis.saturating_add(rank)
            } else {
                *axis
            });
            let (before, after) = (ints[index], ints[index + of.len()]);
            match axis.ok().and_then(|axis| axes.get(axis)) {
                Some(Axis::Row) => (pads[0], pads[2]) = (before, after),
                Some(Axis::Column) => (pads[1], pads[3]) = (before, after),
                Some(_) if before == 0 && after == 0 => {}
                _ => return Err(bad()),
            }
        }
        let pads: Pads = node.pads(&pads)?;
        self.push(node, Op::Pad(pads), vec![at], axes)
    }

    pub(super) fn pool(&mut self, node: &View<'m>, at: usize, axes: Vec<Axis>) -> Result<Value, Problem> {
        self.check_order(node, at, &axes)?;
        let window = node.window(self.graph.nodes[at].map, None)?;
        let op = if node.what() == "MaxPool" {
            Op::MaxPool(window)
        } else {
            Op::AveragePool(window, node.int("count_include_pad", 0) != 0)
        };
        self.push(node, op, vec![at], in_order(&axes))
    }

    pub(super) fn mean(&mut self, node: &View<'m>, at: usize, axes: Vec<Axis>) -> Result<Value, Problem> {
        let rank = i64::try_from(axes.len()).unwrap_or(0);
        let named = match (node.ints("axes"), self.ints_at(node, 1)?) {
            (Some(ints), _) => ints.to_vec(),
            (None, Some(ints)) => ints,
            (None, None) => (0..rank).collect(),
        };
        let picked = named.iter().map(|&axis| {
            let axis = if axis < 0 { axis.saturating_add(rank) } else { axis };
            axes.get(usize::try_from(axis).ok()?).copied()
        });
        let picked: Option<Vec<Axis>> = picked.collect();
        let map = self.graph.nodes[at].map;
        let reduced = picked.unwrap_or_default();
        let covers = [Axis::Row, Axis::Column]
            .iter()
            .all(|axis| reduced.contains(axis) || axis.len(map) == 1);
        let others = [Axis::Batch, Axis::Channel]
            .iter()
            .any(|axis| reduced.contains(axis));
        if !covers || others || reduced.is_empty() {
            return Err(node.bad(
                &format!("it averages over {reduced:?}"),
                "only the global average, over rows and columns, is known",
            ));
        }
        let axes = if node.int("keepdims", 1) == 0 {
            axes.into_iter().filter(|axis| !reduced.contains(axis)).collect()
        } else {
            axes
        };
        self.push(node, Op::GlobalAverage, vec![at], axes)
    }

    pub(super) fn concat(&mut self, node: &View<'m>) -> Result<Value, Problem> {
        let mut inputs = Vec::new();
        let mut order: Option<Vec<Axis>> = None;
        for index in 0..node.node.input.len() {
            match self.value(node, index)? {
                Some(Value::Map(at, axes)) => {
                    let map = self.graph.nodes[*at].map;
                    if order
                        .as_ref()
                        .is_some_and(|order| order != axes && !agree(axes, order, map))
                    {
                        return Err(node.bad("it joins maps of different axes", ADVICE));
                    }
                    order.get_or_insert_with(|| axes.clone());
                    inputs.push(*at);
                }
                Some(Value::Constant(_)) => return Err(node.bad("it joins a constant", ADVICE)),
                None => {}
            }
        }
        let axes = order.unwrap_or_default();
        let rank = i64::try_from(axes.len()).unwrap_or(0);
        let axis = node.int("axis", i64::MAX);
        let axis = usize::try_from(if axis < 0 { axis.saturating_add(rank) } else { axis });
        if axis.ok().and_then(|axis| axes.get(axis)) != Some(&Axis::Channel) {
            return Err(node.bad(
                "it joins along another axis than the channels",
                "a DenseNet joins channels",
            ));
        }
        self.push(node, Op::Concat, inputs, axes)
    }

    pub(super) fn linear(&mut self, node: &View<'m>, at: usize, axes: Vec<Axis>) -> Result<Value, Problem> {
        if axes.last() != Some(&Axis::Channel) || node.int("transA", 0) != 0 {
            return Err(node.bad(
                &format!("it multiplies axes {axes:?}"),
                "the only matrix product is the fully connected layer after the global average",
            ));
        }
        let name = node.input(1).unwrap_or_default();
        let matrix = self.needed_floats(node, 1)?;
        let matrix = if node.what() == "Gemm" && node.int("transB", 0) != 0 {
            (*matrix).clone()
        } else {
            matrix.transposed(name)?
        };
        let [outputs, inputs] = matrix.sides(name)?;
        let (mut weight, mut bias) = (matrix.values, vec![0.0; outputs]);
        if node.what() == "Gemm" {
            let alpha = node.float("alpha", 1.0);
            if alpha != 1.0 {
                weight.iter_mut().for_each(|weight| *weight *= alpha);
            }
            if let Some(tensor) = self.floats(node, 2)? {
                let beta = node.float("beta", 1.0);
                let spread: Vec<f32> = match tensor.values.as_slice() {
                    [one] => vec![*one; outputs],
                    values => values.to_vec(),
                };
                bias = spread.into_iter().map(|bias| bias * beta).collect();
            }
        }
        let linear = Linear {
            outputs,
            inputs,
            weight,
            bias,
        };
        self.push(node, Op::Linear(linear), vec![at], axes)
    }
}

/// The axes of what a convolution or pool makes of a map of these axes.
fn in_order(axes: &[Axis]) -> Vec<Axis> {
    if axes.len() == NCW.len() {
        NCW.to_vec()
    } else {
        NCHW.to_vec()
    }
}
