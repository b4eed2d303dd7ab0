//! How a kernel moves over a map.

use crate::spec::Map;

/// Largest side, channel count, kernel, stride or padding.
pub(super) const LARGEST: usize = 1 << 16;

/// Rows and columns of zeros around a map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pads {
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

/// How a kernel moves over a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Steps down and across.
    pub stride: [usize; 2],
    /// What is added around the map.
    pub pads: Pads,
    /// Whether a part of a window at the lower and right edge counts as one.
    pub round_up: bool,
}

impl Window {
    /// A kernel that looks at one pixel at a time.
    pub const PIXEL: Self = Self {
        kernel: [1, 1],
        stride: [1, 1],
        pads: Pads {
            top: 0,
            left: 0,
            bottom: 0,
            right: 0,
        },
        round_up: false,
    };

    /// Rows and columns of what it leaves of `map`; `None` if it does not fit.
    pub fn over(&self, map: Map) -> Option<(usize, usize)> {
        let slide = |size: usize, pads: usize, kernel: usize, stride: usize| {
            let free = (size + pads).checked_sub(kernel)?;
            let steps = if self.round_up {
                free.div_ceil(stride)
            } else {
                free.checked_div(stride)?
            };
            Some(steps + 1)
        };
        let Pads {
            top,
            left,
            bottom,
            right,
        } = self.pads;
        Some((
            slide(map.height, top + bottom, self.kernel[0], self.stride[0])?,
            slide(map.width, left + right, self.kernel[1], self.stride[1])?,
        ))
    }

    pub(super) fn is_sane(&self) -> bool {
        let pads = self.pads;
        let pads = [pads.top, pads.left, pads.bottom, pads.right];
        let counts = [self.kernel, self.stride].concat();
        counts.iter().all(|&n| (1..=LARGEST).contains(&n)) && pads.iter().all(|&n| n <= LARGEST)
    }
}

/// What "same" padding adds before and after a side, as TensorFlow and ONNX's `SAME_UPPER` do: the odd one goes last.
pub(super) fn same(size: usize, kernel: usize, stride: usize) -> (usize, usize) {
    let steps = size.div_ceil(stride.max(1)).saturating_sub(1);
    let all = (steps * stride + kernel).saturating_sub(size);
    (all / 2, all - all / 2)
}

/// A window for people.
pub(super) fn described(window: &Window) -> String {
    let Window {
        kernel: [rows, columns],
        stride: [down, across],
        pads,
        round_up,
    } = window;
    let mut text = format!("{rows}x{columns}");
    if (*down, *across) != (1, 1) {
        text += &format!(", stride {down}x{across}");
    }
    if *pads != Pads::default() {
        let Pads {
            top,
            left,
            bottom,
            right,
        } = pads;
        text += &format!(", padding {top} {left} {bottom} {right} (top, left, bottom, right)");
    }
    if *round_up {
        text += ", sizes rounded up";
    }
    text
}
