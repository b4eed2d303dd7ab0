//! ONNX operations that are part of a network of the family, as nodes of our graph.

use super::super::error::Problem;
use super::super::graph::{Affine, Op};
use super::super::tensor::Tensor;
use super::axes::{Axis, NCHW, NCW, agree};
use super::constant::Constant;
use super::node::View;
use super::proto::data_type;
use super::shaping::SHAPES;
use super::{Reader, Value};
use crate::net::BatchNorm;
use std::rc::Rc;

/// What a DenseNet is made of.
pub(super) const ADVICE: &str = "a DenseNet is made of Conv, BatchNormalization, Relu, Concat, AveragePool, one global average and one \
                      fully connected layer";

impl<'m> Reader<'m> {
    /// What a node makes.
    pub(super) fn op(&mut self, node: &View<'m>) -> Result<Value, Problem> {
        if !(node.node.domain.is_empty() || node.node.domain == "ai.onnx") {
            let why = format!("it is of the operator set `{}`", node.node.domain);
            return Err(node.bad(&why, "export with the standard operators only"));
        }
        if node.what() == "Constant" {
            return Ok(Value::Constant(self.constant(node)?));
        }
        let mut constants = Vec::new();
        for index in 0..node.node.input.len() {
            match self.value(node, index)? {
                Some(Value::Constant(constant)) => constants.push(constant),
                Some(Value::Map(..)) => {
                    constants.clear();
                    break;
                }
                None => {}
            }
        }
        if !constants.is_empty() {
            let folded = self.folded(node, &constants)?;
            let folded =
                folded.ok_or_else(|| node.bad("it computes a constant in a way that is not known", SHAPES));
            return Ok(Value::Constant(folded?));
        }
        let Some(Value::Map(at, axes)) = self.value(node, 0)?.cloned() else {
            return self.swapped(node);
        };
        match node.what() {
            "Identity" => Ok(Value::Map(at, axes)),
            "Cast" => match i32::try_from(node.int("to", 0)) {
                Ok(data_type::FLOAT | data_type::FLOAT16 | data_type::BFLOAT16 | data_type::DOUBLE) => {
                    Ok(Value::Map(at, axes))
                }
                _ => Err(node.bad("it makes whole numbers of a feature map", ADVICE)),
            },
            "Dropout" => self.dropout(node, at, axes),
            "Shape" => Ok(self.shape_of(node, at, &axes)),
            "Transpose" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => self.view(node, at, &axes),
            "Relu" => self.push(node, Op::Relu, vec![at], axes),
            "Clip" => self.clip(node, at, axes),
            "Add" | "Sub" | "Mul" | "Div" => self.scale(node, at, axes),
            "BatchNormalization" => self.norm(node, at, axes),
            "Conv" => self.conv(node, at, axes),
            "Pad" => self.pad(node, at, axes),
            "AveragePool" | "MaxPool" => self.pool(node, at, axes),
            "GlobalAveragePool" => {
                self.check_order(node, at, &axes)?;
                self.push(node, Op::GlobalAverage, vec![at], axes)
            }
            "ReduceMean" => self.mean(node, at, axes),
            "Concat" => self.concat(node),
            "Gemm" | "MatMul" => self.linear(node, at, axes),
            "Softmax" | "LogSoftmax" => {
                let rank = i64::try_from(axes.len()).unwrap_or(0);
                let axis = node.int("axis", if self.version < 13 { 1 } else { -1 });
                let axis = usize::try_from(if axis < 0 { axis.saturating_add(rank) } else { axis });
                if axis.ok().and_then(|axis| axes.get(axis)) != Some(&Axis::Channel) {
                    return Err(node.bad(
                        "it does not run over the classes",
                        "the softmax runs over the classes",
                    ));
                }
                let op = if node.what() == "Softmax" {
                    Op::Softmax
                } else {
                    Op::LogSoftmax
                };
                self.push(node, op, vec![at], axes)
            }
            "Sigmoid" => self.push(node, Op::Sigmoid, vec![at], axes),
            "LeakyRelu" | "Elu" | "Selu" | "Gelu" | "PRelu" | "HardSwish" | "HardSigmoid" | "Tanh" => {
                Err(node.bad(
                    "it is another activation than ReLU",
                    "a DenseNet's only activation is ReLU; it ends in logits, a softmax, or one sigmoid",
                ))
            }
            _ => Err(node.bad("no network of the family has such an operation", ADVICE)),
        }
    }

