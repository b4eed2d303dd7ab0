//! Makes a network of what `structure` found: parameters in our order of channels, one epsilon, one name per part. The last
//! stage of `import`; what comes out is what training makes.

use super::error::Problem;
use super::found::{Before, Found, FoundLayer, FoundTransition, Gate};
use super::graph::{Affine, Graph, Op, Window};
use crate::net::{self, BatchNorm, Conv, Linear, Network, Normalisation};
use crate::spec::{self, Input, Spec};
use denselet::shape::StemPool;

/// Epsilon of networks whose batch norms are all folded away.
const EPSILON: f32 = 1e-5;

/// The network, and what stands between an image as the file's network takes it and its normalised input.
pub(super) fn assemble(
    graph: &Graph,
    found: &Found,
    name: &str,
    preprocess: &Affine,
) -> Result<(Network, Affine), Problem> {
    let parts = Parts {
        graph,
        epsilon: epsilon(graph),
    };
    let own = found.input.clone();
    let own = own.unwrap_or_else(|| Affine::identity(graph.nodes[0].map.channels));
    let (input, signs) = normalisation(&preprocess.then(&own))?;
    let (stem, window) = parts.stem(found, &signs)?;
    let mut blocks = Vec::with_capacity(found.blocks.len());
    for block in &found.blocks {
        let layers = block.layers.iter().map(|layer| parts.layer(layer));
        let transition = block.transition.as_ref().map(|found| parts.transition(found));
        blocks.push(net::Block {
            layers: layers.collect::<Result<_, _>>()?,
            transition: transition.transpose()?,
        });
    }
    let final_norm = found.head_gate.map(|gate| parts.norm(gate, &found.head_order));
    let head = parts.head(found)?;
    let spec = Spec {
        name: name.to_owned(),
        input: Input {
            height: graph.nodes[0].map.height,
            width: graph.nodes[0].map.width,
            channels: graph.nodes[0].map.channels,
        },
        classes: head.outputs,
        stem: stem_spec(&stem, &window, graph.nodes[0].map.height, found.pool),
        blocks: blocks.iter().map(block_spec).collect(),
        final_norm: final_norm.is_some(),
        dropout: graph.dropout,
        epsilon: parts.epsilon,
    };
    spec.check()?;
    let mut network = Network {
        spec,
        input,
        stem,
        blocks,
        final_norm,
        head,
    };
    check(&mut network)?;
    let signs = Affine {
        shift: vec![0.0; signs.len()],
        scale: signs,
    };
    Ok((network, own.then(&signs)))
}

/// The smallest epsilon of the file's batch norms, so that every other goes into its variances.
fn epsilon(graph: &Graph) -> f32 {
    let norms = graph.nodes.iter().filter_map(|node| match &node.op {
        Op::Norm(norm) if norm.epsilon > 0.0 => Some(norm.epsilon),
        _ => None,
    });
    norms.reduce(f32::min).unwrap_or(EPSILON)
}

/// Bytes to normalised input; where a file scales by a negative number, the stem's weights take the sign.
fn normalisation(affine: &Affine) -> Result<(Normalisation, Vec<f64>), Problem> {
    let (mut mean, mut std, mut signs) = (Vec::new(), Vec::new(), Vec::new());
    for (scale, shift) in affine.scale.iter().zip(&affine.shift) {
        let (m, s) = ((-shift / scale) as f32, (1.0 / scale.abs()) as f32);
        if !(m.is_finite() && s.is_finite() && s > 0.0) {
            return Err(Problem::field(
                "scale of the input",
                "a number other than zero, and a finite shift",
                format!("{scale} * byte + {shift}"),
            ));
        }
        mean.push(m);
        std.push(s);
        signs.push(scale.signum());
    }
    Ok((Normalisation { mean, std }, signs))
}

/// Checks that every value is a finite number, and every variance valid.
fn check(network: &mut Network) -> Result<(), Problem> {
    let epsilon = network.spec.epsilon;
    for tensor in network.tensors() {
        if let Some(value) = tensor.values.iter().find(|value| !value.is_finite()) {
            return Err(Problem::field(tensor.name, "finite numbers", value));
        }
        let is_variance = tensor.name.ends_with(".var");
        if let Some(value) = (tensor.values.iter()).find(|value| is_variance && **value + epsilon <= 0.0) {
            return Err(Problem::field(tensor.name, "variances of at least zero", value));
        }
    }
    Ok(())
}

struct Parts<'g> {
    graph: &'g Graph,
    epsilon: f32,
}

