//! How large a network may be: the one set of bounds for the format, the trainer and importers. Rank 0: imports nothing.
//!
//! Sides and products are bounded, so that no size on the way from a file to an answer can overflow, and nothing is built
//! or reserved before it is known to be of use. `FORMAT.md` repeats those that a blob is checked against.

/// Rows, columns and channels of an input, each.
pub const SIDE: usize = 4096;
/// Values of an input or of any map after it, its channels rounded up to a multiple of 4: also bytes of arena.
pub const MAP: usize = 1 << 26;
/// Rows and columns of the stem's filter, each.
pub const STEM_KERNEL: usize = 15;
/// Rows and columns from one output of the stem to the next.
pub const STEM_STRIDE: usize = 4;
/// Channels of a block, outputs of a stage, channels of a bottleneck, classes.
pub const CHANNELS: usize = 65_535;
/// Stages after the stem: layers, transitions and the head.
pub const STAGES: usize = 4096;
/// Parameters of a network that is trained or imported.
pub const PARAMETERS: u64 = 1 << 28;
/// Multiply-accumulates of one image, of a network that is trained or imported.
pub const MACS: u64 = 1 << 40;
