//! The RAM that a model takes on a board, part by part: the one sum that `inspect` prints and that `build` checks.

use serde::Serialize;

/// Bytes of RAM of a program that runs whole images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ram {
    /// The network's arena.
    pub arena_bytes: usize,
    /// One image.
    pub image_bytes: usize,
    /// Kept for the stack and the firmware's own variables: `stack_reserve` of the table of boards.
    pub stack_bytes: usize,
    /// All of them.
    pub total_bytes: usize,
}

impl Ram {
    /// Adds the parts up.
    pub const fn new(arena_bytes: usize, image_bytes: usize, stack_bytes: usize) -> Self {
        Self {
            arena_bytes,
            image_bytes,
            stack_bytes,
            total_bytes: arena_bytes
                .saturating_add(image_bytes)
                .saturating_add(stack_bytes),
        }
    }
}
