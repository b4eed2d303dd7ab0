//! Finds the DenseNet in a simplified graph by its structure: stem, dense blocks, layers, transitions, head. Names play no
//! part. After `simplify`, before `assemble`; belongs to `import`.
//!
//! What is found is node numbers and, for everything that reads a block, the order in which the file joins its channels.

use super::chain::Chain;
use super::error::Problem;
use super::graph::{Affine, Graph, Op};
use denselet::shape::StemPool;
use std::collections::HashMap;

/// Pieces all joins of a graph may have together.
const MOST_PIECES: usize = 1 << 22;

/// What stands in front of a ReLU: the node that scales and shifts, if any.
pub(super) type Gate = Option<usize>;

/// The parts of a network, by node.
#[derive(Debug)]
pub(super) struct Found {
    /// What happens to a picture in front of the stem's convolution; `None`: nothing.
    pub(super) input: Option<Affine>,
    /// The first convolution.
    pub(super) stem: usize,
    /// In front of the ReLU behind it, where there is one.
    pub(super) stem_gate: Option<Gate>,
    /// The max pool behind that.
    pub(super) pool: StemPool,
    /// Dense blocks in order.
    pub(super) blocks: Vec<FoundBlock>,
    /// Channels of the file's order, in ours, that the head reads.
    pub(super) head_order: Vec<usize>,
    /// In front of the ReLU before the average, where there is one.
    pub(super) head_gate: Option<Gate>,
    /// The linear layer.
    pub(super) head: usize,
    /// What the file's network makes of the logits.
    pub(super) ending: Ending,
    /// Whether it has one score for two classes.
    pub(super) one_score: bool,
}

/// One block.
#[derive(Debug, Default)]
pub(super) struct FoundBlock {
    pub(super) layers: Vec<FoundLayer>,
    pub(super) transition: Option<FoundTransition>,
}

/// What ends a block.
#[derive(Debug)]
pub(super) struct FoundTransition {
    /// Our channel `c` is the file's channel `order[c]`.
    pub(super) order: Vec<usize>,
    pub(super) before: Before,
    pub(super) conv: usize,
}

/// What stands between a block and its transition's convolution.
#[derive(Debug)]
pub(super) enum Before {
    /// A ReLU.
    Relu(Gate),
    /// Nothing but what scales and shifts, in the file's order of channels.
    Linear(Option<Affine>),
}

/// A dense layer.
#[derive(Debug)]
pub(super) struct FoundLayer {
    /// Our channel `c` is the file's channel `order[c]`.
    pub(super) order: Vec<usize>,
    pub(super) gate: Gate,
    /// The 1x1, and what stands in front of the ReLU behind it.
    pub(super) bottleneck: Option<(usize, Gate)>,
    pub(super) conv: usize,
}

/// What a network ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Logits.
    Logits,
    /// Shares that sum to one.
    Softmax,
    /// Their logarithms.
    LogSoftmax,
    /// The probability of the second of two classes, from one score.
    Sigmoid,
}

/// Finds the parts of a network.
pub(super) fn find(graph: &Graph) -> Result<Found, Problem> {
    let readers = graph.readers();
    let joins = Joins::new(graph, &readers)?;
    let chain = Chain::new(graph, &readers);
    let (input, stem) = chain.input()?;
    let (stem_gate, pool, mut at) = chain.stem(stem)?;
    let mut blocks = Vec::new();
    let mut block = FoundBlock::default();
    let mut sources = vec![at];
    loop {
        let (reader, order) = joins.reader(&chain, &sources)?;
        let place = if blocks.is_empty() && block.layers.is_empty() {
            Place::Stem
        } else {
            Place::Block
        };
        match chain.stage(reader, place)? {
            Stage::Layer {
                gate,
                bottleneck,
                conv,
            } => {
                joins.check_joined(&chain, conv, &sources)?;
                block.layers.push(FoundLayer {
                    order,
                    gate,
                    bottleneck,
                    conv,
                });
                sources.push(conv);
            }
            Stage::Transition { before, conv, end } => {
                block.transition = Some(FoundTransition { order, before, conv });
                blocks.push(core::mem::take(&mut block));
                at = end;
                sources = vec![at];
            }
            Stage::Head { gate, linear } => {
                if !block.layers.is_empty() {
                    blocks.push(block);
                }
                if blocks.iter().all(|block| block.layers.is_empty()) {
                    return Err(chain.refuse(
                        linear,
                        "there is no dense layer before it",
                        "import a network whose layers are joined (Concat) with what they read",
                    ));
                }
                let (ending, last) = chain.ending(linear)?;
                chain.check_all_used(last, &joins)?;
                return Ok(Found {
                    input,
                    stem,
                    stem_gate,
                    pool,
                    blocks,
                    head_order: order,
                    head_gate: gate,
                    head: linear,
                    ending,
                    one_score: graph.nodes[linear].map.channels == 1,
                });
            }
        }
    }
}

