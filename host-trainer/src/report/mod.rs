//! A run on one page: an HTML file that needs no network and no other file. Beside the main path: reads a finished run,
//! draws, changes nothing.

mod arena;
mod curves;
mod facts;
mod page;
mod picture;

pub use facts::Facts;
