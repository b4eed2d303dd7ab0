//! A trained network as a PyTorch state dict by torchvision's names. Beside the main path: reads a network, changes nothing.

use super::onnx_export::channels_first;
use crate::net::{BatchNorm, Conv, Network};
use crate::stages::{Location, Stage};
use safetensors::SafeTensorError;
use safetensors::tensor::TensorView;

/// Why a network has no state dict.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Names and shapes alone would not tell it from another network.
    #[error("a state dict by torchvision's names cannot hold {0}; export ONNX instead")]
    Form(&'static str),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] SafeTensorError),
}

/// The network as a PyTorch state dict by torchvision's names, in safetensors. Normalisation is not part of it.
///
/// # Errors
///
/// Returns an error if those names do not tell the network.
pub fn to_state_dict(network: &Network) -> Result<Vec<u8>, StateError> {
    let stem = network.spec.stem;
    let kernel = (
        stem.kernel_height,
        stem.kernel_width,
        stem.stride,
        stem.norm,
        stem.pool,
    );
    let pads = [stem.pad_top, stem.pad_left, stem.pad_bottom, stem.pad_right];
    let known = match kernel {
        (3, 3, 1, false, false) => pads == [1; 4],
        (7, 7, 2, true, true) => pads == [3; 4] && !stem.pool_same,
        _ => false,
    };
    if !known {
        return Err(StateError::Form("its stem's strides and padding"));
    }
    let Some(final_norm) = &network.final_norm else {
        return Err(StateError::Form("a head without batch norm"));
    };
    let mut state = State::default();
    for (stage, place) in network.stages().iter().zip(Location::all(&network.spec)) {
        match stage {
            Stage::Stem { conv } => {
                state.conv("features.conv0", &conv.conv);
                state.norm_if("features.norm0", conv.norm);
            }
            Stage::Layer {
                gate,
                bottleneck,
                conv,
            } => {
                let (block, layer) = (place.block + 1, place.layer + 1);
                let name = format!("features.denseblock{block}.denselayer{layer}");
                state.norm_if(&format!("{name}.norm1"), *gate);
                for (nth, step) in bottleneck.iter().chain([conv]).enumerate() {
                    state.conv(&format!("{name}.conv{}", nth + 1), &step.conv);
                    state.norm_if(&format!("{name}.norm{}", nth + 2), step.norm);
                }
            }
            Stage::Transition { gate, conv } => {
                let name = format!("features.transition{}", place.block);
                let Some(norm) = gate else {
                    return Err(StateError::Form("a transition without batch norm"));
                };
                state.norm(&format!("{name}.norm"), norm);
                state.conv(&format!("{name}.conv"), &conv.conv);
            }
            Stage::Head { .. } => {
                state.norm(&format!("features.norm{}", network.blocks.len() + 1), final_norm);
            }
        }
    }
    let head = &network.head;
    state.add("classifier.weight", vec![head.outputs, head.inputs], &head.weight);
    state.add("classifier.bias", vec![head.outputs], &head.bias);
    state.to_bytes()
}

/// Named tensors in order.
#[derive(Default)]
struct State {
    list: Vec<(String, Vec<usize>, Vec<u8>)>,
}

impl State {
    fn add(&mut self, name: &str, shape: Vec<usize>, values: &[f32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.list.push((name.to_owned(), shape, bytes));
    }

    fn conv(&mut self, name: &str, conv: &Conv) {
        let shape = vec![conv.outputs, conv.inputs, conv.kernel_height, conv.kernel_width];
        self.add(&format!("{name}.weight"), shape, &channels_first(conv));
        if let Some(bias) = &conv.bias {
            self.add(&format!("{name}.bias"), vec![conv.outputs], bias);
        }
    }

    /// [`State::norm`] if there is one.
    fn norm_if(&mut self, name: &str, norm: Option<&BatchNorm>) {
        if let Some(norm) = norm {
            self.norm(name, norm);
        }
    }

    fn norm(&mut self, name: &str, norm: &BatchNorm) {
        // PyTorch's epsilon is not in a state dict: the difference goes into the variances.
        let more = f64::from(norm.epsilon) - 1e-5;
        let var: Vec<f32> = norm
            .var
            .iter()
            .map(|var| (f64::from(*var) + more) as f32)
            .collect();
        let var = if norm.epsilon == 1e-5 { &norm.var } else { &var };
        for (part, values) in [
            ("weight", &norm.gamma),
            ("bias", &norm.beta),
            ("running_mean", &norm.mean),
            ("running_var", var),
        ] {
            self.add(&format!("{name}.{part}"), vec![values.len()], values);
        }
    }

    fn to_bytes(&self) -> Result<Vec<u8>, StateError> {
        let mut views = Vec::with_capacity(self.list.len());
        for (name, shape, bytes) in &self.list {
            let view = TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes)?;
            views.push((name.clone(), view));
        }
        Ok(safetensors::serialize(views, None)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::onnx_export::tests::{back, network};
    use super::*;
    use crate::interchange::import::Options;

    #[test]
    fn state_dicts_come_back() {
        for name in ["digits", "d1"] {
            let mut before = network(name);
            let options = Options {
                input: Some(before.spec.input),
                preprocess: Some("mean=120.3;std=61.7".parse().unwrap()),
                ..Options::default()
            };
            let mut after = back(&to_state_dict(&before).unwrap(), &options).network;
            after.spec.name.clone_from(&before.spec.name);
            before.spec.dropout = 0.0;
            assert_eq!(after, before, "{name}");
        }
        assert!(to_state_dict(&network("article")).is_err());
        assert!(to_state_dict(&network("d5")).is_err());
    }
}
