//! The stem: input rows into the first slot of the first block's map, as they arrive.

use crate::arena::{Rows, cut};
use crate::error::Refused;
use crate::kernel::{Line, Prepared, Tile, pool, stem};
use crate::layout::stride;
use crate::model;
use crate::plan::StemStep;
use crate::shape::{Shape, StemPool};

/// A stem at work.
pub(crate) struct Stem<'s, T: Tile> {
    stem: &'s model::Stem<'s>,
    conv: &'s Prepared<'s, T>,
    input: Shape,
    /// Rows that a max pool follows.
    convolved: usize,
    stride: usize,
    ring: Rows,
    pool: Rows,
    to: Rows,
    /// The next input row that it takes.
    next: usize,
}

/// A stem's places in the arena.
pub(crate) struct Memory<'m> {
    maps: &'m mut [u8],
    line: &'m mut [u32],
    pool: &'m mut [u8],
    ring: &'m mut [u8],
}

impl<'m> Memory<'m> {
    /// Takes the places of a stem out of the arena.
    pub(crate) fn cut(step: &StemStep, arena: &'m mut [u8]) -> Result<Self, Refused> {
        let (maps, mut above) = cut(arena, step.to.end())?;
        Ok(Self {
            maps,
            line: above.take_words(&step.line)?,
            pool: above.take(&step.pool)?,
            ring: above.take(&step.ring)?,
        })
    }
}

impl<'s, T: Tile> Stem<'s, T> {
    /// A stem, `next` rows into an image of shape `input`, with its convolution, which is prepared for [`Content::Bytes`]
    /// without scratch.
    ///
    /// [`Content::Bytes`]: crate::kernel::Content::Bytes
    pub(crate) fn new(
        stem: &'s model::Stem<'s>,
        conv: &'s Prepared<'s, T>,
        input: Shape,
        step: &StemStep,
        next: usize,
    ) -> Self {
        let shape = &stem.shape;
        let row_len = (input.width + shape.pad_left + shape.pad_right) * input.channels;
        Self {
            stem,
            conv,
            input,
            convolved: step.convolved,
            stride: step.to.stride,
            ring: Rows::ring(shape.kernel_height, row_len),
            pool: Rows::ring(3, step.pool.len() / 3),
            to: Rows::of(&step.to),
            next,
        }
    }

    /// Takes the next input row and computes the rows that it completes. Rows of padding come with the first and the last
    /// row.
    pub(crate) fn next_row(&mut self, tile: T, memory: &mut Memory<'_>, row: &[u8]) -> Result<(), Refused> {
        let shape = &self.stem.shape;
        let y = self.next;
        if y == 0 {
            for above in 0..shape.pad_top {
                self.place(tile, memory, above, None)?;
            }
        }
        self.place(tile, memory, shape.pad_top + y, Some(row))?;
        if y + 1 == self.input.height {
            for below in 0..shape.pad_bottom {
                self.place(tile, memory, shape.pad_top + y + 1 + below, None)?;
            }
        }
        self.next += 1;
        Ok(())
    }

    /// Puts padded row `r` into the ring and computes the output row that ends with it, if any.
    #[inline(never)]
    fn place(&self, tile: T, memory: &mut Memory<'_>, r: usize, row: Option<&[u8]>) -> Result<(), Refused> {
        let model::Stem { shape, padding, .. } = self.stem;
        let slot = self.ring.row_mut(memory.ring, r)?;
        match row {
            Some(row) => stem::pad_row(shape, padding, row, slot),
            None => stem::pad_whole_row(padding, slot),
        }
        let Some(top) = (r + 1).checked_sub(shape.kernel_height) else {
            return Ok(());
        };
        if top % shape.stride_y != 0 {
            return Ok(());
        }
        let y = top / shape.stride_y;
        let has_pool = shape.pool != StemPool::None;
        let pool_stride = stride(shape.filters);
        let (out, out_stride) = if has_pool {
            (self.pool.row_mut(memory.pool, y)?, pool_stride)
        } else {
            (self.to.row_mut(memory.maps, y)?, self.stride)
        };
        let output = stem::Row {
            tap_len: shape.kernel_width * self.input.channels,
            step: shape.stride_x * self.input.channels,
            out,
            out_stride,
        };
        let line = Line {
            words: memory.line,
            scratch: &[],
        };
        stem::row(tile, self.ring.all(memory.ring, top), output, self.conv, line)?;
        if let (true, Some(at)) = (has_pool, shape.pool.completed(y, self.convolved)) {
            let row = |y| self.pool.row(memory.pool, y);
            let rows = [row(y + 1)?, row(y + 2)?, row(y)?];
            // The newest rows, as many as the window has.
            let rows = &rows[3 - shape.pool.window(at, self.convolved).len()..];
            let out = self.to.row_mut(memory.maps, at)?;
            pool::row(shape.pool, rows, pool_stride, out, self.stride);
        }
        Ok(())
    }
}
