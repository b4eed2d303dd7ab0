//! A transition: rows of one block's map into the first slot of the next, tile by tile, because the two maps overlap.

use crate::arena::{Rows, cut};
use crate::error::Refused;
use crate::kernel::arch::checked;
use crate::kernel::transition::{self, Columns, Source};
use crate::kernel::{Clamp, Content, Lines, Prepared, Tile};
use crate::layout::TILE;
use crate::model;
use crate::plan::TransitionStep;

/// A transition at work.
pub(crate) struct Transition<'s, T: Tile> {
    clamp: Clamp<'s>,
    conv: Prepared<'s, T>,
    step: &'s TransitionStep,
    /// Rows that an output row averages.
    pool_rows: usize,
    from: Rows,
    to: Rows,
    /// The next row that it computes.
    next: usize,
}

/// A transition's places in the arena.
pub(crate) struct Memory<'m> {
    maps: &'m mut [u8],
    line: &'m mut [u32],
}

impl<'m> Memory<'m> {
    /// Takes the places of a transition out of the arena.
    pub(crate) fn cut(step: &TransitionStep, arena: &'m mut [u8]) -> Result<Self, Refused> {
        let (maps, mut above) = cut(arena, step.line.start)?;
        Ok(Self {
            maps,
            line: above.take_words(&step.line)?,
        })
    }
}

impl<'s, T: Tile> Transition<'s, T> {
    /// Prepares a transition.
    pub(crate) fn new(
        tile: T,
        transition: &'s model::Transition<'s>,
        weights: &'s [i8],
        step: &'s TransitionStep,
    ) -> Result<Self, Refused> {
        let conv = &transition.conv;
        Ok(Self {
            clamp: transition.clamp,
            conv: Prepared::new(tile, conv, weights, Content::Sums, &mut [])?,
            step,
            pool_rows: step.from.shape.pool_rows(),
            from: Rows::of(&step.from),
            to: Rows::of(&step.to),
            next: 0,
        })
    }

    /// Computes the next row of the next block's map; false after the last one.
    pub(crate) fn next_row(&mut self, tile: T, memory: &mut Memory<'_>) -> Result<bool, Refused> {
        let y = self.next;
        let to = &self.step.to;
        if y >= to.shape.height {
            return Ok(false);
        }
        let stride = to.stride;
        let first = self.pool_rows * y;
        let rows = [
            self.from.range(first),
            self.from.range(first + self.pool_rows - 1),
        ];
        let out = self.to.range(y);
        for x in (0..to.shape.width).step_by(TILE) {
            let columns = Columns {
                x,
                count: TILE.min(to.shape.width - x),
            };
            let [top, bottom] = &rows;
            let both = [
                memory.maps.get(top.clone()).ok_or(Refused)?,
                memory.maps.get(bottom.clone()).ok_or(Refused)?,
            ];
            let source = Source {
                rows: &both[..self.pool_rows],
                stride: self.step.from.stride,
                clamp: self.clamp,
            };
            transition::pack(tile, source, columns, memory.line)?;
            let lines = Lines {
                words: memory.line,
                scratch: &[],
                pixels: columns.count,
                borders: None,
            };
            let out = memory.maps.get_mut(out.start + x * stride..out.end);
            checked::multiply(tile, &lines, &self.conv, out.ok_or(Refused)?, stride)?;
        }
        self.next += 1;
        Ok(true)
    }
}
