//! A dense layer: rows of its block's map through the ring into its slot of the same map.

use crate::arena::{Rows, cut};
use crate::error::Refused;
use crate::kernel::arch::cast::as_i32s_mut;
use crate::kernel::{Clamp, Content, Conv, Line, Prepared, Tile, conv1x1, conv3x3, tile};
use crate::layout::{TILE, scratch};
use crate::model;
use crate::plan::LayerStep;
use crate::shape::Shape;

/// A dense layer at work.
pub(crate) struct Layer<'s, T: Tile> {
    clamp: Clamp<'s>,
    bottleneck: Option<&'s Prepared<'s, T>>,
    conv: &'s Prepared<'s, T>,
    /// The block's map, and the first channel of the slot.
    map: Shape,
    stride: usize,
    slot: usize,
    rows: Rows,
    ring: Rows,
    /// Rows that have passed into the ring.
    in_ring: usize,
    /// The next row that it computes.
    next: usize,
}

/// A layer's places in the arena.
pub(crate) struct Memory<'m> {
    maps: &'m mut [u8],
    line: &'m mut [u32],
    /// Of the bottleneck, and of the 3x3.
    scratch: [&'m mut [i32]; 2],
    ring: &'m mut [u8],
}

impl<'m> Memory<'m> {
    /// Takes the places of a layer out of the arena.
    pub(crate) fn cut<T: Tile>(
        layer: &model::Layer<'_>,
        step: &LayerStep,
        arena: &'m mut [u8],
    ) -> Result<Self, Refused> {
        let (maps, mut above) = cut(arena, step.map.end())?;
        let mut line = above.take_words(&step.line)?;
        let mut scratches: [&mut [i32]; 2] = [&mut [], &mut []];
        // Lines of `i16` take all of the line buffer.
        if T::PIXELS > TILE {
            let bottleneck = layer.bottleneck.as_ref();
            let len = |conv: &Conv<'_>| tile::line_len::<T>(conv, Content::Bytes);
            let used = len(&layer.conv).max(bottleneck.map_or(0, |conv| len(conv)));
            let [first, second] = scratch(line.len(), used, bottleneck.map_or(0, |conv| conv.outputs));
            let (rest, last) = line.split_at_mut_checked(second).ok_or(Refused)?;
            let (used, rest) = rest.split_at_mut_checked(first).ok_or(Refused)?;
            scratches = [as_i32s_mut(rest), as_i32s_mut(last)];
            line = used;
        }
        Ok(Self {
            maps,
            line,
            scratch: scratches,
            ring: above.take(&step.ring)?,
        })
    }
}

/// The bottleneck of a layer, if it has one; what it keeps goes into the memory's scratch.
pub(crate) fn bottleneck<'s, T: Tile>(
    tile: T,
    layer: &'s model::Layer<'s>,
    memory: &mut Memory<'_>,
) -> Result<Option<Prepared<'s, T>>, Refused> {
    let Some(conv) = &layer.bottleneck else {
        return Ok(None);
    };
    Prepared::new(tile, conv, conv.weights, Content::Bytes, memory.scratch[0]).map(Some)
}

/// The 3x3 convolution of a layer, the same way.
pub(crate) fn conv<'s, T: Tile>(
    tile: T,
    layer: &'s model::Layer<'s>,
    memory: &mut Memory<'_>,
) -> Result<Prepared<'s, T>, Refused> {
    Prepared::new(
        tile,
        &layer.conv,
        layer.conv.weights,
        Content::Bytes,
        memory.scratch[1],
    )
}

impl<'s, T: Tile> Layer<'s, T> {
    /// A layer that starts, with its prepared convolutions.
    pub(crate) fn new(
        clamp: Clamp<'s>,
        bottleneck: Option<&'s Prepared<'s, T>>,
        conv: &'s Prepared<'s, T>,
        step: &LayerStep,
    ) -> Self {
        let map = step.map.shape;
        Self {
            clamp,
            bottleneck,
            map,
            stride: step.map.stride,
            slot: step.channels,
            rows: Rows::of(&step.map),
            ring: Rows::ring(map.tap_rows(), (map.width + 2) * conv.depth),
            conv,
            in_ring: 0,
            next: 0,
        }
    }

    /// Computes the next row of the slot; false after the last one.
    pub(crate) fn next_row(&mut self, tile: T, memory: &mut Memory<'_>) -> Result<bool, Refused> {
        let y = self.next;
        if y >= self.map.height {
            return Ok(false);
        }
        let reach = self.map.tap_rows() / 2;
        if y == 0 && reach > 0 {
            // The row above the first one.
            self.ring.row_mut(memory.ring, reach + 1)?.fill(0);
        }
        while self.in_ring <= y + reach {
            self.fill_ring(tile, memory)?;
        }
        let row = conv3x3::Row {
            map: self.map,
            y,
            out: self
                .rows
                .row_mut(memory.maps, y)?
                .get_mut(self.slot..)
                .ok_or(Refused)?,
            out_stride: self.stride,
        };
        let line = Line {
            words: memory.line,
            scratch: memory.scratch[1],
        };
        // From the row above on; in a map of one row, from the row itself.
        let rows = self.ring.all(memory.ring, y + 2 * reach);
        conv3x3::row(tile, rows, row, self.conv, line)?;
        self.next += 1;
        Ok(true)
    }

    /// Puts the next row of the map into the ring, or a row of zeros after the last one.
    fn fill_ring(&mut self, tile: T, memory: &mut Memory<'_>) -> Result<(), Refused> {
        let y = self.in_ring;
        self.in_ring += 1;
        let out = self.ring.row_mut(memory.ring, y)?;
        if y >= self.map.height {
            out.fill(0);
            return Ok(());
        }
        let source = conv1x1::Source {
            bytes: self.rows.row(memory.maps, y)?,
            stride: self.stride,
            clamp: self.clamp,
        };
        let line = Line {
            words: memory.line,
            scratch: memory.scratch[0],
        };
        match self.bottleneck {
            Some(conv) => conv1x1::row(tile, source, conv, line, out),
            None => conv1x1::clamp_row(tile, source, out),
        }
    }
}
