//! The row kernels: what one row of each stage costs and gives. Rank 2: slices, shapes, arithmetic and layout; no
//! kernel knows the format, a model or a plan.
//!
//! Each stage packs a few pixels into the line buffer and multiplies them with its filters through [`Tile`];
//! `arch` holds one thin file per instruction set and the one place that chooses.

pub mod arch;
pub mod conv1x1;
pub mod conv3x3;
pub mod head;
pub mod pool;
pub mod stem;
pub mod tile;
pub mod transition;

pub use tile::{Clamp, Content, Conv, Job, Lines, Pixels, Ready, Taps, Tile};
