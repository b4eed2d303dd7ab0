//! Calls of plain functions, as a Keras graph holds them: arithmetic and activations into nodes.

use super::super::error::Problem;
use super::super::graph::{Affine, Op};
use super::config::{Call, Layer};
use super::functions::Function;
use super::layers::Reader;
use super::settings::{per_channel, refuse};
use serde_json::Value;

impl Reader<'_> {
    pub(super) fn function(
        &mut self,
        layer: &Layer,
        function: Function,
        call: &Call,
        inputs: &[usize],
    ) -> Result<usize, Problem> {
        let Some(&at) = inputs.first() else {
            return Err(refuse(layer, "it reads nothing", "every function reads a tensor"));
        };
        match function {
            Function::Pass => Ok(at),
            Function::Relu => self.plain(layer, call, Op::Relu, at),
            Function::Softmax => self.plain(layer, call, Op::Softmax, at),
            Function::LogSoftmax => self.plain(layer, call, Op::LogSoftmax, at),
            Function::Sigmoid => self.plain(layer, call, Op::Sigmoid, at),
            Function::Add | Function::Subtract | Function::Multiply | Function::Divide => {
                self.scale(layer, function, call, inputs)
            }
            Function::Concat => {
                let axis = ["axis"]
                    .iter()
                    .find_map(|key| self.setting(layer, call, key)?.as_i64());
                self.join(layer, axis.unwrap_or(0), inputs)
            }
            Function::Mean => {
                let axes = self.setting(layer, call, "axis").cloned().unwrap_or(Value::Null);
                let axes: Vec<i64> = match axes.as_array() {
                    Some(axes) => axes.iter().filter_map(Value::as_i64).collect(),
                    None => axes.as_i64().into_iter().collect(),
                };
                let from_front = |axis: &i64| {
                    if *axis < 0 {
                        axis + self.last_axis + 1
                    } else {
                        *axis
                    }
                };
                let mut axes: Vec<i64> = axes.iter().map(from_front).collect();
                axes.sort_unstable();
                if axes != (1..self.last_axis).collect::<Vec<i64>>() {
                    return Err(refuse(
                        layer,
                        &format!("it averages over the axes {axes:?}"),
                        "only the global average, over rows and columns, is known",
                    ));
                }
                self.push(layer, Op::GlobalAverage, vec![at])
            }
            Function::Other => {
                let own = layer.settings.get("function").and_then(Value::as_str);
                let what = own.unwrap_or(&layer.class);
                let (why, advice) = match what {
                    "GetItem" | "__operators__.getitem" | "Stack" | "Flip" | "reverse" | "stack" | "Take" => {
                        (
                            "it takes channels apart or reorders them, as preprocess_input of caffe's networks does",
                            "put the channels in order before the network, or export ONNX with tf2onnx",
                        )
                    }
                    _ => (
                        "no network of the family has such a function",
                        "use layers, or export ONNX with tf2onnx",
                    ),
                };
                Err(Problem::node(&layer.name, what, why, advice))
            }
        }
    }

    /// A function of one tensor without further settings.
    fn plain(&mut self, layer: &Layer, call: &Call, op: Op, at: usize) -> Result<usize, Problem> {
        let axis = self.setting(layer, call, "axis").and_then(Value::as_i64);
        let is_last =
            axis.is_none_or(|axis| axis == -1 || self.graph.nodes[at].map.pixels() == 1 && axis == 1);
        if let Some(constant) = &call.constant {
            let why = format!("it is called with {}", constant.value);
            return Err(refuse(layer, &why, "call it on the tensor alone"));
        }
        if !is_last {
            let why = format!("it runs over axis {}", axis.unwrap_or(-1));
            return Err(refuse(layer, &why, "it runs over the channels"));
        }
        self.push(layer, op, vec![at])
    }

    /// A setting of a function, of its own or where it is called.
    fn setting<'v>(&self, layer: &'v Layer, call: &'v Call, key: &str) -> Option<&'v Value> {
        let own = layer.settings.get(key).or_else(|| call.settings.get(key));
        own.filter(|value| !value.is_null())
    }

    /// A tensor and a constant: one number for all channels or one for each.
    fn scale(
        &mut self,
        layer: &Layer,
        function: Function,
        call: &Call,
        inputs: &[usize],
    ) -> Result<usize, Problem> {
        let (&[at], Some(constant)) = (inputs, &call.constant) else {
            let (why, advice) = match function {
                Function::Add => (
                    "it adds feature maps, as residual networks do",
                    "a DenseNet joins feature maps with Concatenate",
                ),
                Function::Multiply => (
                    "it multiplies feature maps, as squeeze-and-excitation does",
                    "a DenseNet joins feature maps with Concatenate",
                ),
                _ => (
                    "it combines feature maps",
                    "a DenseNet joins feature maps with Concatenate",
                ),
            };
            return Err(refuse(layer, why, advice));
        };
        let channels = self.channels(at);
        let values = per_channel(layer, "constant", &constant.value, channels)?;
        let (scale, shift) = match (function, constant.is_first) {
            (Function::Add, _) => (vec![1.0; channels], values),
            (Function::Subtract, false) => (vec![1.0; channels], values.iter().map(|value| -value).collect()),
            (Function::Subtract, true) => (vec![-1.0; channels], values),
            (Function::Multiply, _) => (values, vec![0.0; channels]),
            (Function::Divide, false) => {
                let scale = values.iter().map(|value| 1.0 / value).collect();
                (scale, vec![0.0; channels])
            }
            _ => return Err(refuse(layer, "it divides by a tensor", "divide by numbers")),
        };
        self.push(layer, Op::Affine(Affine { scale, shift }), vec![at])
    }
}
