//! The neutral graph that every reader writes and every later step reads.
//!
//! A graph knows feature maps of one image and nothing of file formats, names of layers or axis orders: channels lie
//! last, weights are `[o][ky][kx][i]`. Nodes come after their inputs.

use super::error::Problem;
use super::precision::Precision;
use super::window::LARGEST;
pub(super) use super::window::same;
pub use super::window::{Pads, Window};
use crate::net::{BatchNorm, Conv, Linear};
use crate::spec::Map;
use denselet::limits;

/// Nodes a graph may have.
const MOST_NODES: usize = 1 << 16;
/// Values a feature map may have: 256 MiB of floats.
const MOST_VALUES: usize = limits::MAP;
/// Sides of an input image, as a blob allows them.
const LARGEST_SIDE: usize = limits::SIDE;

/// Order of the axes in which a file's network takes its images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axes {
    /// Channels before rows and columns.
    Nchw,
    /// Channels last.
    Nhwc,
}

/// `scale * x + shift` per channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    /// One per channel.
    pub scale: Vec<f64>,
    /// One per channel.
    pub shift: Vec<f64>,
}

/// What a node computes from its inputs.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// The image.
    Input,
    /// `scale * x + shift` per channel.
    Affine(Affine),
    /// Batch norm with running statistics.
    Norm(BatchNorm),
    /// Convolution.
    Conv(Conv, Window),
    /// max(x, 0).
    Relu,
    /// Channels of all inputs, first input first.
    Concat,
    /// Zeros around the map.
    Pad(Pads),
    /// Means of windows; the flag says whether padding counts.
    AveragePool(Window, bool),
    /// Largest values of windows; padding never wins.
    MaxPool(Window),
    /// Mean of each channel.
    GlobalAverage,
    /// Fully connected, on a map of one pixel.
    Linear(Linear),
    /// Softmax over the channels.
    Softmax,
    /// Logarithm of the softmax.
    LogSoftmax,
    /// 1 / (1 + exp(-x)).
    Sigmoid,
}

/// One step of the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name in the file.
    pub name: String,
    /// What it is, in the file's words.
    pub what: String,
    /// What it computes.
    pub op: Op,
    /// Numbers of the nodes it reads.
    pub inputs: Vec<usize>,
    /// What it leaves, for one image.
    pub map: Map,
}

/// A network as it stands in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// How the file's network takes its images.
    pub axes: Axes,
    /// Every node comes after those that it reads; the first is the input.
    pub nodes: Vec<Node>,
    /// The node whose map is the answer.
    pub output: usize,
    /// Dropout probability after convolutions, if the file contains one.
    pub dropout: f32,
    /// Whether the file's maker says that the network takes bytes, as an export of denselet does.
    pub takes_bytes: bool,
    /// What the file's layers compute in, if it says other than float32.
    pub precision: Option<Precision>,
}

impl Affine {
    /// Leaves `channels` channels as they are.
    pub fn identity(channels: usize) -> Self {
        Self {
            scale: vec![1.0; channels],
            shift: vec![0.0; channels],
        }
    }

    /// This one first, then `next`.
    pub fn then(&self, next: &Self) -> Self {
        let scale = self.scale.iter().zip(&next.scale).map(|(a, b)| a * b).collect();
        let shift = (self.shift.iter().zip(&next.scale).zip(&next.shift))
            .map(|((shift, scale), next)| shift * scale + next)
            .collect();
        Self { scale, shift }
    }

    /// What a batch norm computes.
    pub fn of(norm: &BatchNorm) -> Self {
        let statistics = norm.mean.iter().zip(&norm.var);
        let learned = norm.gamma.iter().zip(&norm.beta);
        let (scale, shift) = learned
            .zip(statistics)
            .map(|((gamma, beta), (mean, var))| {
                let scale = f64::from(*gamma) / (f64::from(*var) + f64::from(norm.epsilon)).sqrt();
                (scale, f64::from(*beta) - f64::from(*mean) * scale)
            })
            .unzip();
        Self { scale, shift }
    }
}

