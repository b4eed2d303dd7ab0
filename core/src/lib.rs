//! Runs quantised DenseNets on microcontrollers: `no_std`, no heap, one fixed arena.
//!
//! A dense layer reads everything before it and appends a few channels. Here it appends them in place: a block has one
//! buffer, every layer writes into its slot, and nothing is ever concatenated by copying. Batch norm and ReLU are a
//! clamp while a convolution reads its input. How much memory that takes is a constant the compiler checks.
//!
//! ```
//! static DIGITS: &[u8] = denselet::include_blob!("../tests/golden/digits.dlt");
//! let mut arena = denselet::Arena::<{ denselet::arena_len(DIGITS) }>::new();
//! let mut network = denselet::Network::new(DIGITS, &mut arena)?;
//! let logits = network.run(&[0; 64])?; // 8x8x1 bytes, NHWC
//! let best = logits.top::<3>(); // classes and their logits, largest first
//! # assert_eq!(best.len(), 3);
//! # Ok::<(), denselet::Error>(())
//! ```
//!
//! # The stages, in order
//!
//! | module | what happens there |
//! |---|---|
//! | [`format`] | bytes become checked views: numbered rules, one error each |
//! | [`model`] | views become typed parameters: stem, dense layers, transitions, head |
//! | [`plan`] | shapes become places in the arena: block buffers overlap at the smallest safe offset |
//! | [`arena`] | the caller's memory |
//! | [`kernel`] | rows are computed: packing, one inner loop, requantising; `kernel::arch` has one file per instruction set |
//! | [`network`] | rows in, logits out |
//! | [`logits`] | integers with their scale, the best classes, probabilities |
//!
//! [`arithmetic`] defines every rounding, [`layout`] every index, and [`tap`] shows what happens inside.
//!
//! # What is promised
//!
//! - The same bits on every machine: [`arithmetic`] is the definition, and every inner loop is held to it.
//! - No panic from any blob or image: an error, or an answer.
//! - After [`Network::new`] is `Ok` nothing about the blob can fail.
//! - [`arena_len`] is what an inference uses, to the byte, input rows included.
//!
//! # What it does not do
//!
//! It runs DenseNets (with or without bottlenecks and compression, in the CIFAR and the ImageNet form) and nothing
//! else. It does not train, and it does not convert: the `denselet` command of the `denselet-train` crate does.
//!
//! # Features
//!
//! `std` finds the host's vector instructions at run time. It is for a host; a chip never needs it.
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

/// Embeds a blob file, aligned: `include_bytes!` promises no alignment. Gives a `&'static [u8]`, in a constant too.
#[macro_export]
macro_rules! include_blob {
    ($path:expr) => {{
        #[repr(C, align(16))]
        struct Aligned<B: ?Sized>(B);
        const BLOB: &Aligned<[u8]> = &Aligned(*include_bytes!($path));
        &BLOB.0
    }};
}
