//! Keras layers as nodes of our graph.

use super::super::error::Problem;
use super::super::graph::{Axes, Graph, Op, Pads, Window, same};
use super::super::refuse::map_as_output;
use super::config::{Call, Layer, Model, Reference};
use super::functions;
use super::settings::{activation, channels_last, is_row, pair, policy, refuse};
use super::weights::{Place, Slot, Weights};
use crate::spec::{Input, Map};
use serde_json::Value;
use std::collections::HashMap;

/// What a DenseNet is made of.
const ADVICE: &str = "a DenseNet is made of Conv2D, BatchNormalization, ReLU, Concatenate, AveragePooling2D, \
                      GlobalAveragePooling2D and one Dense layer";

/// Calls of layers a model may have.
const MOST_CALLS: usize = 1 << 17;

/// Reads a model's layers.
pub(super) fn read(model: &Model, weights: &Weights, input: Option<Input>) -> Result<Graph, Problem> {
    let name = match model.inputs.as_slice() {
        [one] => one,
        others => {
            return Err(Problem::field(
                "input_layers",
                "one input, the image",
                others.len(),
            ));
        }
    };
    let layer = find(model, name)?;
    let map = image_map(layer, input)?;
    let mut reader = Reader {
        graph: Graph::new(name, map, Axes::Nhwc)?,
        last_axis: last_axis(layer),
        weights,
        calls: MOST_CALLS,
    };
    let output = reader.model(model, &weights.root(), 0)?;
    reader.graph.output = output;
    let map = reader.graph.nodes[output].map;
    if map.pixels() != 1 {
        return Err(map_as_output("output_layers", map));
    }
    Ok(reader.graph)
}

fn find<'m>(model: &'m Model, name: &str) -> Result<&'m Layer, Problem> {
    let found = model.layers.iter().find(|layer| layer.name == name);
    found.ok_or_else(|| Problem::field(format!("layer `{name}`"), "a layer of the model", "none"))
}

/// Shape of the image, by the input layer and the user.
fn image_map(layer: &Layer, input: Option<Input>) -> Result<Map, Problem> {
    let shape = ["batch_shape", "batch_input_shape"]
        .iter()
        .find_map(|key| layer.settings.get(key)?.as_array());
    let own = |axis: usize| -> Option<usize> { usize::try_from(shape?.get(axis)?.as_u64()?).ok() };
    match shape.map(Vec::len) {
        None | Some(4) => super::super::image_shape::map([own(1), own(2), own(3)], input),
        // A network of one dimension takes images of one row.
        Some(3) => super::super::image_shape::map([Some(1), own(1), own(2)], input),
        Some(axes) => Err(Problem::field(
            format!("layer `{}`", layer.name),
            "4 axes: batch, rows, columns and channels; or 3: batch, columns and channels",
            format!("{axes} axes"),
        )),
    }
}

/// Number of the last axis, the channels.
fn last_axis(layer: &Layer) -> i64 {
    let shape = ["batch_shape", "batch_input_shape"];
    let shape = shape.iter().find_map(|key| layer.settings.get(key)?.as_array());
    if shape.is_some_and(|shape| shape.len() == 3) {
        2
    } else {
        3
    }
}

pub(super) struct Reader<'w> {
    pub(super) graph: Graph,
    pub(super) weights: &'w Weights,
    /// Number of the axis that counts channels.
    pub(super) last_axis: i64,
    /// Calls of layers that may still be read, all models in models included.
    calls: usize,
}