impl Graph {
    /// A graph of nothing but its input.
    pub(super) fn new(name: &str, map: Map, axes: Axes) -> Result<Self, Problem> {
        let sides = [map.height, map.width, map.channels];
        if sides.iter().any(|side| !(1..=LARGEST_SIDE).contains(side)) {
            return Err(Problem::field(
                format!("input `{name}`"),
                format!("height, width and channels from 1 to {LARGEST_SIDE}"),
                format!("{}x{}x{}", map.height, map.width, map.channels),
            ));
        }
        Ok(Self {
            axes,
            nodes: vec![Node {
                name: name.to_owned(),
                what: "the input".into(),
                op: Op::Input,
                inputs: Vec::new(),
                map,
            }],
            output: 0,
            dropout: 0.0,
            takes_bytes: false,
            precision: None,
        })
    }

    /// Appends a node that reads `inputs` and makes it the output; its number.
    pub(super) fn push(
        &mut self,
        name: &str,
        what: &str,
        op: Op,
        inputs: Vec<usize>,
    ) -> Result<usize, Problem> {
        if self.nodes.len() >= MOST_NODES {
            return Err(Problem::field("nodes", format!("at most {MOST_NODES}"), "more"));
        }
        let map = self.map_of(name, what, &op, &inputs)?;
        self.nodes.push(Node {
            name: name.to_owned(),
            what: what.to_owned(),
            op,
            inputs,
            map,
        });
        self.output = self.nodes.len() - 1;
        Ok(self.output)
    }

    /// The node's map, with all its sizes checked.
    fn map_of(&self, name: &str, what: &str, op: &Op, inputs: &[usize]) -> Result<Map, Problem> {
        let bad = |expected: String, found: String| {
            Problem::field(format!("node `{name}` ({what})"), expected, found)
        };
        let maps: Vec<Map> = inputs
            .iter()
            .filter_map(|&input| Some(self.nodes.get(input)?.map))
            .collect();
        let (Some(&first), true) = (maps.first(), maps.len() == inputs.len()) else {
            return Err(bad("inputs that stand before it".into(), format!("{inputs:?}")));
        };
        let channels = |wanted: usize| {
            if wanted == first.channels {
                Ok(())
            } else {
                Err(bad(
                    format!("{wanted} channels, one for each of its parameters"),
                    format!("{} channels", first.channels),
                ))
            }
        };
        let slide = |window: &Window| {
            let over = if window.is_sane() {
                window.over(first)
            } else {
                None
            };
            over.ok_or_else(|| {
                bad(
                    format!(
                        "a map that holds a kernel of {}x{}",
                        window.kernel[0], window.kernel[1]
                    ),
                    format!("{}x{}", first.height, first.width),
                )
            })
        };
        let sized = |(height, width), channels| Map {
            height,
            width,
            channels,
        };
        let map = match op {
            Op::Input => return Err(bad("one input".into(), "two".into())),
            Op::Affine(affine) => {
                channels(affine.scale.len())?;
                channels(affine.shift.len())?;
                first
            }
            Op::Norm(norm) => {
                for part in [&norm.gamma, &norm.beta, &norm.mean, &norm.var] {
                    channels(part.len())?;
                }
                first
            }
            Op::Conv(conv, window) => {
                channels(conv.inputs)?;
                if window.kernel != [conv.kernel_height, conv.kernel_width]
                    || conv.weight.len() != conv.outputs * conv.taps() * conv.inputs
                    || conv.bias.as_ref().is_some_and(|bias| bias.len() != conv.outputs)
                {
                    return Err(bad("weights of its kernel's shape".into(), "others".into()));
                }
                sized(slide(window)?, conv.outputs)
            }
            Op::Relu | Op::Softmax | Op::LogSoftmax | Op::Sigmoid => first,
            Op::Concat => {
                if let Some(other) = maps
                    .iter()
                    .find(|map| (map.height, map.width) != (first.height, first.width))
                {
                    return Err(bad(
                        format!("maps of one size, {}x{}", first.height, first.width),
                        format!("{}x{}", other.height, other.width),
                    ));
                }
                Map {
                    channels: maps.iter().map(|map| map.channels).sum(),
                    ..first
                }
            }
            Op::Pad(pads) => {
                let window = Window {
                    pads: *pads,
                    ..Window::PIXEL
                };
                sized(slide(&window)?, first.channels)
            }
            Op::AveragePool(window, _) | Op::MaxPool(window) => sized(slide(window)?, first.channels),
            Op::GlobalAverage => sized((1, 1), first.channels),
            Op::Linear(linear) => {
                channels(linear.inputs)?;
                if linear.weight.len() != linear.inputs * linear.outputs
                    || linear.bias.len() != linear.outputs
                {
                    return Err(bad("weights of its shape".into(), "others".into()));
                }
                if first.pixels() != 1 {
                    return Err(Problem::node(
                        name,
                        what,
                        format!("it reads a map of {}x{} pixels", first.height, first.width),
                        "put a global average before it",
                    ));
                }
                sized((1, 1), linear.outputs)
            }
        };
        let small = [map.height, map.width, map.channels]
            .iter()
            .all(|&n| (1..=LARGEST).contains(&n));
        if !small || map.pixels().saturating_mul(map.channels) > MOST_VALUES {
            return Err(bad(
                format!("a map of at most {MOST_VALUES} values"),
                format!("{}x{}x{}", map.height, map.width, map.channels),
            ));
        }
        Ok(map)
    }

