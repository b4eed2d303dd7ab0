//! The model in flash: the blob that `build.rs` chose, and constants for the memory that it needs.

use crate::board::{RAM_BYTES, STACK_RESERVE};

include!(concat!(env!("OUT_DIR"), "/model.rs"));

/// Bytes of arena that the network needs.
pub const ARENA_LEN: usize = denselet::arena_len(BLOB);

/// Bytes of one image, a byte per value.
pub const IMAGE_LEN: usize = IMAGE_HEIGHT * IMAGE_ROW_LEN;

/// Whether the model can run on this board; if not, the firmware does not compile.
const FITS: bool = ARENA_LEN + IMAGE_LEN + STACK_RESERVE <= RAM_BYTES;
