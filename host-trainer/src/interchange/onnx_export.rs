//! A trained network as an ONNX file, for viewers and other runtimes. Beside the main path: reads a
//! network, changes nothing.

use crate::interchange::import::PRODUCER;
use crate::interchange::import::proto::{
    Attribute, Dimension, Graph, Model, Node, Opset, Shape, Tensor, TensorType, Type, ValueInfo,
    attribute_type, data_type,
};
use crate::net::{BatchNorm, Conv, Network};
use crate::stages::{Location, Stage};
use prost::Message;

/// Operator set; the oldest that holds all a network needs, so that most runtimes read it.
const OPSET: i64 = 13;
/// Version of the file's own layout that goes with it.
const IR_VERSION: i64 = 7;

/// The network as the bytes of an ONNX file. It takes raw bytes as floats from 0 to 255, `[N, C, H, W]`: normalisation is part
/// of it; it answers logits.
pub fn to_onnx(network: &Network) -> Vec<u8> {
    let spec = &network.spec;
    let input = spec.input;
    let mut writer = Writer::default();
    let channels = input.channels;
    writer.tensor("input.mean", &[1, channels, 1, 1], &network.input.mean);
    writer.tensor("input.std", &[1, channels, 1, 1], &network.input.std);
    writer.node("Sub", "input.centred", &["image", "input.mean"], Vec::new());
    writer.node(
        "Div",
        "input.normalised",
        &["input.centred", "input.std"],
        Vec::new(),
    );
    let mut at = writer.stem(network);
    for (stage, place) in network.stages().iter().zip(Location::all(spec)) {
        let name = place.name(stage);
        match stage {
            // Written already: its strides and padding are the spec's.
            Stage::Stem { .. } => {}
            Stage::Layer {
                gate,
                bottleneck,
                conv,
            } => {
                let mut made = writer.active_if(&format!("{name}.norm1"), &at, *gate);
                if let Some(first) = bottleneck {
                    made = writer.conv(&format!("{name}.conv1"), &made, &first.conv, Walk::ONE);
                    made = writer.active_if(&format!("{name}.norm2"), &made, first.norm);
                }
                let rows = conv.conv.kernel_height / 2;
                let walk = Walk {
                    pads: [rows, 1, rows, 1],
                    ..Walk::ONE
                };
                made = writer.conv(&format!("{name}.conv2"), &made, &conv.conv, walk);
                let joined = format!("{name}.joined");
                writer.node("Concat", &joined, &[&at, &made], vec![int("axis", 1)]);
                at = joined;
            }
            Stage::Transition { gate, conv } => {
                let active = writer.active_if(&format!("{name}.norm"), &at, *gate);
                // Pooling first is the same function at a quarter of the work.
                let rows = place.input.height.min(2);
                let window = vec![ints("kernel_shape", &[rows, 2]), ints("strides", &[rows, 2])];
                let pooled = format!("{name}.pooled");
                writer.node("AveragePool", &pooled, &[&active], window);
                at = writer.conv(&format!("{name}.conv"), &pooled, &conv.conv, Walk::ONE);
            }
            Stage::Head { gate, .. } => at = writer.active_if("final_norm", &at, *gate),
        }
    }
    let head = &network.head;
    writer.node("GlobalAveragePool", "head.average", &[&at], Vec::new());
    writer.node("Flatten", "head.flat", &["head.average"], vec![int("axis", 1)]);
    writer.tensor("head.weight", &[head.outputs, head.inputs], &head.weight);
    writer.tensor("head.bias", &[head.outputs], &head.bias);
    let parts = ["head.flat", "head.weight", "head.bias"];
    writer.node("Gemm", "logits", &parts, vec![int("transB", 1)]);
    let sides = [input.channels, input.height, input.width];
    let model = Model {
        ir_version: IR_VERSION,
        producer_name: PRODUCER.into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(Graph {
            node: writer.nodes,
            name: spec.name.clone(),
            initializer: writer.tensors,
            input: vec![value("image", &sides)],
            output: vec![value("logits", &[spec.classes])],
        }),
        opset_import: vec![Opset {
            domain: String::new(),
            version: OPSET,
        }],
    };
    model.encode_to_vec()
}

