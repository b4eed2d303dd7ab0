//! The model in flash: the blob that `build.rs` embeds, and what it needs, known to the compiler.

use crate::board::{RAM_BYTES, STACK_RESERVE};

include!(concat!(env!("OUT_DIR"), "/model.rs"));

/// Bytes of arena that the network needs.
pub const ARENA_LEN: usize = denselet::arena_len(&BLOB.0);

/// Bytes of one image, a byte per value.
pub const IMAGE_LEN: usize = IMAGE_HEIGHT * IMAGE_ROW_LEN;

/// Whether the model can run on this board; where it cannot, the firmware does not compile.
const FITS: bool = ARENA_LEN + IMAGE_LEN + STACK_RESERVE <= RAM_BYTES;

/// Bytes at an address that a blob may start at.
#[derive(Debug)]
#[repr(align(16))]
pub struct Aligned<T>(pub T);
