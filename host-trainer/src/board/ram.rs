//! The RAM that a model needs on a board, as `inspect` prints it and `build` checks it.

use serde::Serialize;

/// RAM of a program that runs whole images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ram {
    /// Size of the arena.
    pub arena_bytes: usize,
    /// Size of one image.
    pub image_bytes: usize,
    /// Reserve for the stack and the firmware's own variables: `stack_reserve` of the table of boards.
    pub stack_bytes: usize,
    /// Sum of all parts.
    pub total_bytes: usize,
}

impl Ram {
    /// Returns the parts with their sum.
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
