//! What lies where in the arena, and when: offsets and sizes from shapes alone. Rank 4: no kernel is called here, and
//! no parameter is read.
//!
//! Block buffers start near the bottom of the arena, each at the smallest offset that keeps a transition from
//! overwriting what it has not read; a stage's scratch (line buffer, ring) lies directly above the buffers it works on. A
//! block buffer is "`height` rows, row `y` at `y mod rows`" with all of its rows present.
#![forbid(unsafe_code)]

mod overlap;

use crate::kernel::{conv1x1, conv3x3, stem, transition};
use crate::layout::{self, GROUP, stride};
use crate::shape::{Shape, StageShape, StemPool, StemShape};
use core::ops::Range;

/// A dense block's memory: `height` rows of `width` pixels of `stride` bytes, from `offset` in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// First byte in the arena.
    pub offset: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels of the finished block.
    pub channels: usize,
    /// Bytes per pixel: the channels rounded up to a multiple of 4.
    pub stride: usize,
}

impl Buffer {
    /// Bytes.
    pub fn len(&self) -> usize {
        self.height * self.width * self.stride
    }

    /// Never true of a planned buffer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// First byte behind it in the arena.
    pub fn end(&self) -> usize {
        self.offset + self.len()
    }

    /// The bytes of row `y` in the arena.
    pub fn row(&self, y: usize) -> Range<usize> {
        let start = self.offset + layout::pixel_offset(self.height, self.width, self.stride, y, 0);
        start..start + self.width * self.stride
    }
}

/// One stage's places in the arena, as byte ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Input rows into the first block buffer.
    Stem {
        /// The first block's buffer.
        to: Buffer,
        /// Line buffer.
        line: Range<usize>,
        /// Three rows of the convolution's output, where a max pool follows; empty without.
        pool: Range<usize>,
        /// As many input rows as the filter has.
        ring: Range<usize>,
    },
    /// A dense layer, inside its block buffer.
    Layer {
        /// The block's buffer.
        buffer: Buffer,
        /// Channels it reads: its slot starts behind them.
        channels: usize,
        /// Line buffer.
        line: Range<usize>,
        /// The clamped or bottleneck rows.
        ring: Range<usize>,
    },
    /// From one block buffer into the next.
    Transition {
        /// The block it reads.
        from: Buffer,
        /// The block it starts.
        to: Buffer,
        /// Line buffer.
        line: Range<usize>,
    },
    /// The last block into logits.
    Head {
        /// The block it reads.
        from: Buffer,
        /// One `i32` sum per channel of the buffer's stride.
        sums: Range<usize>,
        /// One `i32` per class.
        logits: Range<usize>,
    },
}

impl Step {
    /// First byte behind everything this step uses: the arena it needs.
    pub fn end(&self) -> usize {
        match self {
            Self::Stem { ring: last, .. }
            | Self::Layer { ring: last, .. }
            | Self::Transition { line: last, .. }
            | Self::Head { logits: last, .. } => last.end,
        }
    }
}

/// The plan of one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Bytes of arena.
    pub arena_len: usize,
    /// The step that needs them: 0 the stem, then the stages in order.
    pub peak: usize,
    /// Offset of the first block buffer.
    first: usize,
}

impl Plan {
    /// Plans a network; `None` where a number passes half of `usize`, or the stem leaves nothing.
    pub fn new<S>(input: Shape, stem: &StemShape, stages: S) -> Option<Self>
    where
        S: Iterator<Item = StageShape> + Clone,
    {
        check(input, stem, stages.clone())?;
        let unplaced = Steps {
            offset: 0,
            ..Steps::start(input, stem, stages.clone())?
        };
        let first = unplaced.map(|step| descent(&step)).sum();
        let mut plan = Self {
            arena_len: 0,
            peak: 0,
            first,
        };
        for (index, step) in plan.steps(input, stem, stages)?.enumerate() {
            if step.end() > plan.arena_len {
                plan.arena_len = step.end();
                plan.peak = index;
            }
        }
        Some(plan)
    }

    /// The steps in order: the stem's, then one per stage. The arguments are those of [`Plan::new`].
    pub fn steps<S>(&self, input: Shape, stem: &StemShape, stages: S) -> Option<Steps<S>>
    where
        S: Iterator<Item = StageShape> + Clone,
    {
        Some(Steps {
            offset: self.first,
            ..Steps::start(input, stem, stages)?
        })
    }
}

/// How much lower the block behind this step starts.
fn descent(step: &Step) -> usize {
    match step {
        Step::Transition { from, to, .. } => overlap::gap(from, pool_rows(from), to),
        _ => 0,
    }
}

fn pool_rows(buffer: &Buffer) -> usize {
    Shape {
        height: buffer.height,
        width: buffer.width,
        channels: buffer.channels,
    }
    .pool_rows()
}

