//! Where the pixels of a map lie in a slice.

use super::product::{Rows, SLACK};
use crate::spec::Map;

/// The first channel of pixel `(y, x)` lies at `start + y * row + x * pixel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lattice {
    pub(super) start: usize,
    /// Floats from one row to the next.
    pub(super) row: usize,
    /// Floats from one pixel to the next.
    pub(super) pixel: usize,
}

impl Lattice {
    /// A map without gaps, `[y][x][c]`.
    pub(super) fn whole(map: Map) -> Self {
        Self {
            start: 0,
            row: map.width * map.channels,
            pixel: map.channels,
        }
    }

    /// The same from channel `slot` on.
    pub(super) fn slot(map: Map, slot: usize) -> Self {
        Self {
            start: slot,
            ..Self::whole(map)
        }
    }

    pub(super) fn at(self, y: usize, x: usize) -> usize {
        self.start + y * self.row + x * self.pixel
    }
}

/// A map in a frame of zeros as a layer's convolution wants it: a pixel at either end of each row, and a row above and below
/// where the filter has three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    map: Map,
    /// Rows above, and below.
    pad: usize,
}

impl Frame {
    /// The frame of a map that filters of so many rows go over.
    pub(super) fn new(map: Map, filter_rows: usize) -> Self {
        Self {
            map,
            pad: filter_rows / 2,
        }
    }

    /// Floats, with [`SLACK`].
    pub(super) fn len(self) -> usize {
        (self.map.height + 2 * self.pad) * self.row() + SLACK
    }

    fn row(self) -> usize {
        (self.map.width + 2) * self.map.channels
    }

    /// The map inside.
    pub(super) fn inside(self) -> Lattice {
        Lattice {
            start: self.pad * self.row() + self.map.channels,
            row: self.row(),
            pixel: self.map.channels,
        }
    }

    /// The pixels from the first of [`Frame::inside`] on.
    pub(super) fn pixels(self) -> Rows {
        Rows {
            height: self.map.height,
            width: self.map.width,
            step: self.map.channels,
            row: self.row(),
            len: self.map.channels,
        }
    }

    /// For each pixel, what a filter of three columns reads of one row.
    pub(super) fn windows(self) -> Rows {
        let pixels = self.pixels();
        Rows {
            len: 3 * pixels.len,
            ..pixels
        }
    }

    /// Floats before the first window of filter row `ky`.
    pub(super) fn below(self, ky: usize) -> usize {
        ky * self.row()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_window_ends_with_the_frame() {
        for (height, rows) in [(1, 1), (4, 3)] {
            let map = Map {
                height,
                width: 5,
                channels: 2,
            };
            let frame = Frame::new(map, rows);
            let windows = frame.windows();
            let last = frame.below(rows - 1) + (height - 1) * windows.row + 4 * windows.step;
            assert_eq!(last + windows.len + SLACK, frame.len());
            let inside = frame.inside().at(height - 1, 4) + 2;
            assert_eq!(inside + 2 + (rows / 2) * frame.row() + SLACK, frame.len());
        }
    }
}
