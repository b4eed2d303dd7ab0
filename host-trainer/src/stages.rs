//! A DenseNet as one list of stages: the list that folding, quantising, fine-tuning, packing and exporting map over. After
//! `spec`, before `net`.
//!
//! Each step has gates and convolutions of its own kind, and the list keeps its form: what holds for every convolution is
//! written once.

use crate::spec::{Geometry, Map, Spec};
use denselet::format::Kind;
use denselet::shape::{Shape, StageShape};

/// One stage, with gates of type `G` and convolutions of type `C`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stage<G, C> {
    /// The first convolution, on raw bytes.
    Stem {
        /// The convolution.
        conv: C,
    },
    /// A dense layer, which appends its outputs to its block's map.
    Layer {
        /// Batch norm and ReLU before the first convolution.
        gate: G,
        /// The 1x1 convolution, if the layer has a bottleneck.
        bottleneck: Option<C>,
        /// The 3x3 convolution.
        conv: C,
    },
    /// A transition from one block to the next.
    Transition {
        /// Batch norm and ReLU before the pooling.
        gate: G,
        /// The 1x1 convolution.
        conv: C,
    },
    /// The head.
    Head {
        /// Batch norm and ReLU before the average.
        gate: G,
        /// The linear layer as a 1x1 convolution.
        conv: C,
    },
}

impl<G, C> Stage<G, C> {
    /// Returns the stage with references to its parts.
    pub fn as_ref(&self) -> Stage<&G, &C> {
        match self {
            Self::Stem { conv } => Stage::Stem { conv },
            Self::Layer {
                gate,
                bottleneck,
                conv,
            } => Stage::Layer {
                gate,
                bottleneck: bottleneck.as_ref(),
                conv,
            },
            Self::Transition { gate, conv } => Stage::Transition { gate, conv },
            Self::Head { gate, conv } => Stage::Head { gate, conv },
        }
    }

    /// Returns the stage with mutable references to its parts.
    pub fn as_mut(&mut self) -> Stage<&mut G, &mut C> {
        match self {
            Self::Stem { conv } => Stage::Stem { conv },
            Self::Layer {
                gate,
                bottleneck,
                conv,
            } => Stage::Layer {
                gate,
                bottleneck: bottleneck.as_mut(),
                conv,
            },
            Self::Transition { gate, conv } => Stage::Transition { gate, conv },
            Self::Head { gate, conv } => Stage::Head { gate, conv },
        }
    }

    /// Returns its gate, its bottleneck and its last convolution.
    pub fn into_parts(self) -> (Option<G>, Option<C>, C) {
        match self {
            Self::Stem { conv } => (None, None, conv),
            Self::Layer {
                gate,
                bottleneck,
                conv,
            } => (Some(gate), bottleneck, conv),
            Self::Transition { gate, conv } | Self::Head { gate, conv } => (Some(gate), None, conv),
        }
    }

    /// Returns its convolutions in the order in which they run.
    pub fn convs(&self) -> impl Iterator<Item = &C> {
        let (_, bottleneck, conv) = self.as_ref().into_parts();
        bottleneck.into_iter().chain([conv])
    }

    /// Returns its convolutions in the order in which they run, to be changed.
    pub fn convs_mut(&mut self) -> impl Iterator<Item = &mut C> {
        let (_, bottleneck, conv) = self.as_mut().into_parts();
        bottleneck.into_iter().chain([conv])
    }

    /// Returns its last convolution, whose outputs are the stage's.
    pub fn conv(&self) -> &C {
        self.as_ref().into_parts().2
    }

    /// Turns its gate and its convolutions, in the order in which they run, into others.
    pub fn map<H, D>(self, gate: impl FnOnce(G) -> H, mut conv: impl FnMut(C) -> D) -> Stage<H, D> {
        match self {
            Self::Stem { conv: last } => Stage::Stem { conv: conv(last) },
            Self::Layer {
                gate: before,
                bottleneck,
                conv: last,
            } => Stage::Layer {
                gate: gate(before),
                bottleneck: bottleneck.map(&mut conv),
                conv: conv(last),
            },
            Self::Transition {
                gate: before,
                conv: last,
            } => Stage::Transition {
                gate: gate(before),
                conv: conv(last),
            },
            Self::Head {
                gate: before,
                conv: last,
            } => Stage::Head {
                gate: gate(before),
                conv: conv(last),
            },
        }
    }

