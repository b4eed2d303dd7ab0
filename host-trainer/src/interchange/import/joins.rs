//! The joins of a graph, taken apart into the nodes that made their channels.

use super::error::Problem;
use super::graph::{Graph, Op};
use std::collections::HashMap;

/// Pieces all joins of a graph may have together.
const MOST_PIECES: usize = 1 << 22;

/// Every join, taken apart into the nodes that made its channels.
pub(super) struct Joins<'g> {
    pub(super) graph: &'g Graph,
    pub(super) readers: &'g [Vec<usize>],
    /// Per node: the nodes that computed its channels, in the order of the file; empty for nodes that are not joins.
    pub(super) pieces: Vec<Vec<usize>>,
    /// The joins of a set of makers, by the sorted set.
    pub(super) by_set: HashMap<Vec<usize>, Vec<usize>>,
}

impl<'g> Joins<'g> {
    pub(super) fn new(graph: &'g Graph, readers: &'g [Vec<usize>]) -> Result<Self, Problem> {
        let mut pieces: Vec<Vec<usize>> = vec![Vec::new(); graph.nodes.len()];
        let mut by_set: HashMap<Vec<usize>, Vec<usize>> = HashMap::new();
        let mut left = MOST_PIECES;
        for (number, node) in graph.nodes.iter().enumerate() {
            if node.op != Op::Concat || (readers[number].is_empty() && number != graph.output) {
                continue;
            }
            let mut all = Vec::new();
            for &input in &node.inputs {
                if pieces[input].is_empty() {
                    all.push(input);
                } else {
                    all.extend_from_slice(&pieces[input]);
                }
            }
            left = left.checked_sub(all.len()).ok_or_else(|| {
                Problem::field("joins", format!("at most {MOST_PIECES} pieces in all"), "more")
            })?;
            let mut set = all.clone();
            set.sort_unstable();
            if let Some(pair) = set.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(Problem::node(
                    &node.name,
                    &node.what,
                    format!("it joins `{}` twice", graph.nodes[pair[0]].name),
                    "join every feature map once",
                ));
            }
            by_set.entry(set).or_default().push(number);
            pieces[number] = all;
        }
        Ok(Self {
            graph,
            readers,
            pieces,
            by_set,
        })
    }

    pub(super) fn is_join(&self, number: usize) -> bool {
        !self.pieces[number].is_empty()
    }
}