/// How a convolution walks its input.
#[derive(Clone, Copy)]
struct Walk {
    /// Down and across.
    stride: [usize; 2],
    /// Top, left, bottom, right.
    pads: [usize; 4],
}

impl Walk {
    const ONE: Self = Self {
        stride: [1, 1],
        pads: [0; 4],
    };
}

/// Nodes and weights so far.
#[derive(Default)]
struct Writer {
    nodes: Vec<Node>,
    tensors: Vec<Tensor>,
}

impl Writer {
    /// A node called as what it makes.
    fn node(&mut self, op: &str, output: &str, inputs: &[&str], attribute: Vec<Attribute>) {
        self.nodes.push(Node {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: op.to_owned(),
            attribute,
            domain: String::new(),
        });
    }

    fn tensor(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        self.tensors.push(Tensor {
            dims: signed(shape),
            data_type: data_type::FLOAT,
            name: name.to_owned(),
            raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            ..Tensor::default()
        });
    }

    fn stem(&mut self, network: &Network) -> String {
        let stem = network.spec.stem;
        let is_flat = network.spec.input.height == 1;
        let stride = [if is_flat { 1 } else { stem.stride }, stem.stride];
        let pads = [stem.pad_top, stem.pad_left, stem.pad_bottom, stem.pad_right];
        let mut at = self.conv(
            "stem.conv",
            "input.normalised",
            &network.stem.conv,
            Walk { stride, pads },
        );
        if let Some(norm) = &network.stem.norm {
            at = self.active("stem.norm", &at, norm);
        }
        if stem.pool {
            let rows = if is_flat { 1 } else { 3 };
            let (made, pool) = (network.spec.maps().stem, stem.pooling());
            let above = if is_flat { 0 } else { pool.before(made.height) };
            let window = vec![
                ints("kernel_shape", &[rows, 3]),
                ints("strides", &[rows.min(2), 2]),
                ints("pads", &[above, pool.before(made.width), rows / 2, 1]),
            ];
            self.node("MaxPool", "stem.pooled", &[&at], window);
            at = "stem.pooled".into();
        }
        at
    }

    /// A convolution; the name of what it makes.
    fn conv(&mut self, name: &str, from: &str, conv: &Conv, walk: Walk) -> String {
        let kernel = [conv.kernel_height, conv.kernel_width];
        let weight = format!("{name}.weight");
        let shape = [conv.outputs, conv.inputs, kernel[0], kernel[1]];
        self.tensor(&weight, &shape, &channels_first(conv));
        let bias = format!("{name}.bias");
        let mut inputs = vec![from, &weight];
        if let Some(values) = &conv.bias {
            self.tensor(&bias, &[conv.outputs], values);
            inputs.push(&bias);
        }
        let attributes = vec![
            ints("kernel_shape", &kernel),
            ints("strides", &walk.stride),
            ints("pads", &walk.pads),
        ];
        self.node("Conv", name, &inputs, attributes);
        name.to_owned()
    }

    /// [`Writer::active`] if there is a batch norm; otherwise the name of what it would read.
    fn active_if(&mut self, name: &str, from: &str, norm: Option<&BatchNorm>) -> String {
        match norm {
            Some(norm) => self.active(name, from, norm),
            None => from.to_owned(),
        }
    }

    /// Batch norm and ReLU; the name of what they make.
    fn active(&mut self, name: &str, from: &str, norm: &BatchNorm) -> String {
        let parts = [
            ("gamma", &norm.gamma),
            ("beta", &norm.beta),
            ("mean", &norm.mean),
            ("var", &norm.var),
        ];
        let names = parts.map(|(part, values)| {
            let name = format!("{name}.{part}");
            self.tensor(&name, &[values.len()], values);
            name
        });
        let [gamma, beta, mean, var] = &names;
        let epsilon = Attribute {
            name: "epsilon".into(),
            f: norm.epsilon,
            r#type: attribute_type::FLOAT,
            ..Attribute::default()
        };
        self.node(
            "BatchNormalization",
            name,
            &[from, gamma, beta, mean, var],
            vec![epsilon],
        );
        let active = format!("{name}.relu");
        self.node("Relu", &active, &[name], Vec::new());
        active
    }
}

