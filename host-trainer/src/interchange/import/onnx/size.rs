//! Counts the parts of an ONNX file before it is decoded, so that few bytes never become much memory: an empty node takes two
//! bytes in the file and a hundred times as many once it is read.

use super::super::error::Problem;

/// Parts a file may have: nodes, names, attributes, tensors and their sides.
const MOST_PARTS: usize = 1 << 20;

/// The messages whose parts are counted, as far as `proto` reads them.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    Leaf,
}

use Message::{Attribute, Graph, Leaf, Model, Node, Shape, Tensor, TensorType, Type, ValueInfo};

impl Message {
    /// The message in field `number`; `None` for numbers, texts and bytes.
    fn field(self, number: u64) -> Option<Self> {
        match (self, number) {
            (Model, 7) => Some(Graph),
            (Graph, 1) => Some(Node),
            (Graph, 5) | (Attribute, 5) => Some(Tensor),
            (Graph, 11 | 12) => Some(ValueInfo),
            (Node, 5) => Some(Attribute),
            (ValueInfo, 2) => Some(Type),
            (Type, 1) => Some(TensorType),
            (TensorType, 2) => Some(Shape),
            (Model, 8) | (Tensor, 13) | (Shape, 1) => Some(Leaf),
            _ => None,
        }
    }
}

/// Refuses a file of too many parts.
pub(super) fn check(bytes: &[u8]) -> Result<(), Problem> {
    let mut left = MOST_PARTS;
    match count(Model, bytes, &mut left) {
        Some(()) => Ok(()),
        None if left == 0 => Err(Problem::field(
            "nodes and tensors",
            format!("at most {MOST_PARTS} parts"),
            "more",
        )),
        None => Err(Problem::kind(
            "an ONNX file",
            "a damaged one, or one that was cut short",
        )),
    }
}

/// Whether bytes are fields of a model, a graph among them.
pub(super) fn has_graph(bytes: &[u8]) -> bool {
    let (mut rest, mut found) = (bytes, false);
    while !rest.is_empty() {
        let Some((number, inside)) = next(&mut rest) else {
            return false;
        };
        found |= number == 7 && inside.is_some();
    }
    found
}

/// Takes the parts of one message from `left`; `None` at the end of the budget, or where bytes are damaged.
fn count(message: Message, mut bytes: &[u8], left: &mut usize) -> Option<()> {
    while !bytes.is_empty() {
        let (number, inside) = next(&mut bytes)?;
        *left = left.checked_sub(1)?;
        if let (Some(inner), Some(inside)) = (message.field(number), inside) {
            count(inner, inside, left)?;
        }
    }
    Some(())
}

/// The next field's number, and its bytes if it has a length.
fn next<'b>(bytes: &mut &'b [u8]) -> Option<(u64, Option<&'b [u8]>)> {
    let key = varint(bytes)?;
    let length = match key & 7 {
        0 => {
            varint(bytes)?;
            0
        }
        1 => 8,
        2 => varint(bytes)?,
        5 => 4,
        _ => return None,
    };
    let (taken, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some((key >> 3, (key & 7 == 2).then_some(taken)))
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::proto;
    use super::*;
    use prost::Message as _;

    #[test]
    fn many_empty_nodes_are_refused_before_they_are_decoded() {
        let file = |nodes: usize| {
            let graph = proto::Graph {
                node: vec![proto::Node::default(); nodes],
                ..proto::Graph::default()
            };
            let model = proto::Model {
                graph: Some(graph),
                ..proto::Model::default()
            };
            model.encode_to_vec()
        };
        let few = file(1000);
        assert!(has_graph(&few) && check(&few).is_ok());
        assert!(
            check(&file(MOST_PARTS))
                .unwrap_err()
                .to_string()
                .contains("parts")
        );
        assert!(!has_graph(b"hello, this is text") && !has_graph(b""));
    }
}
