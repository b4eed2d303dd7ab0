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
    weights: &'s [i8],
    memory: &mut Memory<'_>,
) -> Result<Option<Prepared<'s, T>>, Refused> {
    let Some(conv) = &layer.bottleneck else {
        return Ok(None);
    };
    Prepared::new(tile, conv, weights, Content::Bytes, memory.scratch[0]).map(Some)
}

/// The 3x3 convolution of a layer, the same way.
pub(crate) fn conv<'s, T: Tile>(
    tile: T,
    layer: &'s model::Layer<'s>,
    weights: &'s [i8],
    memory: &mut Memory<'_>,
) -> Result<Prepared<'s, T>, Refused> {
    Prepared::new(tile, &layer.conv, weights, Content::Bytes, memory.scratch[1])
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

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::kernel::arch::cast::as_i8s;
    use crate::kernel::arch::portable::Portable;
    use crate::model::{Model, Stage};
    use crate::plan::{Plan, Step};
    use std::vec;
    use std::vec::Vec;

    /// Buffers of one layer, apart from its block's map.
    struct Own {
        line: Vec<u32>,
        ring: Vec<u8>,
    }

    impl Own {
        fn new(step: &LayerStep) -> Self {
            Self {
                line: vec![0xa5a5_a5a5; step.line.len() / 4],
                ring: vec![0xa5; step.ring.len()],
            }
        }

        fn memory<'m>(&'m mut self, maps: &'m mut [u8]) -> Memory<'m> {
            Memory {
                maps,
                line: &mut self.line,
                scratch: [&mut [], &mut []],
                ring: &mut self.ring,
            }
        }
    }

    #[test]
    fn layers_row_by_row_give_the_bits_of_whole_maps() {
        let model = Model::read(crate::include_blob!("../../tests/golden/digits.dlt")).unwrap();
        let header = model.header();
        let plan = Plan::of(&model).unwrap();
        let steps = plan.steps(header.order, header.input, &header.stem, model.records());
        let layers: Vec<(model::Layer<'_>, LayerStep)> = model
            .stages()
            .zip(steps.unwrap())
            .filter_map(|((stage, _), step)| match (stage, step) {
                (Stage::Layer(layer), Step::Layer(step)) => Some((layer, step)),
                _ => None,
            })
            .collect();
        // Two layers of one block, the second of which reads what the first appends.
        let [(first, first_step), (second, second_step)] = &layers[..2] else {
            panic!("two layers")
        };
        assert_eq!(first_step.map, second_step.map);
        let mut start = vec![0u8; first_step.map.end()];
        for (at, byte) in start.iter_mut().enumerate() {
            *byte = (at * 37 % 251) as u8;
        }
        let run = |is_interleaved: bool| {
            let mut maps = start.clone();
            let (mut one, mut two) = (Own::new(first_step), Own::new(second_step));
            let [a, b] = [first, second].map(|layer| {
                let bottleneck = layer.bottleneck.as_ref().map(|conv| {
                    Prepared::new(
                        Portable,
                        conv,
                        as_i8s(conv.weights.bytes),
                        Content::Bytes,
                        &mut [],
                    )
                    .unwrap()
                });
                let conv = &layer.conv;
                let weights = as_i8s(conv.weights.bytes);
                let conv = Prepared::new(Portable, conv, weights, Content::Bytes, &mut []);
                (bottleneck, conv.unwrap())
            });
            let mut upper = Layer::new(first.clamp, a.0.as_ref(), &a.1, first_step);
            let mut lower = Layer::new(second.clamp, b.0.as_ref(), &b.1, second_step);
            let height = first_step.map.shape.height;
            for y in 0..height {
                assert!(upper.next_row(Portable, &mut one.memory(&mut maps)).unwrap());
                // A row needs the row below it, if there is one.
                if is_interleaved && y > 0 {
                    assert!(lower.next_row(Portable, &mut two.memory(&mut maps)).unwrap());
                }
            }
            while lower.next_row(Portable, &mut two.memory(&mut maps)).unwrap() {}
            assert!(!upper.next_row(Portable, &mut one.memory(&mut maps)).unwrap());
            maps
        };
        let (whole, interleaved) = (run(false), run(true));
        assert_eq!(whole, interleaved);
        assert_ne!(whole, start);
    }
}