/// Where a walk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// After the stem: no dense layer was found yet.
    Stem,
    /// In a dense block, or after one.
    Block,
}

/// What reads a block.
#[derive(Debug)]
pub(super) enum Stage {
    Layer {
        gate: Gate,
        bottleneck: Option<(usize, Gate)>,
        conv: usize,
    },
    Transition {
        before: Before,
        conv: usize,
        /// The node whose map starts the next block.
        end: usize,
    },
    Head {
        gate: Option<Gate>,
        linear: usize,
    },
}

/// Every join, taken apart into the nodes that made its channels.
pub(super) struct Joins<'g> {
    graph: &'g Graph,
    readers: &'g [Vec<usize>],
    /// Per node: who made its channels, in the file's order; nothing for nodes that are no join.
    pieces: Vec<Vec<usize>>,
    /// The joins of a set of makers, by the sorted set.
    by_set: HashMap<Vec<usize>, Vec<usize>>,
}

impl<'g> Joins<'g> {
    fn new(graph: &'g Graph, readers: &'g [Vec<usize>]) -> Result<Self, Problem> {
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

    /// The one node that reads what `sources` made together, and the order in which it sees the channels.
    fn reader(&self, chain: &Chain<'_>, sources: &[usize]) -> Result<(usize, Vec<usize>), Problem> {
        let mut found = Vec::new();
        let mut look = |value: usize| {
            let readers = self.readers[value].iter().copied();
            found.extend(readers.filter(|&r| !self.is_join(r)).map(|r| (r, value)));
        };
        if let [one] = sources {
            look(*one);
        } else {
            let mut set = sources.to_vec();
            set.sort_unstable();
            for &join in self.by_set.get(&set).into_iter().flatten() {
                look(join);
            }
        }
        let newest = sources[sources.len() - 1];
        match found.as_slice() {
            [(reader, value)] => Ok((*reader, self.order(*value, sources))),
            [] => Err(self.nobody(chain, newest, sources)),
            [(first, _), (second, _), ..] => Err(chain.refuse(
                *second,
                &format!(
                    "it reads the same feature map as `{}`",
                    self.graph.nodes[*first].name
                ),
                "a block's feature map is read by one layer at a time: remove the second branch",
            )),
        }
    }

    /// Why nothing reads the whole block.
    fn nobody(&self, chain: &Chain<'_>, newest: usize, sources: &[usize]) -> Problem {
        let join = self.readers[newest].iter().find(|&&reader| self.is_join(reader));
        let Some(&join) = join else {
            return chain.refuse(
                newest,
                "the network ends here, without a head",
                "end it in a global average and a fully connected layer",
            );
        };
        let name = |number: &usize| format!("`{}`", self.graph.nodes[*number].name);
        let stranger = self.pieces[join].iter().find(|piece| !sources.contains(piece));
        let missing = sources.iter().find(|source| !self.pieces[join].contains(source));
        let why = match (stranger, missing) {
            (Some(piece), _) => format!("it joins {}, which is no part of its block", name(piece)),
            (None, Some(source)) => format!("it leaves out {}", name(source)),
            (None, None) => "nothing but further joins reads it".to_owned(),
        };
        chain.refuse(
            join,
            &why,
            "a dense layer's output is joined with everything its block made before",
        )
    }

    /// Our channel `c` is channel `order[c]` of `value`.
    fn order(&self, value: usize, sources: &[usize]) -> Vec<usize> {
        let own = [value];
        let pieces: &[usize] = if self.is_join(value) {
            &self.pieces[value]
        } else {
            &own
        };
        let mut starts = HashMap::new();
        let mut start = 0;
        for &piece in pieces {
            starts.insert(piece, start);
            start += self.graph.nodes[piece].map.channels;
        }
        let runs = sources.iter().map(|source| {
            let start = starts.get(source).copied().unwrap_or(0);
            start..start + self.graph.nodes[*source].map.channels
        });
        runs.flatten().collect()
    }

    /// A layer's output must be read by joins only, and joined with the whole block by one of them.
    fn check_joined(&self, chain: &Chain<'_>, conv: usize, sources: &[usize]) -> Result<(), Problem> {
        if let Some(&other) = self.readers[conv].iter().find(|&&reader| !self.is_join(reader)) {
            return Err(chain.refuse(
                other,
                &format!(
                    "it reads what layer `{}` made, alone",
                    self.graph.nodes[conv].name
                ),
                "a dense layer's output is only ever read joined with its block",
            ));
        }
        let mut set: Vec<usize> = sources.iter().copied().chain([conv]).collect();
        set.sort_unstable();
        if self.by_set.contains_key(&set) {
            return Ok(());
        }
        let all: Vec<usize> = sources.iter().copied().chain([conv]).collect();
        Err(self.nobody(chain, conv, &all))
    }
}
