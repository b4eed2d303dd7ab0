//! The order in which the nodes of an ONNX graph are read: each after those that make its inputs, whatever the file's order.
//!
//! ONNX wants sorted nodes, but converters append what they insert, and runtimes sort them again.

use super::super::error::Problem;
use super::proto;
use core::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

/// Numbers of the nodes that the output depends on, sorted; nodes that are sorted already keep their order.
pub(super) fn needed(file: &proto::Graph) -> Result<Vec<usize>, Problem> {
    let makers = makers(file);
    let makers_of = |index: usize| {
        let inputs = file.node[index].input.iter();
        inputs.filter_map(|name| makers.get(name.as_str()).copied())
    };
    let (mut found, mut open) = (HashSet::new(), vec![]);
    open.extend(makers.get(output(file)?).copied());
    while let Some(index) = open.pop() {
        if found.insert(index) {
            open.extend(makers_of(index));
        }
    }
    let mut waiting: HashMap<usize, usize> = HashMap::new();
    let mut readers: HashMap<usize, Vec<usize>> = HashMap::new();
    for &index in &found {
        waiting.insert(index, makers_of(index).count());
        for maker in makers_of(index) {
            readers.entry(maker).or_default().push(index);
        }
    }
    let is_free = |(index, count): (&usize, &usize)| (*count == 0).then_some(Reverse(*index));
    let mut free: BinaryHeap<Reverse<usize>> = waiting.iter().filter_map(is_free).collect();
    let mut order = Vec::with_capacity(found.len());
    while let Some(Reverse(index)) = free.pop() {
        order.push(index);
        for &reader in readers.get(&index).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(&reader) {
                *count -= 1;
                if *count == 0 {
                    free.push(Reverse(reader));
                }
            }
        }
    }
    if order.len() == found.len() {
        return Ok(order);
    }
    let stuck = waiting
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(index, _)| *index);
    let node = stuck.min().and_then(|index| file.node.get(index));
    let name = node
        .and_then(|node| node.output.first())
        .map_or("", String::as_str);
    Err(Problem::field(
        "nodes",
        "nodes that do not depend on themselves (check the file with onnx.checker)",
        format!("a circle through `{name}`"),
    ))
}

/// The one output's name.
fn output(file: &proto::Graph) -> Result<&str, Problem> {
    if let [output] = file.output.as_slice() {
        return Ok(&output.name);
    }
    let names: Vec<&str> = file.output.iter().map(|output| output.name.as_str()).collect();
    Err(Problem::field(
        "outputs",
        "one, the classes' logits or shares: export the network with that output alone",
        if names.is_empty() {
            "none".to_owned()
        } else {
            format!("{}: {}", names.len(), names.join(", "))
        },
    ))
}

/// The node that makes each value.
fn makers(file: &proto::Graph) -> HashMap<&str, usize> {
    let nodes = file.node.iter().enumerate();
    let outputs = nodes.flat_map(|(index, node)| node.output.iter().map(move |name| (name.as_str(), index)));
    outputs.filter(|(name, _)| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(nodes: &[(&str, &str)], output: &str) -> proto::Graph {
        let node = |(input, output): &(&str, &str)| proto::Node {
            input: vec![(*input).into()],
            output: vec![(*output).into()],
            ..proto::Node::default()
        };
        proto::Graph {
            node: nodes.iter().map(node).collect(),
            output: vec![proto::ValueInfo {
                name: output.into(),
                r#type: None,
            }],
            ..proto::Graph::default()
        }
    }

    #[test]
    fn nodes_come_after_what_they_read() {
        let sorted = graph(&[("x", "a"), ("a", "b"), ("a", "unused"), ("b", "c")], "c");
        assert_eq!(needed(&sorted).unwrap(), [0, 1, 3]);
        let backwards = graph(&[("b", "c"), ("a", "b"), ("x", "a")], "c");
        assert_eq!(needed(&backwards).unwrap(), [2, 1, 0]);
    }

    #[test]
    fn circles_are_named() {
        let circle = graph(&[("b", "a"), ("a", "b")], "b");
        assert!(
            needed(&circle)
                .unwrap_err()
                .to_string()
                .contains("circle through `a`")
        );
    }
}
