//! Reads a PyTorch state dict saved as safetensors, with torchvision's names; belongs to `import`.
//!
//! A state dict holds no graph: the network of those names is written down here, its widths come from the weights. What is
//! built is a graph like any other reader's, so that it is matched and checked in the same way.

use super::error::Problem;
use super::graph::{Axes, Graph, Op, Pads, Window};
use super::tensor::{Number, Tensor};
use crate::net::{BatchNorm, Linear};
use crate::spec::{Input, Map};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;

/// PyTorch's, when nothing else is said; a state dict does not hold it.
const EPSILON: f32 = 1e-5;
/// What to do with a network whose state dict does not say enough.
const ADVICE: &str = "for any other network export ONNX, which holds the graph";

/// Reads the network; `input` is the picture's shape, which a state dict does not hold.
pub(super) fn read(bytes: &[u8], input: Option<Input>) -> Result<Graph, Problem> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| Problem::kind("a safetensors file", error.to_string()))?;
    let mut state = State::new(&file)?;
    let stem = state.conv("features.conv0")?;
    let Some(input) = input else {
        return Err(Problem::field(
            "--input",
            format!(
                "the shape HxWx{} of a picture: a state dict does not hold it",
                stem.0.inputs
            ),
            "nothing",
        ));
    };
    let map = Map {
        height: input.height,
        width: input.width,
        channels: input.channels,
    };
    let mut network = Builder {
        graph: Graph::new("picture", map, Axes::Nchw)?,
        state,
    };
    let mut at = network.stem(stem)?;
    let mut block = 1;
    loop {
        let name = format!("features.denseblock{block}");
        if !network.state.has(&format!("{name}.denselayer1")) {
            break;
        }
        at = network.block(&name, at)?;
        let name = format!("features.transition{block}");
        if network.state.has(&name) {
            at = network.transition(&name, at)?;
        }
        block += 1;
    }
    network.head(at)?;
    network.state.check_empty()?;
    Ok(network.graph)
}

/// The tensors that are still to be used, by torchvision's names.
struct State {
    tensors: BTreeMap<String, Tensor>,
}

impl State {
    fn new(file: &SafeTensors<'_>) -> Result<Self, Problem> {
        let first = "features.conv0.weight";
        let names = file.names();
        let prefix = names.iter().find_map(|name| name.strip_suffix(first));
        let Some(prefix) = prefix.map(str::to_owned) else {
            let mut some: Vec<&str> = names.iter().map(|name| name.as_ref()).collect();
            some.sort_unstable();
            some.truncate(3);
            return Err(Problem::field(
                first,
                format!("the first tensor of a DenseNet by torchvision's names ({ADVICE})"),
                format!("none among {} tensors such as {}", names.len(), some.join(", ")),
            ));
        };
        let mut tensors = BTreeMap::new();
        for name in names {
            let Some(own) = name.strip_prefix(&prefix) else {
                return Err(unknown(name));
            };
            if own.ends_with(".num_batches_tracked") {
                continue;
            }
            let view = file
                .tensor(name)
                .map_err(|error| Problem::kind("a safetensors file", error.to_string()))?;
            let number = match view.dtype() {
                Dtype::F16 => Number::F16,
                Dtype::BF16 => Number::Bf16,
                Dtype::F32 => Number::F32,
                Dtype::F64 => Number::F64,
                other => return Err(Problem::field(name, "floats", format!("{other:?}"))),
            };
            let tensor = Tensor {
                shape: view.shape().to_vec(),
                values: number.read(view.data()),
            };
            tensors.insert(newer(own), tensor);
        }
        Ok(Self { tensors })
    }

    fn has(&self, prefix: &str) -> bool {
        let prefix = format!("{prefix}.");
        let next = self.tensors.range(prefix.clone()..).next();
        next.is_some_and(|(name, _)| name.starts_with(&prefix))
    }

    fn take(&mut self, name: &str) -> Result<Tensor, Problem> {
        self.tensors
            .remove(name)
            .ok_or_else(|| Problem::field(name, "a tensor", "none"))
    }

    /// A convolution with the shape of its kernel.
    fn conv(&mut self, name: &str) -> Result<(crate::net::Conv, [usize; 2]), Problem> {
        let weight_name = format!("{name}.weight");
        let weight = self.take(&weight_name)?;
        let bias_name = format!("{name}.bias");
        let bias = self
            .tensors
            .remove(&bias_name)
            .map(|bias| bias.vector(&bias_name));
        let conv = weight.conv_oihw(&weight_name, bias.transpose()?)?;
        let kernel = [conv.kernel_height, conv.kernel_width];
        Ok((conv, kernel))
    }

    fn norm(&mut self, name: &str) -> Result<BatchNorm, Problem> {
        let mut part = |part: &str| {
            let name = format!("{name}.{part}");
            self.take(&name)?.vector(&name)
        };
        Ok(BatchNorm {
            gamma: part("weight")?,
            beta: part("bias")?,
            mean: part("running_mean")?,
            var: part("running_var")?,
            epsilon: EPSILON,
        })
    }

    /// Everything must have been part of the network.
    fn check_empty(&self) -> Result<(), Problem> {
        self.tensors
            .keys()
            .next()
            .map_or(Ok(()), |name| Err(unknown(name)))
    }
}

fn unknown(name: &str) -> Problem {
    Problem::field(
        name,
        format!("a tensor of a DenseNet by torchvision's names ({ADVICE})"),
        "another",
    )
}