    /// Numbers of the nodes that read each node, in order; only what the output depends on counts.
    pub fn readers(&self) -> Vec<Vec<usize>> {
        let mut wanted = vec![false; self.nodes.len()];
        wanted[self.output] = true;
        let mut readers = vec![Vec::new(); self.nodes.len()];
        for (number, node) in self.nodes.iter().enumerate().rev() {
            if wanted[number] {
                for &input in &node.inputs {
                    wanted[input] = true;
                    readers[input].push(number);
                }
            }
        }
        for list in &mut readers {
            list.reverse();
        }
        readers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(height: usize, width: usize, channels: usize) -> Map {
        Map {
            height,
            width,
            channels,
        }
    }

    #[test]
    fn same_padding_puts_the_odd_one_last() {
        assert_eq!(same(32, 3, 1), (1, 1));
        assert_eq!(same(32, 3, 2), (0, 1));
        assert_eq!(same(33, 3, 2), (1, 1));
        assert_eq!(same(28, 2, 2), (0, 0));
        assert_eq!(same(7, 2, 2), (0, 1));
        assert_eq!(same(224, 7, 2), (2, 3));
    }

    #[test]
    fn windows_round_down_unless_told_otherwise() {
        let mut window = Window {
            kernel: [2, 2],
            stride: [2, 2],
            pads: Pads::default(),
            round_up: false,
        };
        assert_eq!(window.over(map(7, 8, 1)), Some((3, 4)));
        window.round_up = true;
        assert_eq!(window.over(map(7, 8, 1)), Some((4, 4)));
        assert_eq!(window.over(map(1, 8, 1)), None);
    }

    #[test]
    fn affines_compose_in_order() {
        let double = Affine {
            scale: vec![2.0],
            shift: vec![1.0],
        };
        let next = Affine {
            scale: vec![10.0],
            shift: vec![5.0],
        };
        assert_eq!(
            double.then(&next),
            Affine {
                scale: vec![20.0],
                shift: vec![15.0]
            }
        );
    }

    #[test]
    fn readers_ignore_what_leads_nowhere() {
        let mut graph = Graph::new("x", map(4, 4, 2), Axes::Nhwc).unwrap();
        let a = graph.push("a", "Relu", Op::Relu, vec![0]).unwrap();
        let _dead = graph.push("dead", "Relu", Op::Relu, vec![0]).unwrap();
        let c = graph.push("c", "Concat", Op::Concat, vec![a, 0]).unwrap();
        assert_eq!(graph.nodes[c].map, map(4, 4, 4));
        assert_eq!(graph.readers(), [vec![a, c], vec![c], vec![], vec![]]);
    }

    #[test]
    fn sizes_that_do_not_fit_name_the_node() {
        let mut graph = Graph::new("x", map(4, 4, 2), Axes::Nhwc).unwrap();
        let error = graph
            .push(
                "bn",
                "BatchNormalization",
                Op::Affine(Affine::identity(3)),
                vec![0],
            )
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "`node `bn` (BatchNormalization)`: expected 3 channels, one for each of its parameters, found 2 channels"
        );
        assert!(Graph::new("x", map(4, 0, 2), Axes::Nhwc).is_err());
        let window = Window {
            kernel: [5, 5],
            ..Window::PIXEL
        };
        assert!(graph.push("p", "MaxPool", Op::MaxPool(window), vec![0]).is_err());
        let mut wide = 0;
        let last = (0..20).try_for_each(|_| {
            wide = graph.push("c", "Concat", Op::Concat, vec![wide, wide])?;
            Ok::<_, Problem>(())
        });
        assert!(last.unwrap_err().to_string().contains("values"));
    }
}
