//! A run on one page: an HTML file that needs no network and no other file. Beside the main path: reads a finished run,
//! draws, changes nothing.

mod facts;
mod input_image;
mod page;

pub use facts::Facts;
