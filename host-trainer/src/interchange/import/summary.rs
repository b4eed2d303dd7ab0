//! What was found in a file, part by part, for people.

use crate::net::{Network, Role};
use crate::spec::{Block, Geometry, Macs, Map};
use serde::Serialize;

/// One part of a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Stem, block, transition or head.
    pub name: String,
    /// What it is made of.
    pub what: String,
    /// Height, width, channels of the map it leaves.
    pub leaves: [usize; 3],
    /// Weights, biases, batch-norm scales and offsets.
    pub params: usize,
    /// Multiply-accumulates of one image, as trained.
    pub macs: u64,
}

/// The parts of a network in order.
pub fn summary(network: &Network) -> Vec<Part> {
    let spec = &network.spec;
    let maps = spec.maps();
    let params = params(network);
    let named = |prefix: &str| -> usize {
        let own = params.iter().filter(|(name, _)| name.starts_with(prefix));
        own.map(|(_, count)| count).sum()
    };
    let leaves = |map: Map| [map.height, map.width, map.channels];
    let stem = &spec.stem;
    let mut stages = Geometry::of(spec).walk().into_iter();
    let mut macs = |count: usize| -> u64 {
        let next = stages.by_ref().take(count);
        next.map(|(kind, input)| Macs::of(kind, input).as_trained).sum()
    };
    let mut first = maps.stem;
    if let Some(block) = maps.blocks.first().zip(spec.blocks.first()) {
        first = Map {
            channels: stem.filters,
            ..*block.0
        };
    }
    let mut parts = vec![Part {
        name: "stem".into(),
        what: stem_text(network),
        leaves: leaves(first),
        params: named("stem."),
        macs: macs(1),
    }];
    for (b, (block, map)) in spec.blocks.iter().zip(&maps.blocks).enumerate() {
        parts.push(Part {
            name: format!("block {}", b + 1),
            what: block_text(block),
            leaves: leaves(*map),
            params: named(&format!("blocks.{b}.layers.")),
            macs: macs(block.layers.len()),
        });
        if let Some(outputs) = block.transition {
            parts.push(Part {
                name: format!("transition {}", b + 1),
                what: format!("conv 1x1 to {outputs} channels, average 2x2"),
                leaves: leaves(map.halved(outputs)),
                params: named(&format!("blocks.{b}.transition.")),
                macs: macs(1),
            });
        }
    }
    let norm = if spec.final_norm { "norm, ReLU, " } else { "" };
    parts.push(Part {
        name: "head".into(),
        what: format!("{norm}global average, {} classes", spec.classes),
        leaves: [1, 1, spec.classes],
        params: named("final_norm.") + named("head."),
        macs: macs(1),
    });
    parts
}

/// Trained numbers by tensor.
fn params(network: &Network) -> Vec<(String, usize)> {
    let mut network = network.clone();
    let tensors = network.tensors().into_iter();
    tensors
        .filter(|tensor| tensor.role != Role::Statistic)
        .map(|tensor| (tensor.name, tensor.values.len()))
        .collect()
}

fn stem_text(network: &Network) -> String {
    let stem = &network.spec.stem;
    let mut text = format!(
        "conv {}x{}, {} filters",
        stem.kernel_height, stem.kernel_width, stem.filters
    );
    if stem.stride != 1 {
        text += &format!(", stride {}", stem.stride);
    }
    let pads = [stem.pad_top, stem.pad_left, stem.pad_bottom, stem.pad_right];
    text += &match pads {
        [0, 0, 0, 0] => ", no padding".to_owned(),
        [top, left, bottom, right] if top == left && top == bottom && top == right => {
            format!(", padding {top}")
        }
        [top, left, bottom, right] => format!(", padding {top} {left} {bottom} {right}"),
    };
    if stem.norm {
        text += ", norm, ReLU";
    }
    if stem.pool {
        text += if stem.pool_same {
            ", max pool 3x3 padded as `same`"
        } else {
            ", max pool 3x3"
        };
    }
    text
}

fn block_text(block: &Block) -> String {
    let widths: Vec<usize> = block.layers.iter().map(|layer| layer.growth).collect();
    let bottlenecks: Vec<usize> = block
        .layers
        .iter()
        .map(|layer| layer.bottleneck.unwrap_or(0))
        .collect();
    let mut text = format!("layers of {}", listed(&widths));
    if bottlenecks.iter().any(|width| *width > 0) {
        text += &format!(", bottleneck {}", listed(&bottlenecks));
    }
    text
}

/// `6 x 32` where all are, else every one.
fn listed(values: &[usize]) -> String {
    if values.windows(2).all(|pair| pair[0] == pair[1]) {
        return values
            .first()
            .map_or_else(|| "nothing".into(), |value| format!("{} x {value}", values.len()));
    }
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Normalisation;
    use crate::spec::Spec;

    #[test]
    fn parts_sum_to_the_whole() {
        for name in ["digits", "d3", "d4", "d5", "article", "densenet-121"] {
            let spec = Spec::load(name).unwrap();
            let channels = spec.input.channels;
            let input = Normalisation {
                mean: vec![0.0; channels],
                std: vec![1.0; channels],
            };
            let parts = summary(&Network::new(&spec, input, 1));
            assert_eq!(
                parts.iter().map(|part| part.params).sum::<usize>(),
                spec.parameters(),
                "{name}"
            );
            assert_eq!(
                parts.iter().map(|part| part.macs).sum::<u64>(),
                spec.macs(),
                "{name}"
            );
        }
    }

    #[test]
    fn widths_are_told_as_they_grow() {
        let spec = Spec::load("article").unwrap();
        assert_eq!(block_text(&spec.blocks[0]), "layers of 16, 32, 48, 64");
        let spec = Spec::load("densenet-121").unwrap();
        assert_eq!(
            block_text(&spec.blocks[0]),
            "layers of 6 x 32, bottleneck 6 x 128"
        );
    }
}
