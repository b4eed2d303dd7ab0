//! Runs quantised DenseNets on microcontrollers.
#![no_std]
#![deny(missing_docs)]

#[cfg(feature = "std")]
extern crate std;

pub mod arena;
pub mod arithmetic;
pub mod error;
pub mod format;
pub mod kernel;
pub mod layout;
pub mod logits;
pub mod model;
pub mod network;
pub mod plan;
pub mod shape;
pub mod tap;

pub use arena::Arena;
pub use error::{Error, FormatError};
pub use logits::Logits;
pub use model::Model;
pub use network::Network;
pub use shape::Shape;

/// Bytes of arena that the network in `blob` needs, read from its header; 0 where `blob` is no blob.
///
/// A `const fn`, so that the size of a `static` [`Arena`] follows from the embedded file. [`Network::new`] checks the
/// number against the plan.
pub const fn arena_len(blob: &[u8]) -> usize {
    match blob.split_at_checked(16) {
        Some((_, &[a, b, c, d, ..])) => u32::from_le_bytes([a, b, c, d]) as usize,
        _ => 0,
    }
}
