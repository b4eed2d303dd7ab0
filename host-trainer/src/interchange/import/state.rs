//! The tensors of a PyTorch state dict by torchvision's names, whatever library named them; a part of `torch`.

use super::error::Problem;
use super::precision::Precision;
use super::tensor::{Number, Tensor};
use crate::net::{BatchNorm, Linear};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;

/// What to do with a network whose state dict does not say enough.
pub(super) const ADVICE: &str = "for any other network export ONNX, which holds the graph";

/// The tensors that are still to be used, by torchvision's names.
pub(super) struct State {
    pub(super) tensors: BTreeMap<String, Tensor>,
    epsilon: f32,
    /// What the weights are stored in, if it is not float32: answers may be of weights that were not rounded yet.
    pub(super) precision: Option<Precision>,
}

impl State {
    pub(super) fn new(file: &SafeTensors<'_>, epsilon: f32) -> Result<Self, Problem> {
        let first = "features.conv0.weight";
        let names = file.names();
        let prefixes = || names.iter().filter_map(|name| name.strip_suffix(first));
        let mut prefixes: Vec<String> = prefixes().map(str::to_owned).collect();
        prefixes.sort_unstable();
        if prefixes.len() > 1 {
            let named: Vec<String> = prefixes
                .iter()
                .map(|prefix| format!("`{prefix}{first}`"))
                .collect();
            let expected = "one network: save only the tensors of the one that is wanted";
            return Err(Problem::field(
                first,
                expected,
                format!("{}: {}", named.len(), named.join(", ")),
            ));
        }
        let Some(prefix) = prefixes.pop() else {
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
        let mut precision = None;
        for name in names {
            let own = name.strip_prefix(&prefix).unwrap_or(name);
            if own.ends_with("num_batches_tracked") {
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
                other if !matches!(other, Dtype::I8 | Dtype::U8) => {
                    return Err(unknown(name, &format!("{other:?}")));
                }
                other => {
                    let expected = "floats: import the network as it was before it was quantised, `denselet export` quantises it";
                    return Err(Problem::field(name, expected, format!("{other:?}")));
                }
            };
            precision = number.precision().or(precision);
            let tensor = Tensor {
                shape: view.shape().to_vec(),
                values: number.read(view.data()),
            };
            tensors.insert(newer(own), tensor);
        }
        Ok(Self {
            tensors,
            epsilon,
            precision,
        })
    }

    pub(super) fn has(&self, prefix: &str) -> bool {
        let prefix = format!("{prefix}.");
        let next = self.tensors.range(prefix.clone()..).next();
        next.is_some_and(|(name, _)| name.starts_with(&prefix))
    }

    pub(super) fn take(&mut self, name: &str) -> Result<Tensor, Problem> {
        self.tensors
            .remove(name)
            .ok_or_else(|| Problem::field(name, "a tensor", "none"))
    }

    /// A convolution with the shape of its kernel.
    pub(super) fn conv(&mut self, name: &str) -> Result<(crate::net::Conv, [usize; 2]), Problem> {
        let weight_name = format!("{name}.weight");
        let weight = self.take(&weight_name)?.with_one_row();
        let bias_name = format!("{name}.bias");
        let bias = self
            .tensors
            .remove(&bias_name)
            .map(|bias| bias.vector(&bias_name));
        let conv = weight.conv_oihw(&weight_name, bias.transpose()?)?;
        let kernel = [conv.kernel_height, conv.kernel_width];
        Ok((conv, kernel))
    }

    pub(super) fn norm(&mut self, name: &str) -> Result<BatchNorm, Problem> {
        let mut part = |part: &str| {
            let name = format!("{name}.{part}");
            self.take(&name)?.vector(&name)
        };
        Ok(BatchNorm {
            gamma: part("weight")?,
            beta: part("bias")?,
            mean: part("running_mean")?,
            var: part("running_var")?,
            epsilon: self.epsilon,
        })
    }

    /// Everything must have been part of the network.
    pub(super) fn check_empty(&self) -> Result<(), Problem> {
        self.tensors
            .keys()
            .next()
            .map_or(Ok(()), |name| Err(unknown(name, "another")))
    }
}

fn unknown(name: &str, found: &str) -> Problem {
    Problem::field(
        name,
        format!(
            "a tensor of a DenseNet by torchvision's names: if it is not a part of the network (a loss, a counter), save the \
             state dict without it ({ADVICE})"
        ),
        found,
    )
}

/// `denselayer1.norm.1.weight`, as older versions wrote, and `denselayer1.layers.norm1.weight`, as MONAI does, in today's form.
fn newer(name: &str) -> String {
    if !name.contains(".denselayer") {
        return name.to_owned();
    }
    let mut name = name.replacen(".layers.", ".", 1);
    for part in ["norm", "conv"] {
        for number in ["1", "2"] {
            name = name.replacen(&format!(".{part}.{number}."), &format!(".{part}{number}."), 1);
        }
    }
    name
}

impl State {
    /// The one fully connected layer that is left, whatever it is called: `classifier`, `classifier.1`, `class_layers.out`.
    pub(super) fn linear(&mut self) -> Result<(String, Linear), Problem> {
        let is_matrix = |tensor: &Tensor| {
            tensor.shape.len() == 2 || tensor.shape.len() == 4 && tensor.shape[2..] == [1, 1]
        };
        let left = self
            .tensors
            .iter()
            .filter(|(name, _)| !name.starts_with("features."));
        let matrices: Vec<(&str, &Tensor)> = left
            .filter(|(_, tensor)| is_matrix(tensor))
            .filter_map(|(name, tensor)| Some((name.strip_suffix(".weight")?, tensor)))
            .collect();
        let name = match matrices.as_slice() {
            [(name, _)] => (*name).to_owned(),
            [] => {
                return Err(Problem::field(
                    "classifier.weight",
                    format!("the fully connected layer that ends the network ({ADVICE})"),
                    "none: the network ends here, without a head",
                ));
            }
            several => {
                let texts = several.iter().map(|(name, tensor)| {
                    let sides: Vec<String> = tensor.shape.iter().map(ToString::to_string).collect();
                    format!("{name}.weight of {}", sides.join("x"))
                });
                let texts: Vec<String> = texts.collect();
                return Err(Problem::field(
                    "classifier",
                    "one fully connected layer after the global average: train the network with such a head",
                    format!("{}: {}", texts.len(), texts.join(", ")),
                ));
            }
        };
        let weight_name = format!("{name}.weight");
        let mut weight = self.take(&weight_name)?;
        weight.shape.truncate(2);
        let [outputs, inputs] = weight.sides(&weight_name)?;
        let bias_name = format!("{name}.bias");
        let bias = match self.tensors.remove(&bias_name) {
            Some(bias) => bias.vector(&bias_name)?,
            None => vec![0.0; outputs],
        };
        let linear = Linear {
            outputs,
            inputs,
            weight: weight.values,
            bias,
        };
        Ok((name, linear))
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
        assert_eq!(
            newer("features.denseblock1.denselayer2.layers.conv2.weight"),
            "features.denseblock1.denselayer2.conv2.weight"
        );
        assert_eq!(newer("features.conv0.weight"), "features.conv0.weight");
        assert_eq!(
            newer("features.transition1.norm.weight"),
            "features.transition1.norm.weight"
        );
    }
}
