//! Finds the DenseNet in a simplified graph by its structure: stem, dense blocks, layers, transitions, head. Names play no
//! part. After `simplify`, before `assemble`.
//!
//! What is found is node numbers and, for everything that reads a block, the order in which the file joins its channels.

use super::chain::Chain;
use super::error::Problem;
use super::found::{Found, FoundBlock, FoundLayer, FoundTransition, Place, Stage};
use super::graph::Graph;
use super::joins::Joins;
use std::collections::HashMap;

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

impl Joins<'_> {
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
            [] => Err(self.no_reader(chain, newest, sources)),
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

    /// Returns the error of a block that no layer reads as a whole.
    fn no_reader(&self, chain: &Chain<'_>, newest: usize, sources: &[usize]) -> Problem {
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
            (Some(piece), _) => format!("it joins {}, which is not part of its block", name(piece)),
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
        Err(self.no_reader(chain, conv, &all))
    }
}