    pub(super) fn push(
        &mut self,
        node: &View<'m>,
        op: Op,
        inputs: Vec<usize>,
        axes: Vec<Axis>,
    ) -> Result<Value, Problem> {
        let at = self.graph.push(node.name(), node.what(), op, inputs)?;
        Ok(Value::Map(at, axes))
    }

    /// Convolutions, pools and batch norms read channels after the batch.
    pub(super) fn check_order(&self, node: &View<'m>, at: usize, axes: &[Axis]) -> Result<(), Problem> {
        let map = self.graph.nodes[at].map;
        if agree(axes, &NCHW, map) || agree(axes, &NCW, map) {
            return Ok(());
        }
        Err(node.bad(
            &format!("it reads axes {axes:?}"),
            "it can only read batch, channels, rows, columns: check the file with onnx.checker",
        ))
    }

    /// The floats of an input.
    pub(super) fn floats(&self, node: &View<'m>, index: usize) -> Result<Option<Rc<Tensor>>, Problem> {
        match self.value(node, index)? {
            None => Ok(None),
            Some(Value::Constant(Constant::Floats(tensor))) => {
                // What reads it copies it, and many nodes may read one.
                self.tensors.spend(node.name(), tensor.values.len())?;
                Ok(Some(Rc::clone(tensor)))
            }
            Some(_) => Err(node.bad(
                &format!(
                    "its input `{}` is not a constant",
                    node.input(index).unwrap_or_default()
                ),
                "weights must be constants of the file",
            )),
        }
    }

    pub(super) fn needed_floats(&self, node: &View<'m>, index: usize) -> Result<Rc<Tensor>, Problem> {
        let tensor = self.floats(node, index)?;
        tensor.ok_or_else(|| {
            node.bad(
                &format!("its input {index} is left out"),
                "check the file with onnx.checker",
            )
        })
    }

    pub(super) fn dropout(&mut self, node: &View<'m>, at: usize, axes: Vec<Axis>) -> Result<Value, Problem> {
        if let Some(Value::Constant(Constant::Ints(ints))) = self.value(node, 2)?
            && ints.values.iter().any(|value| *value != Some(0))
        {
            return Err(node.bad(
                "it drops values in inference",
                "export the network in evaluation mode",
            ));
        }
        Ok(Value::Map(at, axes))
    }

    /// A `Clip` at zero is a ReLU.
    pub(super) fn clip(&mut self, node: &View<'m>, at: usize, axes: Vec<Axis>) -> Result<Value, Problem> {
        let bound = |tensor: Option<Rc<Tensor>>| tensor.and_then(|tensor| tensor.values.first().copied());
        // Operator sets before 11 have attributes.
        let own = |name: &str| node.has(name).then(|| node.float(name, 0.0));
        let low = bound(self.floats(node, 1)?).or_else(|| own("min"));
        let high = bound(self.floats(node, 2)?).or_else(|| own("max"));
        if low == Some(0.0) && high.is_none_or(|high| high >= f32::MAX) {
            return self.push(node, Op::Relu, vec![at], axes);
        }
        let named = |bound: Option<f32>| bound.map_or("none".to_owned(), |bound| bound.to_string());
        Err(node.bad(
            &format!("it bounds values between {} and {}", named(low), named(high)),
            "use ReLU, which has no upper bound",
        ))
    }

    /// A constant in front: `c + x`, `c - x`, `c * x`.
    pub(super) fn swapped(&mut self, node: &View<'m>) -> Result<Value, Problem> {
        let Some(Value::Map(at, axes)) = self.value(node, 1)?.cloned() else {
            return Err(node.bad("it reads no feature map", ADVICE));
        };
        let (constant, sign) = match node.what() {
            "Add" | "Mul" => (self.needed_floats(node, 0)?, 1.0),
            "Sub" => (self.needed_floats(node, 0)?, -1.0),
            _ => return Err(node.bad("it reads a constant first", ADVICE)),
        };
        let spread = self.per_channel(node, &constant, at, &axes)?;
        let affine = if node.what() == "Mul" {
            Affine {
                shift: vec![0.0; spread.len()],
                scale: spread,
            }
        } else {
            Affine {
                scale: vec![sign; spread.len()],
                shift: spread,
            }
        };
        self.push(node, Op::Affine(affine), vec![at], axes)
    }

