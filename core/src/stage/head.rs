//! The head: rows of the last block's map into sums, and sums into logits.

use crate::arena::{Rows, cut};
use crate::error::Refused;
use crate::kernel::{Tile, arch::cast::as_i32s_mut, head};
use crate::model;
use crate::plan::{HeadStep, Output};

/// A head at work.
pub(crate) struct Head<'s> {
    head: &'s model::Head<'s>,
    weights: &'s [i8],
    stride: usize,
    height: usize,
    from: Rows,
    /// The next row that it reads.
    next: usize,
}

/// A head's places in the arena.
pub(crate) struct Memory<'m> {
    maps: &'m [u8],
    sums: &'m mut [i32],
    logits: &'m mut [i32],
}

impl<'m> Memory<'m> {
    /// Takes the places of a head out of the arena.
    pub(crate) fn cut(step: &HeadStep, arena: &'m mut [u8]) -> Result<Self, Refused> {
        let (maps, mut above) = cut(arena, step.from.end())?;
        let Output::Logits(logits) = &step.output;
        Ok(Self {
            maps,
            sums: as_i32s_mut(above.take_words(&step.sums)?),
            logits: as_i32s_mut(above.take_words(logits)?),
        })
    }
}

impl<'s> Head<'s> {
    /// Prepares a head.
    pub(crate) fn new(head: &'s model::Head<'s>, weights: &'s [i8], step: &HeadStep) -> Self {
        Self {
            head,
            weights,
            stride: step.from.stride,
            height: step.from.shape.height,
            from: Rows::of(&step.from),
            next: 0,
        }
    }

    /// Adds the next row of the map, and computes the logits after the last one; false from then on.
    pub(crate) fn next_row<T: Tile>(&mut self, tile: T, memory: &mut Memory<'_>) -> Result<bool, Refused> {
        let y = self.next;
        if y >= self.height {
            return Ok(false);
        }
        if y == 0 {
            memory.sums.fill(0);
        }
        let row = self.from.row(memory.maps, y)?;
        head::add_row(tile, row, self.stride, self.head.clamp, memory.sums)?;
        self.next += 1;
        if self.next == self.height {
            head::linear(memory.sums, &self.head.conv, self.weights, memory.logits);
        }
        Ok(true)
    }
}
