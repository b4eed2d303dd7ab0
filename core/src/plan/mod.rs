//! What lies where in the arena, and when: offsets and sizes from shapes alone. No kernel is imported here, and no parameter
//! is read.
//!
//! A step reads one map and writes or appends to one. Every map has a name, a place, and a life from the step that starts it to
//! the last step that reads it. In a chain of blocks only neighbours live at the same time, and one rule places them: the
//! next block's map starts below the last one's, at the smallest distance at which a transition overwrites nothing that
//! it has still to read. A step's scratch (line buffer, ring) lies directly above its maps, and its window, into which coded
//! weights are decoded, above that.
#![forbid(unsafe_code)]

mod map;
mod overlap;
mod stage;
mod step;
mod window;

pub use map::Map;
pub use stage::Stage;
pub use step::{HeadStep, LayerStep, Life, Output, StemStep, Step, TransitionStep};
pub use window::Window;

#[cfg(feature = "coded")]
use crate::codec::Codec;
use crate::layout::{self, GROUP, Order, TILE, stride};
use crate::model::Model;
use crate::shape::{Shape, StageShape, StemPool, StemShape};
use window::above;

/// The plan of one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Bytes of arena.
    pub arena_len: usize,
    /// Number of the step that needs them: 0 is the stem.
    pub peak: usize,
    /// Offset of the first block's map.
    first: usize,
}

impl Plan {
    /// Plans the network of a model, as [`Plan::new`] does.
    pub fn of(model: &Model<'_>) -> Option<Self> {
        let header = model.header();
        Self::new(header.order, header.input, &header.stem, model.records())
    }

    /// Plans a network: stages with their codecs, or as shapes with raw weights, which `order` does not matter for. `None` if a size
    /// does not fit into half of `usize`, or the stem leaves nothing.
    pub fn new<S>(order: Order, input: Shape, stem: &StemShape, stages: S) -> Option<Self>
    where
        S: Iterator<Item: Into<Stage>> + Clone,
    {
        check(order, input, stem, stages.clone().map(Into::into))?;
        let unplaced = Steps {
            offset: 0,
            ..Steps::start(order, input, stem, stages.clone())?
        };
        let first = unplaced.map(|step| descent(&step)).sum();
        let mut plan = Self {
            arena_len: 0,
            peak: 0,
            first,
        };
        for (index, step) in plan.steps(order, input, stem, stages)?.enumerate() {
            if step.end() > plan.arena_len {
                plan.arena_len = step.end();
                plan.peak = index;
            }
        }
        Some(plan)
    }

    /// The steps in order: the stem's, then one per stage. The arguments are those of [`Plan::new`].
    pub fn steps<S>(&self, order: Order, input: Shape, stem: &StemShape, stages: S) -> Option<Steps<S>>
    where
        S: Iterator<Item: Into<Stage>> + Clone,
    {
        Some(Steps {
            offset: self.first,
            ..Steps::start(order, input, stem, stages)?
        })
    }

    /// Every map with its life, in the order in which they start. The arguments are those of [`Plan::new`].
    pub fn lives<S>(
        &self,
        order: Order,
        input: Shape,
        stem: &StemShape,
        stages: S,
    ) -> Option<impl Iterator<Item = Life>>
    where
        S: Iterator<Item: Into<Stage>> + Clone,
    {
        let steps = self.steps(order, input, stem, stages)?;
        let starts = steps.clone().enumerate().filter_map(|(first, step)| {
            let map = *step.writes()?;
            let is_new = step.reads().is_none_or(|read| read.name != map.name);
            is_new.then_some((first, map))
        });
        Some(starts.map(move |(first, map)| {
            let reads = |step: &Step| step.reads().is_some_and(|read| read.name == map.name);
            let readers = steps.clone().enumerate().filter(|(_, step)| reads(step));
            let last = readers.last().map_or(first, |(last, _)| last);
            Life {
                map,
                steps: first..=last,
            }
        }))
    }
}

/// How much lower the map that this step starts lies than the one it reads.
fn descent(step: &Step) -> usize {
    match step {
        Step::Transition(TransitionStep { from, to, .. }) => overlap::gap(from, to),
        _ => 0,
    }
}

/// Whether a map with room for `widest` channels, borders and windows stays far enough below `usize`.
#[inline(never)]
fn is_bounded(shape: Shape, widest: usize) -> Option<()> {
    let pixels = shape
        .height
        .checked_add(8)?
        .checked_mul(shape.width.checked_add(16)?)?;
    let bytes = pixels.checked_mul(widest.checked_add(GROUP)?)?.checked_mul(64)?;
    (bytes <= usize::MAX / 4).then_some(())
}

/// Whether all sizes stay far enough below `usize` that the plan's sums cannot pass it.
fn check(
    #[cfg_attr(not(feature = "coded"), expect(unused_variables))] order: Order,
    input: Shape,
    stem: &StemShape,
    stages: impl Iterator<Item = Stage>,
) -> Option<()> {
    let window = stem.kernel_height.checked_mul(stem.kernel_width)?;
    is_bounded(input, input.channels.checked_mul(window)?)?;
    is_bounded(stem.convolved(input)?, stem.filters)?;
    let mut shape = stem.output(input)?;
    for stage in stages {
        #[cfg(feature = "coded")]
        if stage.codecs != [Codec::Raw; 2] {
            let [first, second] = layout::stage_weights(order, stage.shape, shape)?;
            (first.checked_add(second)? <= usize::MAX / 8).then_some(())?;
        }
        match stage.shape {
            StageShape::Layer { bottleneck, growth } => {
                shape.channels = shape.channels.checked_add(growth)?;
                is_bounded(shape, shape.channels.max(bottleneck.unwrap_or(0)))?;
            }
            StageShape::Transition { filters } => shape = shape.pooled(filters),
            StageShape::Head { classes } => is_bounded(
                Shape {
                    height: 1,
                    width: 1,
                    channels: classes,
                },
                classes,
            )?,
        }
        is_bounded(shape, shape.channels)?;
    }
    Some(())
}

