//! The network family as data: what is trained, sized, exported. First stage; everything else reads it.
//!
//! A [`Spec`] is fully resolved: every layer carries its own widths, because networks made elsewhere do not
//! follow one growth rate. The short form people write (growth rate, block list, theta) is resolved to it.

mod count;
mod draft;
mod error;
mod form;
mod geometry;
mod load;
mod network;
mod preset;

pub use count::{Macs, Map, Maps, folded_parameters};
pub use draft::Draft;
pub use error::SpecError;
pub use geometry::Geometry;
pub use network::{Block, Input, Layer, Spec, Stem};
pub use preset::{presets, text as preset_text};
