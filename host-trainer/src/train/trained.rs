//! A network as training sees it: whether a data set suits it, its accuracy, and its trained tensors.

use super::error::TrainError;
use super::optimiser::Parameters;
use crate::data::{Dataset, Split};
use crate::evaluate::Confusion;
use crate::net::{Network, Role, Tensor};
use crate::spec::Spec;

/// Checks that a data set has images and classes as the network `name` takes them.
pub(crate) fn fits(name: &str, spec: &Spec, data: &Dataset) -> Result<(), TrainError> {
    if spec.input != data.shape() {
        return Err(TrainError::Shape {
            network: name.to_owned(),
            data: data.name.clone(),
            expected: spec.input,
            found: data.shape(),
        });
    }
    if spec.classes != data.classes.len() {
        return Err(TrainError::Classes {
            network: name.to_owned(),
            data: data.name.clone(),
            expected: spec.classes,
            found: data.classes.len(),
        });
    }
    Ok(())
}

/// Share of a split's images that `network` classifies correctly, 0 to 1.
pub fn accuracy(network: &Network, split: &Split) -> f64 {
    let logits = network.logits(&split.images, split.len());
    Confusion::new(&logits, &split.labels, network.spec.classes).accuracy()
}

/// Lengths of a network's trained tensors, in their order.
pub fn trained_lengths(network: &mut Network) -> Vec<usize> {
    let trained = network.tensors().into_iter().filter(Tensor::is_trained);
    trained.map(|tensor| tensor.values.len()).collect()
}

/// A network's trained tensors with their gradients, as an optimiser takes them.
pub fn parameters<'a>(network: &'a mut Network, gradient: &'a mut Network) -> Vec<Parameters<'a>> {
    let pairs = network.tensors().into_iter().zip(gradient.tensors());
    pairs
        .filter(|(tensor, _)| tensor.is_trained())
        .map(|(tensor, gradient)| Parameters {
            decays: tensor.role == Role::Weight,
            weights: tensor.values,
            gradient: gradient.values,
        })
        .collect()
}
