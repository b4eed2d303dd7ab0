//! What a pass keeps of an image and of a stage: activations, their way back, sums of gradients.

use super::integers::{Conv, Stage};
use super::lattice::Frame;
use super::product::SLACK;
use super::quantiser::{Bytes, ConvSums, Order};
use crate::spec::Map;
use denselet::layout::BORDERS;

/// A block's map of one image.
#[derive(Clone, Debug)]
pub(super) struct Features {
    pub(super) map: Map,
    /// Bytes as the device has them; after a max pool those of the first channels have no exact values.
    pub(super) bytes: Bytes,
    /// The loss's gradients by the bytes.
    pub(super) g: Vec<f32>,
}

impl Features {
    pub(super) fn new(map: Map) -> Self {
        let values = vec![0.0; map.pixels() * map.channels];
        Self {
            map,
            bytes: Bytes {
                u: values.clone(),
                exact: values.clone(),
            },
            g: values,
        }
    }
}

/// What the forward pass of a stage leaves for the backward pass.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    /// What its first convolution reads.
    pub(super) read: Vec<f32>,
    /// What lies between a first and a second step: a bottleneck, or the stem's map before its max pool.
    pub(super) inner: Bytes,
}

/// Buffers that no stage expects anything of.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    sums: Vec<f32>,
    /// Gradients in a frame.
    pub(super) frame: Vec<f32>,
    /// The frame that they were last in.
    framed: Option<Frame>,
    /// Gradients of what a convolution read.
    pub(super) d: Vec<f32>,
    /// Gradients after rounding and saturation.
    pub(super) settled: Vec<f32>,
}

impl Scratch {
    /// A frame's border is zero, and its inside to be filled. Only a frame like the last one has kept its zeros.
    pub(super) fn start_frame(&mut self, frame: Frame) {
        if self.framed != Some(frame) {
            self.framed = Some(frame);
            self.frame.clear();
            self.frame.resize(frame.len(), 0.0);
        }
    }

    /// Room for the gradients of `outputs` channels in so many pixels.
    pub(super) fn settled(settled: &mut Vec<f32>, pixels: usize, outputs: usize) {
        settled.resize(pixels * outputs + SLACK, 0.0);
    }

    /// Room for a convolution's sums at so many positions, and the floats each takes.
    pub(super) fn sums(&mut self, positions: usize, conv: &Conv) -> (usize, &mut [f32]) {
        let width = conv.forward.width();
        self.sums.resize(positions * width, 0.0);
        (width, &mut self.sums)
    }
}

/// Sums over images of one stage.
#[derive(Clone, Debug)]
pub(super) struct StageSums {
    /// Gradients of clamped bytes, where the gate was open: `[i]`.
    pub(super) open: Vec<f32>,
    /// Of a bottleneck; without one, empty.
    pub(super) first: ConvSums,
    /// Of the stage's convolution.
    pub(super) conv: ConvSums,
}

impl StageSums {
    pub(super) fn new(stage: &Stage) -> Self {
        let none = Conv::none();
        let (gate, first, conv) = stage.as_ref().into_parts();
        // Only a plain layer's biases depend on the border.
        let is_plain = matches!(stage, Stage::Layer { bottleneck: None, .. });
        let biases = if is_plain { BORDERS } else { 1 };
        let order = match stage {
            Stage::Layer { .. } => Order::InputsLast,
            _ => Order::OutputsLast,
        };
        Self {
            open: vec![0.0; gate.map_or(0, |gate| gate.sign.len())],
            first: ConvSums::new(first.unwrap_or(&none), Order::OutputsLast, 1),
            conv: ConvSums::new(conv, order, biases),
        }
    }

    pub(super) fn parts(&mut self) -> impl Iterator<Item = &mut Vec<f32>> {
        let convs = self.first.parts().into_iter().chain(self.conv.parts());
        [&mut self.open].into_iter().chain(convs)
    }
}
