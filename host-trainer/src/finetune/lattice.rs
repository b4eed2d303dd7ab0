//! Where the pixels of a map lie in a slice.

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

    /// A map whose rows have `gap` more pixels than it is wide.
    pub(super) fn spaced(map: Map, gap: usize) -> Self {
        Self {
            row: (map.width + gap) * map.channels,
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

    /// Floats.
    pub(super) fn len(self) -> usize {
        (self.map.height + 2 * self.pad) * self.row()
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

    /// Windows of three columns: one for each pixel, in rows of the frame's width, the last two of which mean nothing and the
    /// last two of all are missing.
    pub(super) fn windows(self) -> usize {
        self.map.height * (self.map.width + 2) - 2
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
            let last = frame.below(rows - 1) + (frame.windows() - 1) * 2;
            assert_eq!(last + 3 * 2, frame.len());
            let inside = frame.inside().at(height - 1, 4) + 2;
            assert_eq!(inside + 2 + (rows / 2) * frame.row(), frame.len());
        }
    }
}