    /// Pairs its parts with those of another stage of the same form; `None` if the forms differ.
    pub fn zip<H, D>(self, other: Stage<H, D>) -> Option<Stage<(G, H), (C, D)>> {
        Some(match (self, other) {
            (Self::Stem { conv }, Stage::Stem { conv: other }) => Stage::Stem { conv: (conv, other) },
            (
                Self::Layer {
                    gate,
                    bottleneck,
                    conv,
                },
                Stage::Layer {
                    gate: other_gate,
                    bottleneck: other_bottleneck,
                    conv: other,
                },
            ) if bottleneck.is_some() == other_bottleneck.is_some() => Stage::Layer {
                gate: (gate, other_gate),
                bottleneck: bottleneck.zip(other_bottleneck),
                conv: (conv, other),
            },
            (
                Self::Transition { gate, conv },
                Stage::Transition {
                    gate: other_gate,
                    conv: other,
                },
            ) => Stage::Transition {
                gate: (gate, other_gate),
                conv: (conv, other),
            },
            (
                Self::Head { gate, conv },
                Stage::Head {
                    gate: other_gate,
                    conv: other,
                },
            ) => Stage::Head {
                gate: (gate, other_gate),
                conv: (conv, other),
            },
            _ => return None,
        })
    }
}

/// The position of a stage in its network, and the maps around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// Number of the block whose map the stage writes; for the head, the one that it reads.
    pub block: usize,
    /// Number of the layer in its block; for other stages, the layers before the stage.
    pub layer: usize,
    /// The map that it reads, with the channels that exist so far.
    pub input: Map,
    /// The map after it; the head's is that of its classes.
    pub output: Map,
}

impl Location {
    /// Returns the position of every stage of a network, in the order in which they run.
    pub fn all(spec: &Spec) -> Vec<Self> {
        let walk = Geometry::of(spec).walk();
        let maps = spec.maps();
        let (mut block, mut layer) = (0, 0);
        let positions = walk.into_iter().map(|(kind, input)| {
            let input = map(input);
            let here = Self {
                block,
                layer,
                input,
                output: input,
            };
            match kind {
                Kind::Stem(stem) => Self {
                    output: Map {
                        channels: stem.filters,
                        ..maps.blocks.first().copied().unwrap_or(maps.head)
                    },
                    ..here
                },
                Kind::Stage(StageShape::Layer { growth, .. }) => {
                    layer += 1;
                    Self {
                        output: Map {
                            channels: input.channels + growth,
                            ..input
                        },
                        ..here
                    }
                }
                Kind::Stage(StageShape::Transition { filters }) => {
                    (block, layer) = (block + 1, 0);
                    Self {
                        block,
                        output: input.halved(filters),
                        ..here
                    }
                }
                Kind::Stage(StageShape::Head { classes }) => Self {
                    output: Map {
                        height: 1,
                        width: 1,
                        channels: classes,
                    },
                    ..here
                },
            }
        });
        positions.collect()
    }

    /// The name of a stage at this position in files: `stem`, `blocks.0.layers.2`, `blocks.0.transition`, `head`.
    pub fn name<G, C>(&self, stage: &Stage<G, C>) -> String {
        match stage {
            Stage::Stem { .. } => "stem".into(),
            Stage::Layer { .. } => format!("blocks.{}.layers.{}", self.block, self.layer),
            Stage::Transition { .. } => format!("blocks.{}.transition", self.block - 1),
            Stage::Head { .. } => "head".into(),
        }
    }
}

fn map(shape: Shape) -> Map {
    Map {
        height: shape.height,
        width: shape.width,
        channels: shape.channels,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(bottleneck: bool) -> Stage<u8, u8> {
        Stage::Layer {
            gate: 1,
            bottleneck: bottleneck.then_some(2),
            conv: 3,
        }
    }

    #[test]
    fn a_map_keeps_the_form_and_the_order() {
        let mut seen = Vec::new();
        let mapped = layer(true).map(
            |gate| gate * 10,
            |conv| {
                seen.push(conv);
                f32::from(conv)
            },
        );
        assert_eq!(seen, [2, 3]);
        assert_eq!(mapped.convs().copied().collect::<Vec<_>>(), [2.0, 3.0]);
        let mut changed = mapped;
        changed.convs_mut().for_each(|conv| *conv += 1.0);
        assert_eq!(changed.convs().copied().collect::<Vec<_>>(), [3.0, 4.0]);
        assert_eq!(mapped.into_parts(), (Some(10), Some(2.0), 3.0));
    }

    #[test]
    fn stages_of_other_forms_do_not_pair() {
        assert!(layer(true).zip(layer(true)).is_some());
        assert!(layer(true).zip(layer(false)).is_none());
        assert!(layer(true).zip(Stage::Head { gate: 1, conv: 3 }).is_none());
    }

    #[test]
    fn positions_are_those_of_the_maps() {
        for name in crate::spec::presets() {
            let spec = Spec::load(name).unwrap();
            let (maps, all) = (spec.maps(), Location::all(&spec));
            assert_eq!(all.last().unwrap().input, maps.head, "{name}");
            for pair in all.windows(2) {
                assert_eq!(pair[0].output, pair[1].input, "{name}");
            }
            for (block, map) in maps.blocks.iter().enumerate() {
                let last = all.iter().rfind(|position| position.block == block).unwrap();
                let reached = if last.output.channels == spec.classes {
                    last.input
                } else {
                    last.output
                };
                assert_eq!(reached, *map, "{name}");
            }
        }
    }
}