impl Reader<'_> {
    /// Reads a model whose input is node `input`; the node of its output.
    fn model(&mut self, model: &Model, place: &Place, input: usize) -> Result<usize, Problem> {
        let slots = self.weights.slots(place, &model.layers);
        let by_name: HashMap<&str, usize> = (model.layers.iter().enumerate())
            .map(|(index, layer)| (layer.name.as_str(), index))
            .collect();
        let [output] = model.outputs.as_slice() else {
            return Err(Problem::field(
                "output_layers",
                "one output, the classes",
                model.outputs.len(),
            ));
        };
        let [input_name] = model.inputs.as_slice() else {
            return Err(Problem::field("input_layers", "one input", model.inputs.len()));
        };
        let mut done: HashMap<Reference, usize> = HashMap::from([(
            Reference {
                layer: input_name.clone(),
                call: 0,
            },
            input,
        )]);
        // Depth first, without recursion: a call is computed once everything it reads is.
        let mut open = vec![(output.clone(), false)];
        while let Some((at, was_opened)) = open.pop() {
            if done.contains_key(&at) {
                continue;
            }
            self.calls = self.calls.checked_sub(1).ok_or_else(|| {
                Problem::field("layers", format!("at most {MOST_CALLS} calls of layers"), "more")
            })?;
            let index = by_name.get(at.layer.as_str());
            let layer = index.and_then(|&index| model.layers.get(index));
            let slot = index.and_then(|&index| slots.get(index));
            let call = layer.and_then(|layer| layer.calls.get(at.call));
            let (Some(layer), Some(slot), Some(call)) = (layer, slot, call) else {
                let field = format!("layer `{}`, call {}", at.layer, at.call);
                return Err(Problem::field(field, "a part of the model", "none"));
            };
            let missing: Vec<Reference> = (call.reads.iter())
                .filter(|read| !done.contains_key(read))
                .cloned()
                .collect();
            if missing.is_empty() {
                let inputs: Vec<usize> = call
                    .reads
                    .iter()
                    .filter_map(|read| done.get(read).copied())
                    .collect();
                let made = self.layer(layer, slot, call, &inputs)?;
                done.insert(at, made);
            } else if was_opened {
                return Err(Problem::field(
                    format!("layer `{}`", at.layer),
                    "inputs that do not depend on it",
                    "a circle",
                ));
            } else {
                open.push((at, true));
                // The first input is made first, so that the graph has the model's order.
                open.extend(missing.into_iter().rev().map(|read| (read, false)));
            }
        }
        done.get(output)
            .copied()
            .ok_or_else(|| Problem::field("output_layers", "a layer of the model", "none"))
    }

    fn layer(&mut self, layer: &Layer, slot: &Slot, call: &Call, inputs: &[usize]) -> Result<usize, Problem> {
        let Some(&at) = inputs.first() else {
            return Err(refuse(
                layer,
                "it reads nothing",
                "every layer but the input reads another",
            ));
        };
        if let Some(model) = &layer.model {
            let place = self.weights.inside(slot);
            return self.model(model, &place, at);
        }
        if let Some(precision) = policy(layer) {
            self.graph.precision = Some(precision);
        }
        if let Some(function) = functions::name(layer) {
            return self.function(layer, function, call, inputs);
        }
        match layer.class.as_str() {
            "InputLayer" | "Identity" | "ActivityRegularization" | "GaussianNoise" => Ok(at),
            "Dropout" | "SpatialDropout1D" | "SpatialDropout2D" | "GaussianDropout" | "AlphaDropout" => {
                self.dropout(layer, call, at)
            }
            class if class.starts_with("Random") && class != "RandomCrop" => Ok(at),
            "Conv1D" | "Conv2D" => self.conv(layer, slot, at),
            "BatchNormalization" if call.trains => Err(refuse(
                layer,
                "it is called with training=True and normalises by the batch in inference",
                "build the model without training=True",
            )),
            "BatchNormalization" => self.norm(layer, slot, at),
            "Activation" => self.activation(layer, &activation(layer), at),
            "ReLU" | "Relu" => self.relu(layer, at),
            "Softmax" => self.push(layer, Op::Softmax, vec![at]),
            "Concatenate" => {
                let axis = layer.settings.get("axis").and_then(Value::as_i64).unwrap_or(-1);
                self.join(layer, axis, inputs)
            }
            "Add" => Err(refuse(
                layer,
                "it adds feature maps, as residual networks do",
                "a DenseNet joins feature maps with Concatenate",
            )),
            "ZeroPadding1D" | "ZeroPadding2D" => self.padding(layer, at),
            "AveragePooling1D" | "AveragePooling2D" | "MaxPooling1D" | "MaxPooling2D" => self.pool(layer, at),
            "GlobalAveragePooling1D" | "GlobalAveragePooling2D" => {
                channels_last(layer)?;
                self.push(layer, Op::GlobalAverage, vec![at])
            }
            "Flatten" | "Reshape" => {
                let map = self.graph.nodes[at].map;
                if map.pixels() == 1 {
                    return Ok(at);
                }
                Err(refuse(
                    layer,
                    &format!(
                        "it flattens a map of {}x{}x{}",
                        map.height, map.width, map.channels
                    ),
                    "a network of the family ends in GlobalAveragePooling2D",
                ))
            }
            "Dense" => self.dense(layer, slot, at),
            "Rescaling" => self.rescaling(layer, at),
            "Normalization" => self.normalization(layer, slot, at),
            class => {
                let (why, advice) = functions::stranger(class)
                    .unwrap_or(("no network of the family has such a layer", ADVICE));
                Err(refuse(layer, why, advice))
            }
        }
    }

    /// Channels of all inputs, if they are what is joined.
    pub(super) fn join(&mut self, layer: &Layer, axis: i64, inputs: &[usize]) -> Result<usize, Problem> {
        if axis == -1 || axis == self.last_axis {
            return self.push(layer, Op::Concat, inputs.to_vec());
        }
        Err(refuse(
            layer,
            &format!("it joins along axis {axis}"),
            "a DenseNet joins channels",
        ))
    }

    pub(super) fn push(&mut self, layer: &Layer, op: Op, inputs: Vec<usize>) -> Result<usize, Problem> {
        self.graph.push(&layer.name, &layer.class, op, inputs)
    }

    pub(super) fn channels(&self, at: usize) -> usize {
        self.graph.nodes[at].map.channels
    }

    fn dropout(&mut self, layer: &Layer, call: &Call, at: usize) -> Result<usize, Problem> {
        if call.trains {
            return Err(refuse(
                layer,
                "it is called with training=True and drops values in inference",
                "build the model without training=True",
            ));
        }
        let rate = layer.settings.get("rate").and_then(Value::as_f64).unwrap_or(0.0) as f32;
        let follows_conv = matches!(self.graph.nodes[at].op, Op::Conv(..));
        if follows_conv && (0.0..1.0).contains(&rate) {
            self.graph.dropout = rate;
        }
        Ok(at)
    }

    pub(super) fn activation(&mut self, layer: &Layer, name: &str, at: usize) -> Result<usize, Problem> {
        match name {
            "linear" | "" => Ok(at),
            "relu" => self.push(layer, Op::Relu, vec![at]),
            "softmax" => self.push(layer, Op::Softmax, vec![at]),
            "log_softmax" => self.push(layer, Op::LogSoftmax, vec![at]),
            "sigmoid" => self.push(layer, Op::Sigmoid, vec![at]),
            other => Err(refuse(
                layer,
                &format!("its activation is `{other}`"),
                "a DenseNet's only activation is ReLU, and softmax at its end",
            )),
        }
    }

    fn relu(&mut self, layer: &Layer, at: usize) -> Result<usize, Problem> {
        let is_set = |key: &str| {
            let value = layer.settings.get(key);
            value.is_some_and(|value| !value.is_null() && value.as_f64() != Some(0.0))
        };
        if let Some(key) = ["max_value", "negative_slope", "threshold"]
            .iter()
            .find(|key| is_set(key))
        {
            return Err(refuse(
                layer,
                &format!("it has a {key}"),
                "use ReLU without settings",
            ));
        }
        self.push(layer, Op::Relu, vec![at])
    }

    /// How a kernel moves, with the padding that `padding` stands for.
    pub(super) fn window(
        &self,
        layer: &Layer,
        at: usize,
        kernel: [usize; 2],
        stride: [usize; 2],
    ) -> Result<Window, Problem> {
        let map = self.graph.nodes[at].map;
        let pads = match layer
            .settings
            .get("padding")
            .and_then(Value::as_str)
            .unwrap_or("valid")
        {
            "valid" => Pads::default(),
            "same" => {
                let (rows, columns) = (
                    same(map.height, kernel[0], stride[0]),
                    same(map.width, kernel[1], stride[1]),
                );
                Pads {
                    top: rows.0,
                    left: columns.0,
                    bottom: rows.1,
                    right: columns.1,
                }
            }
            // Only what was before a column is seen from it.
            "causal" => Pads {
                left: kernel[1].saturating_sub(1),
                ..Pads::default()
            },
            other => {
                return Err(refuse(
                    layer,
                    &format!("its padding is `{other}`"),
                    "use `same` or `valid`",
                ));
            }
        };
        Ok(Window {
            kernel,
            stride,
            pads,
            round_up: false,
        })
    }

    fn padding(&mut self, layer: &Layer, at: usize) -> Result<usize, Problem> {
        channels_last(layer)?;
        let padding = layer.settings.get("padding").unwrap_or(&Value::Null);
        let number = |value: &Value| usize::try_from(value.as_u64()?).ok();
        let side = |value: Option<&Value>| {
            let value = value?;
            match number(value) {
                Some(both) => Some((both, both)),
                None => Some((number(value.get(0)?)?, number(value.get(1)?)?)),
            }
        };
        let sides = match number(padding) {
            _ if is_row(layer) => side(Some(padding)).map(|columns| ((0, 0), columns)),
            Some(all) => Some(((all, all), (all, all))),
            None => side(padding.get(0)).zip(side(padding.get(1))),
        };
        let Some(((top, bottom), (left, right))) = sides else {
            return Err(refuse(
                layer,
                &format!("its padding is {padding}"),
                "numbers of at least zero are expected",
            ));
        };
        let pads = Pads {
            top,
            left,
            bottom,
            right,
        };
        self.push(layer, Op::Pad(pads), vec![at])
    }

    fn pool(&mut self, layer: &Layer, at: usize) -> Result<usize, Problem> {
        channels_last(layer)?;
        let kernel = pair(layer, "pool_size")?.unwrap_or([2, 2]);
        let stride = pair(layer, "strides")?.unwrap_or(kernel);
        let window = self.window(layer, at, kernel, stride)?;
        let op = if layer.class.starts_with("Max") {
            Op::MaxPool(window)
        } else {
            Op::AveragePool(window, false)
        };
        self.push(layer, op, vec![at])
    }
}
