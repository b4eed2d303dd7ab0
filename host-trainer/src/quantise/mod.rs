//! Float to integers: scales and zero points, gates as clamps, filters as `i8` with a multiplier per output. After
//! calibration, before packing; what the integers mean is `denselet::arithmetic`'s text.

mod conv;
mod fit;
mod gate;
mod scale;
mod stages;

pub use conv::QuantisedConv;
pub(crate) use conv::tap_is_inside;
pub use fit::fit;
pub use gate::QuantisedGate;
pub use scale::Scale;
pub use stages::{QuantiseError, Quantised, quantise};
