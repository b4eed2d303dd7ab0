//! Every chart that denselet draws, as SVG: bars, training curves, the arena map, a gallery of test images.

pub(crate) mod arena;
pub mod bars;
pub(crate) mod curves;
pub mod gallery;
mod palette;
