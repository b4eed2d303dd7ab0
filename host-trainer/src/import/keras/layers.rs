//! Keras layers as nodes of our graph; belongs to `import`.

use super::super::error::Problem;
use super::super::graph::{Affine, Axes, Graph, Op, Pads, Window, same};
use super::config::{Call, Layer, Model, Reference};
use super::weights::{Place, Slot, Weights};
use crate::net::{BatchNorm, Linear};
use crate::spec::{Input, Map};
use serde_json::Value;
use std::collections::HashMap;

/// What a DenseNet is made of.
const ADVICE: &str = "a DenseNet is made of Conv2D, BatchNormalization, ReLU, Concatenate, AveragePooling2D, \
                      GlobalAveragePooling2D and one Dense layer";

/// Reads a model's layers.
pub(super) fn read(model: &Model, weights: &Weights, input: Option<Input>) -> Result<Graph, Problem> {
    let name = match model.inputs.as_slice() {
        [one] => one,
        others => {
            return Err(Problem::field(
                "input_layers",
                "one input, the picture",
                others.len(),
            ));
        }
    };
    let layer = find(model, name)?;
    let map = picture(layer, input)?;
    let mut reader = Reader {
        graph: Graph::new(name, map, Axes::Nhwc)?,
        weights,
    };
    let output = reader.model(model, &weights.root(), 0)?;
    reader.graph.output = output;
    let map = reader.graph.nodes[output].map;
    if map.pixels() != 1 {
        let found = format!("a map of {}x{}x{}", map.height, map.width, map.channels);
        return Err(Problem::field("output_layers", "one number per class", found));
    }
    Ok(reader.graph)
}

fn find<'m>(model: &'m Model, name: &str) -> Result<&'m Layer, Problem> {
    let found = model.layers.iter().find(|layer| layer.name == name);
    found.ok_or_else(|| Problem::field(format!("layer `{name}`"), "a layer of the model", "none"))
}

/// Shape of the picture, by the input layer and the user.
fn picture(layer: &Layer, input: Option<Input>) -> Result<Map, Problem> {
    let shape = ["batch_shape", "batch_input_shape"]
        .iter()
        .find_map(|key| layer.settings.get(key)?.as_array());
    let own = |axis: usize| -> Option<usize> { usize::try_from(shape?.get(axis)?.as_u64()?).ok() };
    if let Some(shape) = shape.filter(|shape| shape.len() != 4) {
        return Err(Problem::field(
            format!("layer `{}`", layer.name),
            "4 axes: batch, rows, columns and channels",
            format!("{} axes", shape.len()),
        ));
    }
    let side = |name: &str, own: Option<usize>, given: Option<usize>| match (own, given) {
        (Some(own), Some(given)) if own != given => Err(Problem::field(
            format!("--input's {name}"),
            format!("the file's {own}"),
            given,
        )),
        (Some(side), _) | (None, Some(side)) => Ok(side),
        (None, None) => Err(Problem::field(
            "--input",
            "the shape HxWxC of a picture: the file leaves it open",
            "nothing",
        )),
    };
    Ok(Map {
        height: side("height", own(1), input.map(|input| input.height))?,
        width: side("width", own(2), input.map(|input| input.width))?,
        channels: side("channels", own(3), input.map(|input| input.channels))?,
    })
}