/// The steps of a plan, in order.
#[derive(Clone, Debug)]
pub struct Steps<S> {
    /// What comes before the first stage.
    stem: Option<(Shape, StemShape)>,
    stages: S,
    #[cfg(feature = "coded")]
    order: Order,
    /// Name and offset of the current block's map.
    block: usize,
    offset: usize,
    /// The map as far as it is computed.
    shape: Shape,
    /// The current block's finished channels.
    channels: usize,
}

impl<S: Iterator<Item: Into<Stage>> + Clone> Steps<S> {
    fn start(
        #[cfg_attr(not(feature = "coded"), expect(unused_variables))] order: Order,
        input: Shape,
        stem: &StemShape,
        stages: S,
    ) -> Option<Self> {
        let shape = stem.output(input)?;
        let channels = finished(shape.channels, stages.clone());
        Some(Self {
            stem: Some((input, *stem)),
            stages,
            #[cfg(feature = "coded")]
            order,
            block: 0,
            offset: 0,
            shape,
            channels,
        })
    }

    #[inline(never)]
    fn block_map(&self) -> Map {
        Map {
            name: self.block,
            offset: self.offset,
            shape: Shape {
                channels: self.channels,
                ..self.shape
            },
            stride: stride(self.channels),
        }
    }

    fn stem(&self, input: Shape, stem: &StemShape) -> Option<StemStep> {
        let to = self.block_map();
        let convolved = stem.convolved(input)?;
        let filter_len = stride(stem.kernel_height * stem.kernel_width * input.channels);
        let row_len = (input.width + stem.pad_left + stem.pad_right) * input.channels;
        let pool_len = if stem.pool != StemPool::None {
            3 * convolved.width * stride(stem.filters)
        } else {
            0
        };
        let line = above(to.end(), layout::line_len(TILE, filter_len));
        let pool = above(line.end, pool_len);
        let ring = above(pool.end, stem.kernel_height * row_len);
        Some(StemStep {
            to,
            convolved: convolved.height,
            line,
            pool,
            ring,
        })
    }

    /// The window of a stage that reads a map of shape `input`, in a step that ends at `end` without it.
    #[cfg(feature = "coded")]
    fn window(&self, stage: &Stage, input: Shape, idle: usize, end: usize) -> Window {
        // The same numbers fitted when they were checked.
        let lens = layout::stage_weights(self.order, stage.shape, input).unwrap_or([0; 2]);
        Window::new(stage.codecs, lens, idle, end)
    }

    #[cfg(not(feature = "coded"))]
    fn window(&self, _: &Stage, _: Shape, _: usize, _: usize) -> Window {
        Window {}
    }

    fn layer(&mut self, stage: &Stage, bottleneck: Option<usize>, growth: usize) -> LayerStep {
        let map = self.block_map();
        let channels = self.shape.channels;
        let tap_rows = self.shape.tap_rows();
        let ring_stride = stride(bottleneck.unwrap_or(channels));
        let line = above(map.end(), layout::layer_line_len(channels, bottleneck, tap_rows));
        let ring = above(line.end, tap_rows * (self.shape.width + 2) * ring_stride);
        let window = self.window(stage, self.shape, line.start, ring.end);
        self.shape.channels += growth;
        LayerStep {
            map,
            channels,
            line,
            ring,
            window,
        }
    }

    fn transition(&mut self, stage: &Stage, filters: usize) -> TransitionStep {
        let from = self.block_map();
        self.block += 1;
        self.shape = self.shape.pooled(filters);
        self.channels = finished(filters, self.stages.clone());
        let mut to = self.block_map();
        to.offset = self.offset.saturating_sub(overlap::gap(&from, &to));
        self.offset = to.offset;
        let line_len = layout::line_len(TILE, from.stride);
        let line = above(from.end().max(to.end()), line_len);
        TransitionStep {
            window: self.window(stage, from.shape, line.start, line.end),
            from,
            to,
            line,
        }
    }

    fn head(&self, stage: &Stage, classes: usize) -> HeadStep {
        let from = self.block_map();
        let sums = above(from.end(), 4 * from.stride);
        let logits = above(sums.end, 4 * classes);
        HeadStep {
            from,
            window: self.window(stage, from.shape, sums.start, logits.end),
            sums,
            output: Output::Logits(logits),
        }
    }
}

impl<S: Iterator<Item: Into<Stage>> + Clone> Iterator for Steps<S> {
    type Item = Step;

    // Once per stage, and its frame is best not part of a larger one.
    #[inline(never)]
    fn next(&mut self) -> Option<Step> {
        if let Some((input, stem)) = self.stem.take() {
            return self.stem(input, &stem).map(Step::Stem);
        }
        let stage = &self.stages.next()?.into();
        Some(match stage.shape {
            StageShape::Layer { bottleneck, growth } => Step::Layer(self.layer(stage, bottleneck, growth)),
            StageShape::Transition { filters } => Step::Transition(self.transition(stage, filters)),
            StageShape::Head { classes } => Step::Head(self.head(stage, classes)),
        })
    }
}

/// Channels of a block that starts with `channels`, after its layers.
fn finished(channels: usize, stages: impl Iterator<Item: Into<Stage>>) -> usize {
    let growths = stages.map_while(|stage| match stage.into().shape {
        StageShape::Layer { growth, .. } => Some(growth),
        _ => None,
    });
    channels + growths.sum::<usize>()
}
