//! Why a node does not stand where a DenseNet has one: the true reason for each kind of network that comes often. A step of
//! `chain`.

use super::chain::Chain;
use super::error::Problem;
use super::found::Place;
use super::graph::Op;
use crate::spec::Map;

/// How a block is read.
const READ: &str = "a block is read by BatchNorm and ReLU before a convolution, or by the global average (activations belong \
                    before convolutions, not after them)";
/// What ends a network.
const HEAD: &str = "end it in a global average and a fully connected layer";
/// What to do with a network that has none.
const NO_HEAD: &str = "the network ends here, without a head";

/// Why an output that is still a map ends no network.
pub(super) fn map_as_output(field: impl Into<String>, map: Map) -> Problem {
    let found = format!(
        "a map of {}x{}x{}: {NO_HEAD}",
        map.height, map.width, map.channels
    );
    Problem::field(field, format!("one number per class: {HEAD}"), found)
}

impl Chain<'_> {
    /// Why `reader`, the only one to read the stem's map or a whole block, begins nothing.
    pub(super) fn not_a_stage(&self, reader: usize, place: Place) -> Problem {
        let nodes = &self.graph.nodes;
        let next = self.only_reader(reader);
        let (why, advice) = match (&nodes[reader].op, place) {
            (Op::Conv(..), Place::Stem) if self.is_alone(reader) => (
                "it is one more convolution of the stem",
                "a stem has one convolution, with up to 15x15 taps and strides up to 4: train the network with such a stem",
            ),
            (Op::AveragePool(..), Place::Stem) => (
                "the stem's pool averages",
                "the pool after a stem is a max pool, 3x3 with stride 2",
            ),
            (Op::MaxPool(_), Place::Stem) => (
                "it is a second max pool of the stem",
                "a stem has one max pool, 3x3 with stride 2",
            ),
            (Op::MaxPool(_), Place::Block) => (
                "it shrinks a dense block by its largest values",
                "a transition averages 2x2 pixels",
            ),
            (Op::AveragePool(..), Place::Block) => (
                "it averages a dense block, but no 1x1 convolution stands with it",
                "a transition is BatchNorm, ReLU, 1x1 convolution and 2x2 average pool; BatchNorm and ReLU may be absent",
            ),
            (Op::GlobalAverage, _) if reader == self.graph.output => (NO_HEAD, HEAD),
            (Op::GlobalAverage, _) => ("no fully connected layer reads it alone", HEAD),
            (Op::Conv(..), _) => ("it reads a dense block as it is, without a ReLU", READ),
            (Op::Affine(_) | Op::Norm(_), _)
                if next.is_some_and(|next| matches!(nodes[next].op, Op::Conv(..))) =>
            {
                (
                    "no ReLU stands between it and the convolution that reads it",
                    "only a transition (a 1x1 convolution with a 2x2 average pool) may be without its ReLU",
                )
            }
            (Op::Affine(_) | Op::Norm(_), _)
                if next.is_some_and(|next| matches!(nodes[next].op, Op::GlobalAverage)) =>
            {
                (NO_HEAD, HEAD)
            }
            _ => (
                "it reads a dense block, but begins no BatchNorm, ReLU, convolution",
                READ,
            ),
        };
        self.refuse(reader, why, advice)
    }

    /// Whether nothing else reads what `reader` reads: then no join does, and it is not a dense layer.
    fn is_alone(&self, reader: usize) -> bool {
        let input = self.graph.nodes[reader].inputs.first();
        input.is_some_and(|input| self.only_reader(*input) == Some(reader))
    }

    /// Why `number` does not stand after a block's BatchNorm and ReLU.
    pub(super) fn not_after_relu(&self, number: usize) -> Problem {
        let (why, advice) = match &self.graph.nodes[number].op {
            Op::GlobalAverage if number == self.graph.output => (NO_HEAD, HEAD),
            Op::GlobalAverage => ("no fully connected layer reads it alone", HEAD),
            Op::MaxPool(_) => (
                "it shrinks a dense block by its largest values",
                "a transition averages 2x2 pixels",
            ),
            Op::Relu | Op::Norm(_) | Op::Affine(_) => (
                "a second activation or batch norm follows a ReLU",
                "between a block and a convolution stand one BatchNorm and one ReLU",
            ),
            _ => (
                "it reads a dense block after BatchNorm and ReLU",
                "only a convolution, a 2x2 average pool or the global average stands there",
            ),
        };
        self.refuse(number, why, advice)
    }

    /// Why `number` does not end a network after its fully connected layer.
    pub(super) fn not_an_ending(&self, number: usize) -> Problem {
        let node = &self.graph.nodes[number];
        let classes = node.map.channels;
        match &node.op {
            Op::Sigmoid => self.refuse(
                number,
                &format!("it gives each of {classes} classes a probability of its own, so that several may be right"),
                "a blob names one class: export the network without its sigmoid if exactly one class is right",
            ),
            Op::Relu => self.refuse(
                number,
                "a hidden layer stands between the global average and the classes",
                "a network ends in one fully connected layer, with a softmax or without",
            ),
            _ => self.refuse(
                number,
                "it follows the fully connected layer",
                "a network ends in one fully connected layer, with a softmax or without",
            ),
        }
    }
}
