//! Reads ONNX networks, operator set 9 and later.
//!
//! Values are maps with their axes' meaning, or constants. What shapes and constants compute among themselves is computed
//! here, so that the graph holds nothing but the network.

mod axes;
mod constant;
mod layers;
mod node;
mod ops;
mod order;
pub(crate) mod proto;
mod shaping;
mod size;
mod strangers;

use super::error::Problem;
use super::graph::{Axes, Graph};
use super::refuse::map_as_output;
use crate::spec::{Input, Map};
use axes::{Axis, NCHW, NCW, NHWC, NWC};
use constant::{Constant, Tensors};
use node::View;
use prost::Message;
use std::collections::HashMap;
use std::io;

/// Oldest operator set that is read.
const OLDEST: i64 = 9;

/// Who wrote a file, if an export of denselet did.
pub(crate) const PRODUCER: &str = "denselet";

/// A value of the graph.
#[derive(Clone, Debug)]
enum Value {
    /// A node of our graph, and what the value's axes are.
    Map(usize, Vec<Axis>),
    Constant(Constant),
}

/// Whether bytes look like an ONNX file, which has no magic number.
pub(super) fn is_likely(bytes: &[u8]) -> bool {
    bytes.first() == Some(&8) || size::has_graph(bytes)
}

/// Reads the network; `beside` reads files that lie beside it.
pub(super) fn read(
    bytes: &[u8],
    beside: &dyn Fn(&str) -> io::Result<Vec<u8>>,
    input: Option<Input>,
) -> Result<Graph, Problem> {
    size::check(bytes)?;
    let model = proto::Model::decode(bytes)
        .map_err(|error| Problem::kind("an ONNX file", format!("a damaged one: {error}")))?;
    let graph = model
        .graph
        .as_ref()
        .ok_or_else(|| Problem::field("graph", "a network", "none"))?;
    let version = model
        .opset_import
        .iter()
        .find(|set| set.domain.is_empty() || set.domain == "ai.onnx");
    let version = match version {
        Some(set) if set.version >= OLDEST => set.version,
        found => {
            let found = found.map_or_else(|| "none".into(), |set| set.version.to_string());
            return Err(Problem::field(
                "opset_import",
                format!("operator set {OLDEST} or later (onnx.version_converter makes newer ones)"),
                found,
            ));
        }
    };
    // Nothing says whether channels are first: a convolution can only read the right one.
    let run = |axes| Reader::run(graph, version, Tensors::new(beside, bytes.len()), input, axes);
    let takes_bytes = model.producer_name == PRODUCER;
    let (done, problem) = match run(Axes::Nchw) {
        Ok(graph) => return Ok(Graph { takes_bytes, ..graph }),
        Err(failed) => failed,
    };
    run(Axes::Nhwc).map_err(
        |(other_done, other)| {
            if other_done > done { other } else { problem }
        },
    )
}

struct Reader<'m> {
    file: &'m proto::Graph,
    /// The operator set.
    version: i64,
    graph: Graph,
    values: HashMap<&'m str, Value>,
    tensors: Tensors<'m>,
}

impl<'m> Reader<'m> {
    /// Reads with one order of the image's axes; on failure also how many nodes were read.
    fn run(
        file: &'m proto::Graph,
        version: i64,
        tensors: Tensors<'m>,
        input: Option<Input>,
        axes: Axes,
    ) -> Result<Graph, (usize, Problem)> {
        let start = || {
            let initialisers: HashMap<&str, &proto::Tensor> =
                file.initializer.iter().map(|t| (t.name.as_str(), t)).collect();
            let (name, map, rank) = image_input(file, &initialisers, input, axes)?;
            let order: &[Axis] = match (axes, rank) {
                (Axes::Nchw, 3) => &NCW,
                (Axes::Nchw, _) => &NCHW,
                (Axes::Nhwc, 3) => &NWC,
                (Axes::Nhwc, _) => &NHWC,
            };
            let graph = Graph::new(name, map, axes)?;
            let values = HashMap::from([(name, Value::Map(0, order.to_vec()))]);
            let reader = Self {
                file,
                version,
                graph,
                values,
                tensors,
            };
            Ok((reader, initialisers))
        };
        let (mut reader, initialisers) = start().map_err(|problem| (0, problem))?;
        let mut done = 0;
        reader
            .nodes(&initialisers, &mut done)
            .and_then(|()| reader.finish())
            .map_err(|problem| (done, problem))
    }