impl Parts<'_> {
    /// The convolution of a node, with the one row of taps that counts if the map it reads has one row.
    fn conv(&self, number: usize) -> Result<(Conv, Window), Problem> {
        let node = &self.graph.nodes[number];
        let Op::Conv(conv, window) = &node.op else {
            return Err(Problem::node(
                &node.name,
                &node.what,
                "a convolution was expected",
                "report it",
            ));
        };
        let is_flat = node
            .inputs
            .iter()
            .any(|&input| self.graph.nodes[input].map.height == 1);
        let conv = if is_flat {
            one_row(conv, window.pads.top)
        } else {
            conv.clone()
        };
        Ok((conv, *window))
    }

    fn stem(&self, found: &Found, signs: &[f64]) -> Result<(net::Stem, Window), Problem> {
        let (mut conv, window) = self.conv(found.stem)?;
        for (weight, sign) in conv.weight.iter_mut().zip(signs.iter().cycle()) {
            *weight *= *sign as f32;
        }
        let norm = found.stem_gate.map(|gate| self.own_norm(gate, &conv));
        Ok((net::Stem { conv, norm }, window))
    }

    fn layer(&self, found: &FoundLayer) -> Result<net::Layer, Problem> {
        let norm1 = self.norm(found.gate, &found.order);
        let (last, _) = self.conv(found.conv)?;
        let Some((first, gate)) = found.bottleneck else {
            return Ok(net::Layer {
                norm1,
                conv1: None,
                norm2: None,
                conv2: reordered(&last, &found.order),
            });
        };
        let first = reordered(&self.conv(first)?.0, &found.order);
        Ok(net::Layer {
            norm1,
            norm2: Some(self.own_norm(gate, &first)),
            conv1: Some(first),
            conv2: last,
        })
    }

    fn transition(&self, found: &FoundTransition) -> Result<net::Transition, Problem> {
        let (mut conv, _) = self.conv(found.conv)?;
        let norm = match &found.before {
            Before::Relu(gate) => Some(self.norm(*gate, &found.order)),
            Before::Linear(affine) => {
                if let Some(affine) = affine {
                    take_in(&mut conv, affine);
                }
                None
            }
        };
        Ok(net::Transition {
            norm,
            conv: reordered(&conv, &found.order),
        })
    }

    fn head(&self, found: &Found) -> Result<Linear, Problem> {
        let node = &self.graph.nodes[found.head];
        let Op::Linear(linear) = &node.op else {
            return Err(Problem::node(
                &node.name,
                &node.what,
                "a fully connected layer was expected",
                "report it",
            ));
        };
        let rows = linear.weight.chunks_exact(linear.inputs);
        let mut head = Linear {
            weight: rows.flat_map(|row| picked(row, &found.head_order)).collect(),
            ..linear.clone()
        };
        if head.outputs == 1 {
            // One score z for two classes: softmax(0, z) is sigmoid(z).
            head.outputs = 2;
            head.weight.splice(0..0, core::iter::repeat_n(0.0, head.inputs));
            head.bias.insert(0, 0.0);
        }
        Ok(head)
    }

    /// The batch norm after a convolution.
    fn own_norm(&self, gate: Gate, conv: &Conv) -> BatchNorm {
        let straight: Vec<usize> = (0..conv.outputs).collect();
        self.norm(gate, &straight)
    }

    /// The batch norm of a gate in our order of channels and with the network's epsilon.
    fn norm(&self, gate: Gate, order: &[usize]) -> BatchNorm {
        let epsilon = self.epsilon;
        let straight = |gamma: Vec<f32>, beta: Vec<f32>| BatchNorm {
            mean: vec![0.0; gamma.len()],
            var: vec![unit_variance(epsilon); gamma.len()],
            gamma,
            beta,
            epsilon,
        };
        match gate.map(|number| &self.graph.nodes[number].op) {
            Some(Op::Norm(norm)) => {
                let more = f64::from(norm.epsilon) - f64::from(epsilon);
                let var = |value: f32| (f64::from(value) + more) as f32;
                BatchNorm {
                    gamma: picked(&norm.gamma, order),
                    beta: picked(&norm.beta, order),
                    mean: picked(&norm.mean, order),
                    var: picked(&norm.var, order).into_iter().map(var).collect(),
                    epsilon,
                }
            }
            Some(Op::Affine(affine)) => {
                let gamma: Vec<f32> = affine.scale.iter().map(|v| *v as f32).collect();
                let beta: Vec<f32> = affine.shift.iter().map(|v| *v as f32).collect();
                straight(picked(&gamma, order), picked(&beta, order))
            }
            _ => straight(vec![1.0; order.len()], vec![0.0; order.len()]),
        }
    }
}

