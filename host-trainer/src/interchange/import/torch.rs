//! Reads a PyTorch state dict saved as safetensors, with torchvision's names.
//!
//! A state dict holds no graph: the network of those names is written down here, its widths come from the weights. What is
//! built is a graph like any other reader's, so that it is matched and checked in the same way.

use super::assumed::{Assumed, Assumption};
use super::error::Problem;
use super::graph::{Axes, Graph, Op, Pads, Window};
use super::state::{ADVICE, State};
use crate::spec::{Input, Map};
use safetensors::SafeTensors;

/// PyTorch's, unless another one is given; a state dict does not contain it.
const EPSILON: f32 = 1e-5;

/// Reads the network; `input` is an image's shape, which a state dict does not hold. What else it does not hold is `given`, or
/// assumed as torchvision has it and listed in `assumptions`.
pub(super) fn read(
    bytes: &[u8],
    input: Option<Input>,
    given: &Assumed,
    assumptions: &mut Vec<Assumption>,
) -> Result<Graph, Problem> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| Problem::kind("a safetensors file", error.to_string()))?;
    let mut state = State::new(&file, given.epsilon.unwrap_or(EPSILON))?;
    let stem = state.conv("features.conv0")?;
    let Some(input) = input else {
        return Err(Problem::field(
            "--input",
            format!(
                "the shape HxWx{} of an image: a state dict does not hold it",
                stem.0.inputs
            ),
            "nothing",
        ));
    };
    let stored = state.precision;
    let map = Map {
        height: input.height,
        width: input.width,
        channels: input.channels,
    };
    let mut network = Builder {
        graph: Graph::new("image", map, Axes::Nchw)?,
        state,
        given,
        assumptions,
    };
    network.assume(
        "epsilon of batch norms",
        &EPSILON,
        given.epsilon.is_some(),
        "--epsilon",
    );
    network.graph.precision = stored;
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

struct Builder<'a> {
    graph: Graph,
    state: State,
    given: &'a Assumed,
    assumptions: &'a mut Vec<Assumption>,
}

impl Builder<'_> {
    /// Notes that `what` was taken to be `value`, unless the user gave it.
    fn assume(&mut self, what: &str, value: &dyn core::fmt::Display, is_given: bool, flag: &str) {
        if !is_given {
            self.assumptions.push(Assumption {
                what: format!("{what}: {value}"),
                flag: (!flag.is_empty()).then(|| flag.to_owned()),
            });
        }
    }

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
        if self.state.has("features.conv1") {
            return Err(Problem::field(
                "features.conv1",
                "a stem of one convolution, with up to 15x15 taps and strides up to 4",
                "one more convolution of the stem",
            ));
        }
        // Strides and pools are not in the file: these are the two stems that go with the names.
        let (stride, pool) = match (kernel, has_norm) {
            ([7 | 1, 7], true) => (2, true),
            ([3 | 1, 3], false) => (1, false),
            _ => {
                let with = if has_norm { "with" } else { "without" };
                let missing = |flag: &str| {
                    let found = format!("{}x{} {with} features.norm0, and no {flag}", kernel[0], kernel[1]);
                    let expected = format!(
                        "7x7 with features.norm0, or 3x3 without, or {flag}: a state dict holds neither strides nor pools"
                    );
                    Problem::field("features.conv0.weight", expected, found)
                };
                let stride = self.given.stem_stride.ok_or_else(|| missing("--stem-stride"))?;
                let pool = self.given.stem_pool;
                let pool = if has_norm {
                    pool.ok_or_else(|| missing("--stem-pool"))?
                } else {
                    pool.unwrap_or(false)
                };
                (stride, pool)
            }
        };
        self.assume(
            "stride of the stem",
            &stride,
            self.given.stem_stride.is_some(),
            "--stem-stride",
        );
        let pads = format!("{} and {}", kernel[0] / 2, kernel[1] / 2);
        self.assume("padding of the stem, rows and columns", &pads, false, "");
        let stride = self.given.stem_stride.unwrap_or(stride);
        let at = self.push(name, "Conv2d", Op::Conv(conv, framed(kernel, stride)), 0)?;
        if !has_norm {
            if self.given.stem_pool == Some(true) {
                return Err(Problem::field(
                    "--stem-pool",
                    "none: a max pool follows a batch norm and a ReLU, and features.norm0 is absent",
                    "max",
                ));
            }
            return Ok(at);
        }
        let at = self.active("features.norm0", at)?;
        let text = if pool {
            "max, 3x3 with stride 2 and padding 1"
        } else {
            "none"
        };
        self.assume(
            "pool of the stem",
            &text,
            self.given.stem_pool.is_some(),
            "--stem-pool",
        );
        if !self.given.stem_pool.unwrap_or(pool) {
            return Ok(at);
        }
        let rows = if self.graph.nodes[at].map.height == 1 {
            1
        } else {
            3
        };
        let mut window = framed([rows, 3], 2);
        window.stride[0] = rows.min(2);
        self.push("features.pool0", "MaxPool2d", Op::MaxPool(window), at)
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
        let has_relu = self.given.transition_relu.unwrap_or(true);
        if name.ends_with("transition1") {
            let is_given = self.given.transition_relu.is_some();
            self.assume("ReLU in transitions", &"yes", is_given, "--transition-relu");
            self.assume(
                "pool of transitions",
                &"average, 2x2 with stride 2, after the convolution",
                false,
                "",
            );
        }
        let at = if has_relu {
            self.active(&format!("{name}.norm"), from)?
        } else {
            let norm = self.state.norm(&format!("{name}.norm"))?;
            self.push(&format!("{name}.norm"), "BatchNorm2d", Op::Norm(norm), from)?
        };
        let at = self.conv(&format!("{name}.conv"), at)?;
        let rows = self.graph.nodes[at].map.height.min(2);
        let window = Window {
            kernel: [rows, 2],
            stride: [rows, 2],
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
                format!("a batch norm before the classifier ({ADVICE})"),
                "none",
            ));
        };
        self.assume(
            "order in a dense layer",
            &"batch norm, ReLU, convolution; its output after what it read",
            false,
            "",
        );
        let is_given = self.given.head_relu.is_some();
        self.assume("ReLU before the global average", &"yes", is_given, "--head-relu");
        let at = if self.given.head_relu.unwrap_or(true) {
            self.active(&norm, from)?
        } else {
            let parameters = self.state.norm(&norm)?;
            self.push(&norm, "BatchNorm2d", Op::Norm(parameters), from)?
        };
        let at = self.push(
            "adaptive_avg_pool2d",
            "adaptive_avg_pool2d",
            Op::GlobalAverage,
            at,
        )?;
        if self.state.tensors.remove("op_threshs").is_some() {
            self.assume(
                "op_threshs, thresholds for probabilities",
                &"left out, blobs answer logits",
                false,
                "",
            );
        }
        let (name, linear) = self.state.linear()?;
        self.push(&name, "Linear", Op::Linear(linear), at)
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