    /// Reads every node the output depends on.
    fn nodes(
        &mut self,
        initialisers: &HashMap<&'m str, &'m proto::Tensor>,
        done: &mut usize,
    ) -> Result<(), Problem> {
        let order = order::needed(self.file)?;
        for view in order.iter().map(|&index| View::new(&self.file.node[index])) {
            if let Some((why, advice)) = strangers::stranger(view.what()) {
                return Err(view.bad(why, advice));
            }
        }
        for index in order {
            let node = &self.file.node[index];
            for name in &node.input {
                let name = name.as_str();
                if let Some(tensor) = initialisers.get(name).filter(|_| !self.values.contains_key(name)) {
                    let constant = self.tensors.read(name, tensor)?;
                    self.values.insert(name, Value::Constant(constant));
                }
            }
            let view = View::new(node);
            let value = self.op(&view)?;
            if let Some(output) = node.output.first() {
                self.values.insert(output, value);
            }
            *done += 1;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Graph, Problem> {
        let name = self.file.output.first().map_or("", |output| output.name.as_str());
        let Some(Value::Map(at, axes)) = self.values.get(name) else {
            return Err(Problem::field(
                format!("output `{name}`"),
                "what the network makes of an image",
                "a constant, or nothing",
            ));
        };
        let map = self.graph.nodes[*at].map;
        if map.pixels() != 1 || axes.first() != Some(&Axis::Batch) {
            return Err(map_as_output(format!("output `{name}`"), map));
        }
        self.graph.output = *at;
        self.graph.precision = self.tensors.precision;
        Ok(self.graph)
    }

    /// The value an input of a node names; `None` if the input is left out.
    fn value(&self, node: &View<'m>, index: usize) -> Result<Option<&Value>, Problem> {
        match node.input(index) {
            None => Ok(None),
            Some(name) => match self.values.get(name) {
                Some(value) => Ok(Some(value)),
                None => Err(node.bad(
                    &format!("its input `{name}` has no value"),
                    "every input but the image must be a constant or made by a node before it",
                )),
            },
        }
    }
}

/// Name and shape of the image, and how many axes it has.
fn image_input<'m>(
    file: &'m proto::Graph,
    initialisers: &HashMap<&str, &proto::Tensor>,
    input: Option<Input>,
    axes: Axes,
) -> Result<(&'m str, Map, usize), Problem> {
    let mut inputs = file
        .input
        .iter()
        .filter(|input| !initialisers.contains_key(input.name.as_str()));
    let (Some(info), None) = (inputs.next(), inputs.next()) else {
        let names = file.input.iter().map(|input| input.name.as_str());
        let names: Vec<&str> = names.filter(|name| !initialisers.contains_key(name)).collect();
        return Err(Problem::field(
            "inputs",
            "one, the image",
            if names.is_empty() {
                "none".into()
            } else {
                names.join(", ")
            },
        ));
    };
    let field = format!("input `{}`", info.name);
    let shape = (info.r#type.as_ref())
        .and_then(|kind| kind.tensor_type.as_ref()?.shape.as_ref())
        .map_or(&[] as &[proto::Dimension], |shape| shape.dim.as_slice());
    let sides: Vec<Option<usize>> = (shape.iter())
        .map(|side| usize::try_from(side.dim_value?).ok().filter(|side| *side > 0))
        .collect();
    let own = match (axes, sides.as_slice()) {
        (Axes::Nchw, &[_, channels, rows, columns]) | (Axes::Nhwc, &[_, rows, columns, channels]) => {
            [rows, columns, channels]
        }
        (Axes::Nchw, &[_, channels, columns]) | (Axes::Nhwc, &[_, columns, channels]) => {
            [Some(1), columns, channels]
        }
        _ => {
            return Err(Problem::field(
                field,
                "4 axes: batch, channels, rows and columns; or 3: batch, channels and columns",
                format!("{} axes", sides.len()),
            ));
        }
    };
    Ok((&info.name, super::image_shape::map(own, input)?, sides.len()))
}
