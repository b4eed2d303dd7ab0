//! A network's shapes in core's words: what is planned, counted and packed. After the spec.

use super::Spec;
use denselet::Model;
use denselet::format::Kind;
use denselet::layout::Order;
use denselet::plan::{Plan, Stage, Step};
use denselet::shape::{Shape, StageShape, StemShape};

/// A network's shapes as the device knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Input image.
    pub input: Shape,
    /// First convolution.
    pub stem: StemShape,
    /// Every stage after it, with the codecs of its weights: raw, unless it comes from a blob.
    pub stages: Vec<Stage>,
    /// Order of the weights, which the places of coded ones depend on.
    pub order: Order,
}

impl Geometry {
    /// The shapes of a spec.
    pub fn of(spec: &Spec) -> Self {
        let is_line = spec.input.height == 1;
        let stem = &spec.stem;
        let mut stages = Vec::new();
        for block in &spec.blocks {
            let layers = block.layers.iter();
            stages.extend(layers.map(|layer| StageShape::Layer {
                bottleneck: layer.bottleneck,
                growth: layer.growth,
            }));
            stages.extend(block.transition.map(|filters| StageShape::Transition { filters }));
        }
        stages.push(StageShape::Head {
            classes: spec.classes,
        });
        let stages = stages.into_iter().map(Stage::from).collect();
        Self {
            input: Shape {
                height: spec.input.height,
                width: spec.input.width,
                channels: spec.input.channels,
            },
            stem: StemShape {
                kernel_height: stem.kernel_height,
                kernel_width: stem.kernel_width,
                stride_y: if is_line { 1 } else { stem.stride },
                stride_x: stem.stride,
                pad_top: stem.pad_top,
                pad_left: stem.pad_left,
                pad_bottom: stem.pad_bottom,
                pad_right: stem.pad_right,
                pool: stem.pooling(),
                filters: stem.filters,
            },
            stages,
            order: Order::Plain,
        }
    }

    /// The shapes of a blob's network.
    pub fn of_model(model: &Model<'_>) -> Self {
        let header = model.header();
        Self {
            input: header.input,
            stem: header.stem,
            stages: model.records().map(Stage::from).collect(),
            order: header.order,
        }
    }

    /// Where everything lies in the arena; `None` if the network is too large for this machine.
    pub fn plan(&self) -> Option<Plan> {
        Plan::new(self.order, self.input, &self.stem, self.stages.iter().copied())
    }

    /// The steps of its plan, the stem's first.
    pub fn steps(&self, plan: &Plan) -> Option<impl Iterator<Item = Step>> {
        plan.steps(self.order, self.input, &self.stem, self.stages.iter().copied())
    }

    /// Every stage with the shape of the map it reads.
    pub fn walk(&self) -> Vec<(Kind, Shape)> {
        let mut shape = self.input;
        let kinds = [Kind::Stem(self.stem)]
            .into_iter()
            .chain(self.stages.iter().map(|stage| Kind::Stage(stage.shape)));
        let walk = kinds.map(|kind| {
            let input = shape;
            shape = match kind {
                Kind::Stem(stem) => stem.output(shape).unwrap_or(shape),
                Kind::Stage(StageShape::Layer { growth, .. }) => Shape {
                    channels: shape.channels + growth,
                    ..shape
                },
                Kind::Stage(StageShape::Transition { filters }) => shape.pooled(filters),
                Kind::Stage(StageShape::Head { .. }) => shape,
            };
            (kind, input)
        });
        walk.collect()
    }
}