/// `denselayer1.norm.1.weight`, as older versions wrote, in today's form.
fn newer(name: &str) -> String {
    for part in ["norm", "conv"] {
        for number in ["1", "2"] {
            let older = format!(".{part}.{number}.");
            if name.contains(".denselayer") && name.contains(&older) {
                return name.replacen(&older, &format!(".{part}{number}."), 1);
            }
        }
    }
    name.to_owned()
}

struct Builder {
    graph: Graph,
    state: State,
}

impl Builder {
    fn push(&mut self, name: &str, what: &str, op: Op, from: usize) -> Result<usize, Problem> {
        self.graph.push(name, what, op, vec![from])
    }

    /// BatchNorm and ReLU.
    fn active(&mut self, name: &str, from: usize) -> Result<usize, Problem> {
        let norm = self.state.norm(name)?;
        let at = self.push(name, "BatchNorm2d", Op::Norm(norm), from)?;
        self.push(&format!("{name} (ReLU)"), "ReLU", Op::Relu, at)
    }

    /// A convolution with stride 1 that keeps the map's size.
    fn conv(&mut self, name: &str, from: usize) -> Result<usize, Problem> {
        let (conv, kernel) = self.state.conv(name)?;
        let window = framed(kernel, 1);
        self.push(name, "Conv2d", Op::Conv(conv, window), from)
    }

    fn stem(&mut self, (conv, kernel): (crate::net::Conv, [usize; 2])) -> Result<usize, Problem> {
        let name = "features.conv0";
        let has_norm = self.state.has("features.norm0");
        // Strides are not in the file: these are the two stems that go with the names.
        let stride = match (kernel, has_norm) {
            ([7, 7], true) => 2,
            ([3, 3], false) => 1,
            _ => {
                let with = if has_norm { "with" } else { "without" };
                return Err(Problem::field(
                    "features.conv0.weight",
                    format!(
                        "7x7 with features.norm0, or 3x3 without: a state dict holds no strides ({ADVICE})"
                    ),
                    format!("{}x{} {with} features.norm0", kernel[0], kernel[1]),
                ));
            }
        };
        let at = self.push(name, "Conv2d", Op::Conv(conv, framed(kernel, stride)), 0)?;
        if !has_norm {
            return Ok(at);
        }
        let at = self.active("features.norm0", at)?;
        let pool = Op::MaxPool(framed([3, 3], 2));
        self.push("features.pool0", "MaxPool2d", pool, at)
    }

    fn block(&mut self, name: &str, from: usize) -> Result<usize, Problem> {
        let mut at = from;
        let mut layer = 1;
        loop {
            let name = format!("{name}.denselayer{layer}");
            if !self.state.has(&name) {
                return Ok(at);
            }
            let active = self.active(&format!("{name}.norm1"), at)?;
            let mut made = self.conv(&format!("{name}.conv1"), active)?;
            if self.state.has(&format!("{name}.norm2")) {
                let active = self.active(&format!("{name}.norm2"), made)?;
                made = self.conv(&format!("{name}.conv2"), active)?;
            }
            at = self
                .graph
                .push(&format!("{name} (cat)"), "cat", Op::Concat, vec![at, made])?;
            layer += 1;
        }
    }

    fn transition(&mut self, name: &str, from: usize) -> Result<usize, Problem> {
        let at = self.active(&format!("{name}.norm"), from)?;
        let at = self.conv(&format!("{name}.conv"), at)?;
        let window = Window {
            kernel: [2, 2],
            stride: [2, 2],
            pads: Pads::default(),
            round_up: false,
        };
        self.push(
            &format!("{name}.pool"),
            "AvgPool2d",
            Op::AveragePool(window, true),
            at,
        )
    }

    fn head(&mut self, from: usize) -> Result<usize, Problem> {
        // torchvision calls it norm5, others norm_final.
        let names = self.state.tensors.keys();
        let norm = names
            .filter_map(|name| name.strip_suffix(".running_mean"))
            .find(|name| name.starts_with("features.norm"));
        let Some(norm) = norm.map(str::to_owned) else {
            return Err(Problem::field(
                "features.norm5",
                format!("a batch norm in front of the classifier ({ADVICE})"),
                "none",
            ));
        };
        let at = self.active(&norm, from)?;
        let at = self.push(
            "adaptive_avg_pool2d",
            "adaptive_avg_pool2d",
            Op::GlobalAverage,
            at,
        )?;
        let name = "classifier.weight";
        let weight = self.state.take(name)?;
        let [outputs, inputs] = weight.sides(name)?;
        let bias = match self.state.tensors.remove("classifier.bias") {
            Some(bias) => bias.vector("classifier.bias")?,
            None => vec![0.0; outputs],
        };
        let linear = Linear {
            outputs,
            inputs,
            weight: weight.values,
            bias,
        };
        self.push("classifier", "Linear", Op::Linear(linear), at)
    }
}

/// A kernel with half of itself as padding.
fn framed(kernel: [usize; 2], stride: usize) -> Window {
    let [rows, columns] = kernel;
    Window {
        kernel,
        stride: [stride; 2],
        pads: Pads {
            top: rows / 2,
            left: columns / 2,
            bottom: rows / 2,
            right: columns / 2,
        },
        round_up: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_names_become_newer() {
        assert_eq!(
            newer("features.denseblock1.denselayer2.norm.1.weight"),
            "features.denseblock1.denselayer2.norm1.weight"
        );
        assert_eq!(newer("features.conv0.weight"), "features.conv0.weight");
        assert_eq!(
            newer("features.transition1.norm.weight"),
            "features.transition1.norm.weight"
        );
    }
}
