//! Keras layers that have weights, or scale their input.

use super::super::error::Problem;
use super::super::graph::{Affine, Op};
use super::config::Layer;
use super::layers::Reader;
use super::settings::{activation, channel_axis, channels_last, flag, is_row, pair, refuse, spread};
use super::weights::Slot;
use crate::net::{BatchNorm, Linear};
use serde_json::Value;

impl Reader<'_> {
    pub(super) fn conv(&mut self, layer: &Layer, slot: &Slot, at: usize) -> Result<usize, Problem> {
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
        let kernel = if is_row(layer) {
            kernel.with_first_axis()
        } else {
            kernel
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

    pub(super) fn norm(&mut self, layer: &Layer, slot: &Slot, at: usize) -> Result<usize, Problem> {
        channel_axis(layer, self.last_axis)?;
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

    pub(super) fn dense(&mut self, layer: &Layer, slot: &Slot, at: usize) -> Result<usize, Problem> {
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

    pub(super) fn rescaling(&mut self, layer: &Layer, at: usize) -> Result<usize, Problem> {
        let channels = self.channels(at);
        let affine = Affine {
            scale: spread(layer, "scale", 1.0, channels)?,
            shift: spread(layer, "offset", 0.0, channels)?,
        };
        self.push(layer, Op::Affine(affine), vec![at])
    }

    /// `(x - mean) / sqrt(variance)`, from the settings or from what the layer was adapted to.
    pub(super) fn normalization(&mut self, layer: &Layer, slot: &Slot, at: usize) -> Result<usize, Problem> {
        let is_shared = match layer.settings.get("axis") {
            Some(axis) => axis.is_null() || axis.as_array().is_some_and(Vec::is_empty),
            None => false,
        };
        if !is_shared {
            channel_axis(layer, self.last_axis)?;
        }
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
                let values: Vec<f64> = tensor.values.into_iter().map(f64::from).collect();
                match values.as_slice() {
                    [one] => vec![*one; channels],
                    _ => values,
                }
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

/// Takes the next item; an error if there is none.
trait NextIf: Iterator {
    fn next_if(&mut self, is_there: bool) -> Option<Self::Item> {
        if is_there { self.next() } else { None }
    }
}

impl<I: Iterator> NextIf for I {}