    pub(super) fn scale(&mut self, node: &View<'m>, at: usize, axes: Vec<Axis>) -> Result<Value, Problem> {
        if let Some(Value::Map(..)) = self.value(node, 1)? {
            let (why, advice) = if node.what() == "Add" {
                (
                    "it adds two feature maps, as residual networks do",
                    "a DenseNet joins feature maps with Concat",
                )
            } else if node.what() == "Mul" {
                (
                    "it multiplies two feature maps, as squeeze-and-excitation and swish do",
                    "a DenseNet joins feature maps with Concat",
                )
            } else {
                ("it combines two feature maps", ADVICE)
            };
            return Err(node.bad(why, advice));
        }
        let constant = self.needed_floats(node, 1)?;
        let spread = self.per_channel(node, &constant, at, &axes)?;
        let channels = spread.len();
        let shifted = |shift: Vec<f64>| Affine {
            scale: vec![1.0; channels],
            shift,
        };
        let scaled = |scale: Vec<f64>| Affine {
            scale,
            shift: vec![0.0; channels],
        };
        let affine = match node.what() {
            "Add" => shifted(spread),
            "Sub" => shifted(spread.into_iter().map(|value| -value).collect()),
            "Mul" => scaled(spread),
            _ => scaled(spread.into_iter().map(|value| 1.0 / value).collect()),
        };
        self.push(node, Op::Affine(affine), vec![at], axes)
    }

    /// A constant that is the same for every pixel, one number per channel.
    pub(super) fn per_channel(
        &self,
        node: &View<'m>,
        constant: &Tensor,
        at: usize,
        axes: &[Axis],
    ) -> Result<Vec<f64>, Problem> {
        let channels = self.graph.nodes[at].map.channels;
        let ones = constant.shape.iter().take_while(|side| **side == 1).count();
        let sides = &constant.shape[ones..];
        let aligned = axes.len().checked_sub(sides.len()).map(|start| &axes[start..]);
        let fits = aligned.is_some_and(|axes| {
            let mut pairs = axes.iter().zip(sides);
            pairs.all(|(axis, side)| *side == 1 || (*axis == Axis::Channel && *side == channels))
        });
        match constant.values.as_slice() {
            [one] if sides.is_empty() => Ok(vec![f64::from(*one); channels]),
            values if fits && values.len() == channels => Ok(values.iter().map(|v| f64::from(*v)).collect()),
            _ => Err(node.bad(
                &format!(
                    "its constant of shape {:?} differs from pixel to pixel",
                    constant.shape
                ),
                "scales and shifts must be one number per channel",
            )),
        }
    }

    pub(super) fn norm(&mut self, node: &View<'m>, at: usize, axes: Vec<Axis>) -> Result<Value, Problem> {
        if axes.get(1) != Some(&Axis::Channel) {
            self.check_order(node, at, &axes)?;
        }
        if node.int("training_mode", 0) != 0 {
            return Err(node.bad("it is in training mode", "export the network in evaluation mode"));
        }
        let epsilon = node.float("epsilon", 1e-5);
        if !(epsilon > 0.0 && epsilon <= 1.0) {
            return Err(node.bad(
                &format!("its epsilon is {epsilon}"),
                "it lies above 0 and is at most 1",
            ));
        }
        let part = |index| {
            let tensor = self.needed_floats(node, index)?;
            (*tensor).clone().vector(node.input(index).unwrap_or_default())
        };
        let norm = BatchNorm {
            gamma: part(1)?,
            beta: part(2)?,
            mean: part(3)?,
            var: part(4)?,
            epsilon,
        };
        self.push(node, Op::Norm(norm), vec![at], axes)
    }
}
