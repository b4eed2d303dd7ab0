//! The row kernels: one row of each stage. They work on slices, shapes, arithmetic and layout; no kernel imports the format,
//! a model or a plan.
//!
//! Each packs a few pixels into the line buffer and multiplies them with filters, through the functions of
//! [`arch::checked`]. `arch` has one thin file per instruction set, and the one place that chooses between them.

pub mod arch;
mod conv;
pub mod conv1x1;
pub mod conv3x3;
pub mod head;
pub mod pool;
mod source;
pub mod stem;
pub mod tile;
pub mod transition;

pub use tile::{Clamp, Content, Conv, Job, Line, Lines, Pixels, Prepared, Sources, Taps, Tile};