/// Weights as `[o][i][ky][kx]`.
pub(super) fn channels_first(conv: &Conv) -> Vec<f32> {
    let taps = conv.taps();
    let mut turned = Vec::with_capacity(conv.weight.len());
    for filter in conv.weight.chunks_exact(taps * conv.inputs) {
        for i in 0..conv.inputs {
            turned.extend((0..taps).map(|tap| filter[tap * conv.inputs + i]));
        }
    }
    turned
}

fn signed(sides: &[usize]) -> Vec<i64> {
    sides
        .iter()
        .filter_map(|&side| i64::try_from(side).ok())
        .collect()
}

fn int(name: &str, value: i64) -> Attribute {
    Attribute {
        name: name.into(),
        i: value,
        r#type: attribute_type::INT,
        ..Attribute::default()
    }
}

fn ints(name: &str, values: &[usize]) -> Attribute {
    Attribute {
        name: name.into(),
        ints: signed(values),
        r#type: attribute_type::INTS,
        ..Attribute::default()
    }
}

/// An input or output of any number of images.
fn value(name: &str, sides: &[usize]) -> ValueInfo {
    let batch = Dimension {
        dim_param: Some("N".into()),
        dim_value: None,
    };
    let known = signed(sides).into_iter().map(|side| Dimension {
        dim_value: Some(side),
        dim_param: None,
    });
    ValueInfo {
        name: name.into(),
        r#type: Some(Type {
            tensor_type: Some(TensorType {
                elem_type: data_type::FLOAT,
                shape: Some(Shape {
                    dim: core::iter::once(batch).chain(known).collect(),
                }),
            }),
        }),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::interchange::import::{Imported, Options, import_bytes};
    use crate::net::{Normalisation, Role};
    use crate::spec::Spec;

    /// A network whose every tensor, statistics too, is its own.
    pub(in crate::interchange) fn network(name: &str) -> Network {
        network_of(&Spec::load(name).unwrap())
    }

    fn network_of(spec: &Spec) -> Network {
        let channels = spec.input.channels;
        let input = Normalisation {
            mean: (0..channels).map(|c| 120.3 + c as f32).collect(),
            std: (0..channels).map(|c| 61.7 + c as f32).collect(),
        };
        let mut network = Network::new(spec, input, 7);
        let others = network
            .tensors()
            .into_iter()
            .filter(|tensor| tensor.role != Role::Weight);
        for (index, tensor) in others.enumerate() {
            for (at, value) in tensor.values.iter_mut().enumerate() {
                *value += ((index * 31 + at * 17) % 23) as f32 / 91.0;
            }
        }
        network
    }

    pub(in crate::interchange) fn back(bytes: &[u8], options: &Options) -> Imported {
        let nothing = |_: &str| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
        import_bytes(bytes, "back", &nothing, options).unwrap()
    }

    #[test]
    fn onnx_comes_back_bit_for_bit() {
        // BC, plain, 1-D, strided stem, widths that grow without final norm, the ImageNet form, a norm without pool.
        let mut small = Spec::load("densenet-121").unwrap();
        (small.input.height, small.input.width) = (40, 32);
        let mut normed = Spec::load("d1").unwrap();
        normed.stem.norm = true;
        let mut networks: Vec<Network> = ["digits", "d1", "d3", "d4", "d5", "article"].map(network).into();
        networks.extend([network_of(&small), network_of(&normed)]);
        for mut before in networks {
            let name = before.spec.name.clone();
            if let Some(bias) = (before.spec.classes == 5).then(|| vec![0.25; before.spec.stem.filters]) {
                before.stem.conv.bias = Some(bias);
            }
            let imported = back(&to_onnx(&before), &Options::default());
            let mut after = imported.network.clone();
            after.spec.name.clone_from(&before.spec.name);
            after.spec.dropout = before.spec.dropout;
            assert!(after == before, "{name}");
            let image: Vec<u8> = (0..before.image_len()).map(|i| (i * 37 % 251) as u8).collect();
            let bits = |network: &Network| -> Vec<u32> {
                let logits = network.logits(&image, 1);
                assert!(logits.iter().all(|logit| logit.is_finite()), "{name}");
                logits.into_iter().map(f32::to_bits).collect()
            };
            assert!(bits(&after) == bits(&before), "{name}");
            let own = imported.against_graph(&imported.noise(1, 3));
            assert!(own.passes(), "{name}: {own:?}");
        }
    }
}
