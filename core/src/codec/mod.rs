//! Coded weights: how an array of them may be stored, and how it is decoded. `format/FORMAT.md` describes every bit. Rank 1: imports
//! nothing.
//!
//! Decoding fills an array of weights in the order of a kernel, padding included, so that an inner loop sees the bytes of a raw
//! array. It takes at most as many steps as there are weights, whatever the stream holds.
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

#[cfg(feature = "coded")]
mod fixed;
#[cfg(feature = "coded")]
mod huffman;

/// Words of the table that [`Codec::Huffman`] decodes with.
#[cfg(feature = "coded")]
pub const TABLE_WORDS: usize = huffman::TABLE_WORDS;

/// How an array of weights is stored. Without the feature `coded`, raw is the only way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Codec {
    /// One byte per weight.
    #[default]
    Raw,
    /// Four bits per weight, for weights from -8 to 7.
    #[cfg(feature = "coded")]
    Nibbles,
    /// Three bits per weight, for weights from -4 to 3: a plane of two bits and a plane of one.
    #[cfg(feature = "coded")]
    Planes,
    /// A canonical Huffman code of at most 8 bits per weight, whose table is part of the array.
    #[cfg(feature = "coded")]
    Huffman,
}

/// A stream that its codec does not allow: not a complete code, too long, too short, or set where it must be zero.
#[cfg(feature = "coded")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BadCode;

impl Codec {
    /// Every codec, each at the place of its number.
    pub const ALL: &[Self] = &[
        Self::Raw,
        #[cfg(feature = "coded")]
        Self::Nibbles,
        #[cfg(feature = "coded")]
        Self::Planes,
        #[cfg(feature = "coded")]
        Self::Huffman,
    ];

    /// The codec of a number in a blob; `None` if this build has none of this number.
    pub fn from_number(number: usize) -> Option<Self> {
        Self::ALL.get(number).copied()
    }

    /// Its number in a blob.
    pub const fn number(self) -> u8 {
        match self {
            Self::Raw => 0,
            #[cfg(feature = "coded")]
            Self::Nibbles => 1,
            #[cfg(feature = "coded")]
            Self::Planes => 2,
            #[cfg(feature = "coded")]
            Self::Huffman => 3,
        }
    }

    /// Checks that an array of `weights` weights, a multiple of 4, can have `len` bytes. If not, returns a length that it can have.
    pub const fn check_len(self, weights: usize, len: usize) -> Result<(), usize> {
        let needed = match self {
            Self::Raw => weights,
            #[cfg(feature = "coded")]
            Self::Nibbles => weights.div_ceil(8).saturating_mul(4),
            #[cfg(feature = "coded")]
            Self::Planes => weights.div_ceil(32).saturating_mul(12),
            #[cfg(feature = "coded")]
            Self::Huffman => {
                // Between a description without codes, and one with codes of a byte each.
                let most = weights.saturating_add(huffman::DESCRIPTION_LIMIT) & !3;
                match len.next_multiple_of(4) {
                    0 => 4,
                    len if len > most => most,
                    len => len,
                }
            }
        };
        if len == needed { Ok(()) } else { Err(needed) }
    }

    /// Words of table that decoding takes.
    #[cfg(feature = "coded")]
    pub const fn table_words(self) -> usize {
        match self {
            Self::Huffman => TABLE_WORDS,
            _ => 0,
        }
    }
}

/// Decodes an array: fills all of `out`, whose length is a multiple of 4. `table` has at least [`Codec::table_words`] and comes back
/// with anything in it.
///
/// # Errors
/// [`BadCode`] if `stream` is not exactly an array of so many weights in this codec; `out` then holds anything.
#[cfg(feature = "coded")]
#[inline(never)]
pub fn decode(codec: Codec, stream: &[u32], out: &mut [u8], table: &mut [u32]) -> Result<(), BadCode> {
    let decoded = match codec {
        Codec::Raw => fixed::bytes(stream, out),
        Codec::Nibbles => fixed::nibbles(stream, out),
        Codec::Planes => fixed::planes(stream, out),
        Codec::Huffman => table
            .first_chunk_mut()
            .and_then(|table| huffman::decode(stream, out, table)),
    };
    decoded.ok_or(BadCode)
}