/// Whether all sizes stay far enough below `usize` that the plan's sums cannot pass it.
fn check(input: Shape, stem: &StemShape, stages: impl Iterator<Item = StageShape>) -> Option<()> {
    let bytes = |shape: Shape, widest: usize| {
        let pixels = shape
            .height
            .checked_add(8)?
            .checked_mul(shape.width.checked_add(16)?)?;
        let bytes = pixels.checked_mul(widest.checked_add(GROUP)?)?.checked_mul(64)?;
        (bytes <= usize::MAX / 4).then_some(())
    };
    let window = stem.kernel_height.checked_mul(stem.kernel_width)?;
    bytes(input, input.channels.checked_mul(window)?)?;
    bytes(stem.convolved(input)?, stem.filters)?;
    let mut shape = stem.output(input)?;
    for stage in stages {
        match stage {
            StageShape::Layer { bottleneck, growth } => {
                shape.channels = shape.channels.checked_add(growth)?;
                bytes(shape, shape.channels.max(bottleneck.unwrap_or(0)))?;
            }
            StageShape::Transition { filters } => shape = shape.pooled(filters),
            StageShape::Head { classes } => bytes(
                Shape {
                    height: 1,
                    width: 1,
                    channels: classes,
                },
                classes,
            )?,
        }
        bytes(shape, shape.channels)?;
    }
    Some(())
}

/// The steps of a plan, in order.
#[derive(Clone, Debug)]
pub struct Steps<S> {
    /// What comes before the first stage.
    stem: Option<(Shape, StemShape)>,
    stages: S,
    /// Where the current block buffer starts.
    offset: usize,
    /// The map as far as it is computed.
    shape: Shape,
    /// The current block's finished channels.
    channels: usize,
}

impl<S: Iterator<Item = StageShape> + Clone> Steps<S> {
    fn start(input: Shape, stem: &StemShape, stages: S) -> Option<Self> {
        let shape = stem.output(input)?;
        let channels = finished(shape.channels, stages.clone());
        Some(Self {
            stem: Some((input, *stem)),
            stages,
            offset: 0,
            shape,
            channels,
        })
    }

    fn buffer(&self) -> Buffer {
        Buffer {
            offset: self.offset,
            height: self.shape.height,
            width: self.shape.width,
            channels: self.channels,
            stride: stride(self.channels),
        }
    }

    fn stem(&self, input: Shape, stem: &StemShape) -> Option<Step> {
        let to = self.buffer();
        let convolved = stem.convolved(input)?;
        let filter_len = stride(stem.kernel_height * stem.kernel_width * input.channels);
        let row_len = (input.width + stem.pad_left + stem.pad_right) * input.channels;
        let pool_len = if stem.pool != StemPool::None {
            3 * convolved.width * stride(stem.filters)
        } else {
            0
        };
        let line = above(to.end(), stem::line_len(filter_len));
        let pool = above(line.end, pool_len);
        let ring = above(pool.end, stem.kernel_height * row_len);
        Some(Step::Stem { to, line, pool, ring })
    }

    fn layer(&mut self, bottleneck: Option<usize>, growth: usize) -> Step {
        let buffer = self.buffer();
        let channels = self.shape.channels;
        let Shape { width, .. } = self.shape;
        let tap_rows = self.shape.tap_rows();
        let ring_stride = stride(bottleneck.unwrap_or(channels));
        let packed = if bottleneck.is_some() {
            conv1x1::line_len(channels)
        } else {
            0
        };
        let window = conv3x3::line_len(tap_rows, ring_stride);
        let line = above(buffer.end(), packed.max(window));
        let ring = above(line.end, tap_rows * (width + 2) * ring_stride);
        self.shape.channels += growth;
        Step::Layer {
            buffer,
            channels,
            line,
            ring,
        }
    }

    fn transition(&mut self, filters: usize) -> Step {
        let from = self.buffer();
        self.shape = self.shape.pooled(filters);
        self.channels = finished(filters, self.stages.clone());
        let mut to = self.buffer();
        to.offset = self
            .offset
            .saturating_sub(overlap::gap(&from, pool_rows(&from), &to));
        self.offset = to.offset;
        let line_len = transition::line_len(from.channels);
        Step::Transition {
            from,
            to,
            line: above(from.end().max(to.end()), line_len),
        }
    }

    fn head(&self, classes: usize) -> Step {
        let from = self.buffer();
        let sums = above(from.end(), 4 * from.stride);
        let logits = above(sums.end, 4 * classes);
        Step::Head { from, sums, logits }
    }
}

impl<S: Iterator<Item = StageShape> + Clone> Iterator for Steps<S> {
    type Item = Step;

    // Once per stage, and its frame is best not part of a larger one.
    #[inline(never)]
    fn next(&mut self) -> Option<Step> {
        if let Some((input, stem)) = self.stem.take() {
            return self.stem(input, &stem);
        }
        Some(match self.stages.next()? {
            StageShape::Layer { bottleneck, growth } => self.layer(bottleneck, growth),
            StageShape::Transition { filters } => self.transition(filters),
            StageShape::Head { classes } => self.head(classes),
        })
    }
}

/// Channels of a block that starts with `channels`, once its layers have run.
fn finished(channels: usize, stages: impl Iterator<Item = StageShape>) -> usize {
    let growths = stages.map_while(|stage| match stage {
        StageShape::Layer { growth, .. } => Some(growth),
        _ => None,
    });
    channels + growths.sum::<usize>()
}

/// `len` bytes from `start`, aligned for every integer a kernel keeps there.
fn above(start: usize, len: usize) -> Range<usize> {
    let start = start.next_multiple_of(GROUP);
    start..start + len
}
