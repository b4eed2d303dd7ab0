//! Runs quantised DenseNets on microcontrollers: `no_std`, no heap, one fixed arena.
//!
//! A dense layer reads everything before it and appends a few channels. Here it appends them in place: a block has one
//! map, every layer writes into its slot, and nothing is concatenated by copying. Batch norm and ReLU are a clamp while a
//! convolution reads its input. The memory that all of it takes is a constant that the compiler checks.
//!
//! ```
//! use denselet::{Arena, Network, arena_len, include_blob};
//! use static_cell::ConstStaticCell; // a crate for a `static` that hands its value out once
//!
//! static DIGITS: &[u8] = include_blob!("../tests/golden/digits.dlt");
//! static ARENA: ConstStaticCell<Arena<{ arena_len(DIGITS) }>> = ConstStaticCell::new(Arena::new());
//!
//! let mut network = Network::new(DIGITS, ARENA.take())?;
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
//! | [`codec`] | coded weights become bytes, in a window of the arena |
//! | [`plan`] | shapes become places in the arena: maps overlap at the smallest safe distance |
//! | [`arena`] | the caller's memory, its pieces and rows |
//! | `stage` | stem, layer, transition, head: each computes its next row |
//! | [`kernel`] | the rows: packing, one inner loop, requantising; `kernel::arch` has one file per instruction set |
//! | [`network`] | rows in, logits out: which stage computes its next row |
//! | [`logits`] | integers with their scale, the best classes, probabilities |
//!
//! [`arithmetic`] defines every rounding, [`layout`] every index, [`limits`] every limit, and [`tap`] shows
//! every stage's result. A blob may hold the names of its classes and more: [`Network::labels`], [`Network::name`].
//!
//! # What is promised
//!
//! - The same bits on every machine: [`arithmetic`] is the definition, and every inner loop is tested against it.
//! - No panic from any blob or image: an error, or an answer.
//! - After [`Network::new`] is `Ok` nothing about the blob can fail an inference.
//! - [`arena_len`] is what an inference uses, to the byte, input rows included.
//!
//! # What it does not do
//!
//! It runs DenseNets (with or without bottlenecks and compression, in the CIFAR and the ImageNet form) and nothing
//! else. It does not train, and it does not convert: the `denselet` command of the `denselet-train` crate does.
//!
//! # Features
//!
//! `coded` is on by default, and no other is. None changes a result.
//!
//! | feature | for | what it gives |
//! |---|---|---|
//! | `coded` | every machine | blobs with coded weights; without it (`default-features = false`) they are refused, and the code is smaller |
//! | `std` | a host | the vector instructions of the host (AVX2, AVX-512 VNNI) are found at run time; the library stays usable without `std` |
//! | `dsp` | `thumbv8m.main-none-eabi` and `-eabihf` | the inner loops of the DSP extension, which most Cortex-M33 have |
//! | `mve` | the same targets | the inner loops of Helium (Cortex-M52, M55, M85) |
//! | `defmt` | a chip | `defmt::Format` for errors, shapes and logits |
//!
//! For every other Cortex-M the target decides: Armv6-M, Armv7-M, Armv7E-M (with DSP). An Armv8-M target names no
//! extension. A build for it that sets neither a feature nor `-C target-cpu=cortex-m33` or `cortex-m55`, which does the
//! same, multiplies one pair of numbers at a time: on an emulated Cortex-M33 the 8x8 network of `tests/golden` then takes
//! 641,699 instructions instead of 347,918, 1.84 times as many (`DENSELET_FLAGS= firmware/cargo mps2-an505 run --profile
//! firmware --bin logits`, without and with `--features denselet/dsp`). A core without the extension faults if the feature
//! is set.
#![no_std]
#![deny(missing_docs)]

#[cfg(feature = "std")]
extern crate std;

pub mod arena;
pub mod arithmetic;
pub mod codec;
pub mod error;
pub mod format;
pub mod kernel;
pub mod layout;
pub mod limits;
pub mod logits;
pub mod model;
pub mod network;
pub mod plan;
pub mod shape;
mod stage;
pub mod tap;

pub use arena::Arena;
pub use error::{Error, FormatError};
pub use logits::Logits;
pub use model::Model;
pub use network::Network;
pub use shape::Shape;

/// Bytes of arena that the network in `blob` needs, read from its header.
///
/// A `const fn`, so that the size of a `static` [`Arena`] follows from the embedded file. [`Network::new`] checks the
/// number against the plan. [`try_arena_len`] does the same for bytes that come at run time.
///
/// # Panics
/// If `blob` is not a whole blob of this library's version: a constant then fails to compile.
///
/// ```
/// static DIGITS: &[u8] = denselet::include_blob!("../tests/golden/digits.dlt");
/// static ARENA: denselet::Arena<{ denselet::arena_len(DIGITS) }> = denselet::Arena::new();
/// ```
///
/// ```compile_fail,E0080
/// static PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x10\0\0\0\x10\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
/// static ARENA: denselet::Arena<{ denselet::arena_len(PNG) }> = denselet::Arena::new();
/// ```
pub const fn arena_len(blob: &[u8]) -> usize {
    match try_arena_len(blob) {
        Ok(len) => len,
        Err(FormatError::Version { .. }) => panic!(
            "these bytes are a denselet blob of another version: export it anew with the `denselet` of this version"
        ),
        Err(FormatError::Length { .. }) => {
            panic!(
                "these bytes are a part of a denselet blob, or more than one: embed the whole file and nothing else"
            )
        }
        Err(_) => panic!("these bytes are not a denselet blob: embed a file that `denselet export` wrote"),
    }
}

/// [`arena_len`] of bytes that may not be a blob.
///
/// # Errors
/// The first broken rule of 1 to 4 of [`format`]: too short, another magic, another version, another length. The other
/// rules are [`Network::new`]'s.
pub const fn try_arena_len(blob: &[u8]) -> Result<usize, FormatError> {
    format::arena_len(blob)
}

/// Embeds a blob file, aligned: `include_bytes!` promises no alignment. Gives a `&'static [u8]`, in a constant too.
///
/// A file that is not a whole blob of this library's version fails to compile, and the message names it:
///
/// ```compile_fail,E0080
/// static DIGITS: &[u8] = denselet::include_blob!("lib.rs");
/// ```
#[macro_export]
macro_rules! include_blob {
    ($path:expr) => {{
        #[repr(C, align(16))]
        struct Aligned<B: ?Sized>(B);
        const BLOB: &Aligned<[u8]> = &Aligned(*include_bytes!($path));
        const _: () = match $crate::try_arena_len(&BLOB.0) {
            ::core::result::Result::Ok(_) => (),
            ::core::result::Result::Err($crate::FormatError::Version { .. }) => ::core::panic!(
                "{}",
                ::core::concat!($path, ": a denselet blob of another version: export it anew")
            ),
            ::core::result::Result::Err($crate::FormatError::Length { .. }) => ::core::panic!(
                "{}",
                ::core::concat!($path, ": not a whole denselet blob: copy or export it anew")
            ),
            ::core::result::Result::Err(_) => ::core::panic!(
                "{}",
                ::core::concat!(
                    $path,
                    ": not a denselet blob: embed a file that `denselet export` wrote"
                )
            ),
        };
        &BLOB.0
    }};
}