struct Reader<'w> {
    graph: Graph,
    weights: &'w Weights,
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
        match layer.class.as_str() {
            "InputLayer" | "Identity" | "ActivityRegularization" | "GaussianNoise" => Ok(at),
            "Dropout" | "SpatialDropout2D" | "GaussianDropout" | "AlphaDropout" => {
                self.dropout(layer, call, at)
            }
            class if class.starts_with("Random") && class != "RandomCrop" => Ok(at),
            "Conv2D" => self.conv(layer, slot, at),
            "BatchNormalization" => self.norm(layer, slot, at),
            "Activation" => self.activation(layer, &activation(layer), at),
            "ReLU" | "Relu" => self.relu(layer, at),
            "Softmax" => self.push(layer, Op::Softmax, vec![at]),
            "Concatenate" => {
                let axis = layer.settings.get("axis").and_then(Value::as_i64).unwrap_or(-1);
                if !matches!(axis, -1 | 3) {
                    return Err(refuse(
                        layer,
                        &format!("it joins along axis {axis}"),
                        "a DenseNet joins channels",
                    ));
                }
                self.push(layer, Op::Concat, inputs.to_vec())
            }
            "Add" => Err(refuse(
                layer,
                "it adds feature maps, as residual networks do",
                "a DenseNet joins feature maps with Concatenate",
            )),
            "ZeroPadding2D" => self.padding(layer, at),
            "AveragePooling2D" | "MaxPooling2D" => self.pool(layer, at),
            "GlobalAveragePooling2D" => {
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
            _ => Err(refuse(layer, "no network of the family has such a layer", ADVICE)),
        }
    }

    fn push(&mut self, layer: &Layer, op: Op, inputs: Vec<usize>) -> Result<usize, Problem> {
        self.graph.push(&layer.name, &layer.class, op, inputs)
    }

    fn channels(&self, at: usize) -> usize {
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

    fn activation(&mut self, layer: &Layer, name: &str, at: usize) -> Result<usize, Problem> {
        match name {
            "linear" | "" => Ok(at),
            "relu" => self.push(layer, Op::Relu, vec![at]),
            "softmax" => self.push(layer, Op::Softmax, vec![at]),
            "log_softmax" => self.push(layer, Op::LogSoftmax, vec![at]),
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

    fn conv(&mut self, layer: &Layer, slot: &Slot, at: usize) -> Result<usize, Problem> {
        channels_last(layer)?;
        if layer.settings.get("groups").and_then(Value::as_u64).unwrap_or(1) != 1 {
            return Err(refuse(
                layer,
                "it is a convolution of groups",
                "a DenseNet's convolutions read every channel",
            ));
        }
        if pair(layer, "dilation_rate")?.unwrap_or([1, 1]) != [1, 1] {
            return Err(refuse(
                layer,
                "it is dilated",
                "only kernels without gaps are known",
            ));
        }
        let has_bias = flag(layer, "use_bias");
        let mut tensors = if has_bias {
            self.weights.take(slot, ["kernel", "bias"])?
        } else {
            self.weights.take(slot, ["kernel"])?
        };
        let bias = if has_bias { tensors.pop() } else { None };
        let bias = bias.map(|bias| bias.vector(&format!("bias of layer `{}`", layer.name)));
        let Some(kernel) = tensors.pop() else {
            return Err(refuse(layer, "it has no kernel", "save the whole model"));
        };
        let conv = kernel.conv_hwio(&format!("kernel of layer `{}`", layer.name), bias.transpose()?)?;
        let kernel = [conv.kernel_height, conv.kernel_width];
        if pair(layer, "kernel_size")?.is_some_and(|own| own != kernel) {
            return Err(refuse(
                layer,
                &format!("its weights are {}x{}", kernel[0], kernel[1]),
                "save the model again",
            ));
        }
        let stride = pair(layer, "strides")?.unwrap_or([1, 1]);
        let window = self.window(layer, at, kernel, stride)?;
        let made = self.push(layer, Op::Conv(conv, window), vec![at])?;
        self.activation(layer, &activation(layer), made)
    }

    /// How a kernel moves, with the padding that `padding` stands for.
    fn window(
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

    fn norm(&mut self, layer: &Layer, slot: &Slot, at: usize) -> Result<usize, Problem> {
        channel_axis(layer)?;
        let epsilon = layer
            .settings
            .get("epsilon")
            .and_then(Value::as_f64)
            .unwrap_or(1e-3) as f32;
        if !(epsilon > 0.0 && epsilon <= 1.0) {
            return Err(refuse(
                layer,
                &format!("its epsilon is {epsilon}"),
                "it lies above 0 and is at most 1",
            ));
        }
        let (scales, centres) = (flag(layer, "scale"), flag(layer, "center"));
        let mut tensors = match (scales, centres) {
            (true, true) => self
                .weights
                .take(slot, ["gamma", "beta", "moving_mean", "moving_variance"])?,
            (true, false) => self
                .weights
                .take(slot, ["gamma", "moving_mean", "moving_variance"])?,
            (false, true) => self
                .weights
                .take(slot, ["beta", "moving_mean", "moving_variance"])?,
            (false, false) => self.weights.take(slot, ["moving_mean", "moving_variance"])?,
        }
        .into_iter();
        let channels = self.channels(at);
        let mut next = |is_there: bool, default: f32| match tensors.next_if(is_there) {
            Some(tensor) => tensor.vector(&format!("layer `{}`", layer.name)),
            None => Ok(vec![default; channels]),
        };
        let norm = BatchNorm {
            gamma: next(scales, 1.0)?,
            beta: next(centres, 0.0)?,
            mean: next(true, 0.0)?,
            var: next(true, 1.0)?,
            epsilon,
        };
        self.push(layer, Op::Norm(norm), vec![at])
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
        let op = if layer.class == "MaxPooling2D" {
            Op::MaxPool(window)
        } else {
            Op::AveragePool(window, false)
        };
        self.push(layer, op, vec![at])
    }

    fn dense(&mut self, layer: &Layer, slot: &Slot, at: usize) -> Result<usize, Problem> {
        let has_bias = flag(layer, "use_bias");
        let mut tensors = if has_bias {
            self.weights.take(slot, ["kernel", "bias"])?
        } else {
            self.weights.take(slot, ["kernel"])?
        };
        let name = format!("kernel of layer `{}`", layer.name);
        let bias = if has_bias { tensors.pop() } else { None };
        let Some(kernel) = tensors.pop() else {
            return Err(refuse(layer, "it has no kernel", "save the whole model"));
        };
        let matrix = kernel.transposed(&name)?;
        let [outputs, inputs] = matrix.sides(&name)?;
        let linear = Linear {
            outputs,
            inputs,
            weight: matrix.values,
            bias: bias.map_or_else(|| Ok(vec![0.0; outputs]), |bias| bias.vector(&name))?,
        };
        let made = self.push(layer, Op::Linear(linear), vec![at])?;
        self.activation(layer, &activation(layer), made)
    }

    fn rescaling(&mut self, layer: &Layer, at: usize) -> Result<usize, Problem> {
        let channels = self.channels(at);
        let affine = Affine {
            scale: spread(layer, "scale", 1.0, channels)?,
            shift: spread(layer, "offset", 0.0, channels)?,
        };
        self.push(layer, Op::Affine(affine), vec![at])
    }

    /// `(x - mean) / sqrt(variance)`, from the settings or from what the layer was adapted to.
    fn normalization(&mut self, layer: &Layer, slot: &Slot, at: usize) -> Result<usize, Problem> {
        channel_axis(layer)?;
        if layer.settings.get("invert").and_then(Value::as_bool) == Some(true) {
            return Err(refuse(
                layer,
                "it is inverted",
                "only ordinary normalisation is known",
            ));
        }
        let channels = self.channels(at);
        let is_given = layer.settings.get("mean").is_some_and(|mean| !mean.is_null());
        let (mean, variance) = if is_given {
            (
                spread(layer, "mean", 0.0, channels)?,
                spread(layer, "variance", 1.0, channels)?,
            )
        } else {
            let tensors = self.weights.take(slot, ["mean", "variance"])?;
            let mut values = tensors.into_iter().map(|tensor| {
                let values = tensor.values.into_iter().map(f64::from);
                values.collect::<Vec<f64>>()
            });
            (
                values.next().unwrap_or_default(),
                values.next().unwrap_or_default(),
            )
        };
        let scale: Vec<f64> = variance
            .iter()
            .map(|variance| 1.0 / variance.sqrt().max(1e-7))
            .collect();
        let affine = Affine {
            shift: mean
                .iter()
                .zip(&scale)
                .map(|(mean, scale)| -mean * scale)
                .collect(),
            scale,
        };
        self.push(layer, Op::Affine(affine), vec![at])
    }
}

/// Takes the next item where there should be one.
trait NextIf: Iterator {
    fn next_if(&mut self, is_there: bool) -> Option<Self::Item> {
        if is_there { self.next() } else { None }
    }
}

impl<I: Iterator> NextIf for I {}

fn refuse(layer: &Layer, why: &str, advice: &str) -> Problem {
    Problem::node(&layer.name, &layer.class, why, advice)
}

/// A setting that is on unless it says otherwise.
fn flag(layer: &Layer, key: &str) -> bool {
    layer.settings.get(key).and_then(Value::as_bool).unwrap_or(true)
}

/// The name of an activation, however it is written.
fn activation(layer: &Layer) -> String {
    let value = layer.settings.get("activation").unwrap_or(&Value::Null);
    match value {
        Value::String(name) => name.clone(),
        Value::Null => String::new(),
        other => {
            let name = other.get("config").and_then(Value::as_str);
            let name = name.or_else(|| other.get("class_name").and_then(Value::as_str));
            name.map_or_else(|| other.to_string(), str::to_lowercase)
        }
    }
}

fn channels_last(layer: &Layer) -> Result<(), Problem> {
    match layer.settings.get("data_format").and_then(Value::as_str) {
        Some("channels_first") => Err(refuse(
            layer,
            "it has channels first",
            "build the Keras model with channels_last",
        )),
        _ => Ok(()),
    }
}

/// Only the last axis may be normalised.
fn channel_axis(layer: &Layer) -> Result<(), Problem> {
    let axis = layer.settings.get("axis").unwrap_or(&Value::Null);
    let one = axis.as_array().map_or(axis, |axes| match axes.as_slice() {
        [one] => one,
        _ => &Value::Null,
    });
    let is_absent = layer.settings.get("axis").is_none();
    if is_absent || matches!(one.as_i64(), Some(-1 | 3)) {
        return Ok(());
    }
    Err(refuse(
        layer,
        &format!("it normalises axis {axis}"),
        "normalise the channels, the last axis",
    ))
}

/// One number or two.
fn pair(layer: &Layer, key: &str) -> Result<Option<[usize; 2]>, Problem> {
    let Some(value) = layer.settings.get(key).filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let number = |value: &Value| usize::try_from(value.as_u64()?).ok();
    let pair = match number(value) {
        Some(both) => Some([both, both]),
        None => value.as_array().filter(|list| list.len() == 2).and_then(|list| {
            let numbers: Option<Vec<usize>> = list.iter().map(number).collect();
            numbers?.try_into().ok()
        }),
    };
    pair.map(Some).ok_or_else(|| {
        refuse(
            layer,
            &format!("its {key} is {value}"),
            "two whole numbers are expected",
        )
    })
}

/// One number for all channels or one for each, however deep in lists.
fn spread(layer: &Layer, key: &str, default: f64, channels: usize) -> Result<Vec<f64>, Problem> {
    fn collect(value: &Value, found: &mut Vec<f64>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            Value::Object(map) => map
                .get("config")
                .into_iter()
                .for_each(|inner| collect(inner, found)),
            other => found.extend(other.as_f64()),
        }
    }
    let mut values = Vec::new();
    collect(layer.settings.get(key).unwrap_or(&Value::Null), &mut values);
    match values.as_slice() {
        [] => Ok(vec![default; channels]),
        [one] => Ok(vec![*one; channels]),
        _ if values.len() == channels => Ok(values),
        _ => Err(refuse(
            layer,
            &format!("its {key} has {} numbers", values.len()),
            "one number, or one per channel, is expected",
        )),
    }
}