/// Puts what scales and shifts a 1x1 convolution's input into its weights and bias.
fn take_in(conv: &mut Conv, affine: &Affine) {
    let mut bias = conv.bias.take().unwrap_or_else(|| vec![0.0; conv.outputs]);
    for (filter, bias) in conv.weight.chunks_exact_mut(conv.inputs.max(1)).zip(&mut bias) {
        let mut sum = f64::from(*bias);
        for (weight, (scale, shift)) in filter.iter_mut().zip(affine.scale.iter().zip(&affine.shift)) {
            sum += f64::from(*weight) * shift;
            *weight = (f64::from(*weight) * scale) as f32;
        }
        *bias = sum as f32;
    }
    conv.bias = Some(bias);
}

/// The variance that leaves a channel as it is: with `epsilon` it makes exactly one.
fn unit_variance(epsilon: f32) -> f32 {
    let mut var = 1.0 - epsilon;
    while var + epsilon > 1.0 {
        var = var.next_down();
    }
    while var + epsilon < 1.0 {
        var = var.next_up();
    }
    var
}

fn picked(values: &[f32], order: &[usize]) -> Vec<f32> {
    order.iter().filter_map(|&at| values.get(at)).copied().collect()
}

/// A convolution that reads channel `c` for the file's channel `order[c]`.
fn reordered(conv: &Conv, order: &[usize]) -> Conv {
    let taps = conv.weight.chunks_exact(conv.inputs.max(1));
    Conv {
        weight: taps.flat_map(|tap| picked(tap, order)).collect(),
        ..conv.clone()
    }
}

/// The one row of taps that meets a map of one row.
fn one_row(conv: &Conv, pad_top: usize) -> Conv {
    let row_len = conv.kernel_width * conv.inputs;
    let rows = conv.weight.chunks_exact(row_len.max(1));
    let kept = rows.skip(pad_top).step_by(conv.kernel_height.max(1));
    Conv {
        kernel_height: 1,
        weight: kept.flatten().copied().collect(),
        ..conv.clone()
    }
}

fn stem_spec(stem: &net::Stem, window: &Window, height: usize, pool: StemPool) -> spec::Stem {
    let pads = window.pads;
    let rows = |pad: usize| if height == 1 { 0 } else { pad };
    spec::Stem {
        kernel_height: stem.conv.kernel_height,
        kernel_width: stem.conv.kernel_width,
        stride: window.stride[1],
        pad_top: rows(pads.top),
        pad_left: pads.left,
        pad_bottom: rows(pads.bottom),
        pad_right: pads.right,
        filters: stem.conv.outputs,
        norm: stem.norm.is_some(),
        pool: pool != StemPool::None,
        pool_same: pool == StemPool::Same,
    }
}

fn block_spec(block: &net::Block) -> spec::Block {
    spec::Block {
        layers: block
            .layers
            .iter()
            .map(|layer| spec::Layer {
                growth: layer.conv2.outputs,
                bottleneck: layer.conv1.as_ref().map(|conv| conv.outputs),
            })
            .collect(),
        transition: block
            .transition
            .as_ref()
            .map(|transition| transition.conv.outputs),
        linear: (block.transition.as_ref()).is_some_and(|transition| transition.norm.is_none()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_variance_is_exact() {
        for epsilon in [1e-7, 1e-6, 1e-5, 1.001e-5, 1.1e-5, 1e-3, 2e-3, 0.3] {
            assert_eq!(unit_variance(epsilon) + epsilon, 1.0, "{epsilon}");
        }
    }

    #[test]
    fn one_row_keeps_the_row_that_meets_the_map() {
        let conv = Conv {
            outputs: 2,
            kernel_height: 3,
            kernel_width: 1,
            inputs: 1,
            weight: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            bias: None,
        };
        assert_eq!(one_row(&conv, 1).weight, [2.0, 5.0]);
    }

    #[test]
    fn negative_scales_move_into_the_weights() {
        let affine = Affine {
            scale: vec![-0.5, 2.0],
            shift: vec![1.0, 3.0],
        };
        let (normal, signs) = normalisation(&affine).unwrap();
        assert_eq!(normal.mean, [2.0, -1.5]);
        assert_eq!(normal.std, [2.0, 0.5]);
        assert_eq!(signs, [-1.0, 1.0]);
        let zero = Affine {
            scale: vec![0.0],
            shift: vec![1.0],
        };
        assert!(normalisation(&zero).is_err());
    }
}
