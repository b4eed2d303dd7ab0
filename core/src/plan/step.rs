//! A stage's maps and places in the arena.

use super::map::Map;
use super::window::Window;
use core::ops::{Range, RangeInclusive};

/// The stem's maps and places, as byte ranges of the arena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StemStep {
    /// The first block's map.
    pub to: Map,
    /// Rows of the convolution, which a max pool may follow.
    pub convolved: usize,
    /// Line buffer.
    pub line: Range<usize>,
    /// Three rows of the convolution's output if a max pool follows; empty without.
    pub pool: Range<usize>,
    /// As many input rows as the filter has.
    pub ring: Range<usize>,
}

/// A dense layer's map and places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerStep {
    /// The block's map, which it reads and appends to.
    pub map: Map,
    /// Channels it reads; its slot starts after them.
    pub channels: usize,
    /// Line buffer, with scratch at its end: see [`scratch`](crate::layout::scratch).
    pub line: Range<usize>,
    /// The clamped or bottleneck rows.
    pub ring: Range<usize>,
    /// Its decoded weights.
    pub window: Window,
}

/// A transition's maps and places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransitionStep {
    /// The block it reads.
    pub from: Map,
    /// The block it starts.
    pub to: Map,
    /// Line buffer.
    pub line: Range<usize>,
    /// Its decoded weights.
    pub window: Window,
}

/// The head's map and places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadStep {
    /// The block it reads.
    pub from: Map,
    /// One `i32` sum per channel of the map's stride.
    pub sums: Range<usize>,
    /// What the network computes.
    pub output: Output,
    /// Its decoded weights.
    pub window: Window,
}

/// What a network computes, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// One `i32` per class.
    Logits(Range<usize>),
}

/// One stage's maps and places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Input rows into the first block's map.
    Stem(StemStep),
    /// A dense layer, inside its block's map.
    Layer(LayerStep),
    /// From one block's map into the next.
    Transition(TransitionStep),
    /// The last block's map into the output.
    Head(HeadStep),
}

impl Step {
    /// First byte after everything that this step uses: the arena it needs.
    pub fn end(&self) -> usize {
        match self {
            Self::Stem(StemStep { ring, .. }) => ring.end,
            Self::Layer(LayerStep {
                ring: last, window, ..
            })
            | Self::Transition(TransitionStep {
                line: last, window, ..
            })
            | Self::Head(HeadStep {
                output: Output::Logits(last),
                window,
                ..
            }) => window.end(last.end),
        }
    }

    /// The map it writes or appends to; none for the head.
    pub fn writes(&self) -> Option<&Map> {
        match self {
            Self::Stem(StemStep { to: map, .. })
            | Self::Layer(LayerStep { map, .. })
            | Self::Transition(TransitionStep { to: map, .. }) => Some(map),
            Self::Head(_) => None,
        }
    }

    /// The map it reads; none for the stem.
    pub fn reads(&self) -> Option<&Map> {
        match self {
            Self::Stem(_) => None,
            Self::Layer(LayerStep { map, .. })
            | Self::Transition(TransitionStep { from: map, .. })
            | Self::Head(HeadStep { from: map, .. }) => Some(map),
        }
    }
}

/// A map and the steps during which it must be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// The map.
    pub map: Map,
    /// From the step that starts it to the last one that reads it, by number: 0 is the stem.
    pub steps: RangeInclusive<usize>,
}
