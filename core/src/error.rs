//! What can go wrong, split by who is at fault: the file, the memory, the caller. Rank 0: imports nothing.

use core::fmt;

/// The blob breaks a numbered rule of the format (see [`crate::format`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FormatError {
    /// Rule 1: fewer bytes than a header.
    TooShort {
        /// Bytes a header has.
        needed: usize,
        /// Bytes there were.
        had: usize,
    },
    /// Rule 2: the first four bytes are not the magic.
    Magic {
        /// Bytes there were.
        found: [u8; 4],
    },
    /// Rule 3: a version this library does not read.
    Version {
        /// The version in the header.
        found: u16,
    },
    /// Rule 4: the length in the header is not the length of the bytes: truncated, or something follows.
    Length {
        /// Bytes according to the header.
        needed: usize,
        /// Bytes there were.
        had: usize,
    },
    /// Rule 5: the bytes are not those that were written.
    Crc {
        /// CRC-32 in the header.
        expected: u32,
        /// CRC-32 of the bytes.
        found: u32,
    },
    /// Rule 6: the bytes do not start at an address that is a multiple of [`crate::format::ALIGN`].
    Misaligned {
        /// The address modulo the alignment.
        offset: usize,
    },
    /// Rule 7: an order of weights this library does not know.
    Order {
        /// The byte in the header.
        found: usize,
    },
    /// Rule 8: a reserved byte, a padding byte or a weight that meets padding is not zero.
    NotZero {
        /// Offset of the byte in the blob.
        at: usize,
    },
    /// Rule 9: the input's height, width or channels is zero or too large, or their product is.
    Input {
        /// Height, width, channels as found.
        found: [usize; 3],
    },
    /// Rule 10: the stem's kernel, stride, padding, pool or filters is out of range, or leaves no output.
    Stem,
    /// Rule 11: an unknown kind of stage, or a known one at the wrong place: the last stage, and no other, is a head.
    Stage {
        /// Number of the stage record, from 0 after the stem.
        index: usize,
        /// The kind in the record.
        kind: u8,
    },
    /// Rule 12: outputs are zero, a stage other than a layer has a bottleneck, or the channels of a block pass the limit.
    Width {
        /// Number of the stage record, from 0 after the stem.
        index: usize,
    },
    /// Rule 13: a transition has nothing to pool: its input is one column wide.
    NothingToPool {
        /// Number of the stage record, from 0 after the stem.
        index: usize,
    },
    /// Rule 14: the parameters of a stage end beyond the blob.
    Truncated {
        /// Offset where the parameters that do not fit start.
        at: usize,
        /// Bytes they need.
        needed: usize,
        /// Bytes that are left.
        had: usize,
    },
    /// Rule 15: what follows the last stage's parameters is not a field of metadata, or not in order.
    Trailing {
        /// Offset of the first byte of it.
        at: usize,
    },
    /// Rule 16: a multiplier is negative (it stands for a fraction in [0, 1/2)).
    Multiplier {
        /// Offset of the array it is in.
        at: usize,
    },
    /// Rule 17: the arena length in the header is not the plan's.
    ArenaLen {
        /// Bytes according to the plan.
        needed: usize,
        /// Bytes according to the header.
        found: usize,
    },
    /// Rule 18: the network passes a bound of [`crate::limits`], or its plan an address of this machine.
    TooLarge,
    /// Rule 19: a field of the metadata does not hold what its tag says.
    Metadata {
        /// The field's tag: see [`crate::format::metadata::tag`].
        tag: u32,
    },
    /// Rule 20: what a logit stands for is not a positive, finite number.
    Scale,
    /// Rule 21: a clamp mask is neither 0x00 nor 0xff; masks are stored although all are 0x00; or the run of zeros is not as
    /// long as the longest masks that are not stored.
    Mask {
        /// Offset of the array or the run.
        at: usize,
    },
    /// Rule 22: a codec this build does not know, or one that an array may not have.
    Codec {
        /// Offset of the stage's arrays.
        at: usize,
        /// The byte in the record.
        found: usize,
    },
    /// Rule 23: an array of weights does not have the length that its codec and its shape need.
    Weights {
        /// Offset of the stage's arrays.
        at: usize,
        /// Bytes they need.
        needed: usize,
        /// Bytes according to the record.
        found: usize,
    },
    /// Rule 24: a coded array of weights is not what its codec describes.
    Code {
        /// Offset of the array.
        at: usize,
    },
}

/// Anything that can go wrong between a blob and its logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The file is at fault.
    Format(FormatError),
    /// The build is at fault: the arena is smaller than the network needs.
    ArenaTooSmall {
        /// Bytes the plan needs.
        needed: usize,
        /// Bytes the arena has.
        had: usize,
    },
    /// The caller is at fault: an image or a row of the wrong length.
    InputLen {
        /// Bytes expected.
        needed: usize,
        /// Bytes given.
        had: usize,
    },
    /// The caller is at fault: a whole image was given while the rows of another one are being pushed.
    RowsPending {
        /// Rows pushed so far.
        rows: usize,
    },
    /// This library is at fault: its plan and its kernels disagree. No blob and no image leads here.
    Internal,
}

/// A row kernel was called with slices and sizes that do not belong together: a fault of this library, never of a blob or an
/// image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Refused;

impl Refused {
    /// Refuses unless the obligations are met.
    #[inline(always)]
    pub(crate) fn unless(is_met: bool) -> Result<(), Self> {
        debug_assert!(
            is_met,
            "slices and sizes of a kernel's call do not belong together"
        );
        if is_met { Ok(()) } else { Err(Self) }
    }
}

impl From<Refused> for Error {
    fn from(_: Refused) -> Self {
        Self::Internal
    }
}

impl From<FormatError> for Error {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooShort { needed, had } => {
                write!(f, "blob has {had} bytes, a header alone has {needed}")
            }
            Self::Magic { found } => write!(f, "not a denselet blob: starts with {found:02x?}"),
            Self::Version { found } => {
                write!(
                    f,
                    "blob version: expected {}, found {found}: export it anew",
                    crate::format::VERSION
                )
            }
            Self::Length { needed, had } => {
                write!(f, "blob length: the header has {needed} bytes, found {had}")
            }
            Self::Crc { expected, found } => {
                write!(
                    f,
                    "damaged blob: CRC-32 in the header {expected:08x}, of the bytes {found:08x}"
                )
            }
            Self::Misaligned { offset } => {
                write!(
                    f,
                    "blob is {offset} bytes off a multiple of {}",
                    crate::format::ALIGN
                )
            }
            Self::Order { found } => write!(f, "unknown order of weights {found}"),
            Self::NotZero { at } => {
                write!(
                    f,
                    "byte {at} is padding: expected 0, found another value: export the blob anew"
                )
            }
            Self::Input { found: [h, w, c] } => write!(f, "input {h}x{w}x{c} is out of range"),
            Self::Stem => f.write_str("stem geometry is out of range or leaves no output"),
            Self::Stage { index, kind } => write!(f, "stage {index}: kind {kind} is not allowed here"),
            Self::Width { index } => write!(f, "stage {index}: a width is out of range"),
            Self::NothingToPool { index } => write!(f, "stage {index}: one column, nothing to pool"),
            Self::Truncated { at, needed, had } => {
                write!(f, "parameters at byte {at} need {needed} bytes, {had} are left")
            }
            Self::Trailing { at } => {
                write!(
                    f,
                    "byte {at}: expected the end or a field of the metadata, found other bytes"
                )
            }
            Self::Metadata { tag } => {
                write!(
                    f,
                    "metadata: the field of tag {tag} does not hold what its tag says"
                )
            }
            Self::Multiplier { at } => write!(f, "negative multiplier in the array at byte {at}"),
            Self::ArenaLen { needed, found } => {
                write!(
                    f,
                    "arena length: the plan needs {needed} bytes, the header has {found}: export the blob anew"
                )
            }
            Self::Scale => {
                f.write_str("scale of the logits: expected a positive, finite number: export the blob anew")
            }
            Self::Mask { at } => write!(
                f,
                "clamp masks at byte {at}: expected 0x00 or 0xff, or as many zeros: export the blob anew"
            ),
            Self::Codec { at, found } => {
                // The numbers of the codecs that the feature adds.
                let is_left_out = cfg!(not(feature = "coded")) && (1..4).contains(&found);
                let (what, advice) = if is_left_out {
                    ("this build lacks the feature `coded`, which decodes", "enable it")
                } else {
                    (
                        "unknown or unexpected",
                        "update this library or export the blob anew",
                    )
                };
                write!(
                    f,
                    "weights of the stage at byte {at}: {what} codec {found}: {advice}"
                )
            }
            Self::Weights { at, needed, found } => write!(
                f,
                "weights of the stage at byte {at}: expected {needed} bytes, found {found}: export the blob anew"
            ),
            Self::Code { at } => write!(
                f,
                "coded weights at byte {at}: expected a complete code of as many weights, found other bits: \
                 export the blob anew"
            ),
            Self::TooLarge => {
                f.write_str("network passes a limit of the format or of this machine's addresses")
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Format(error) => error.fmt(f),
            Self::ArenaTooSmall { needed, had } => {
                write!(f, "arena has {had} bytes, the network needs {needed}")
            }
            Self::InputLen { needed, had } => write!(f, "input has {had} bytes, expected {needed}"),
            Self::RowsPending { rows } => {
                write!(
                    f,
                    "{rows} rows of another image are pushed: push the rest or call `restart`"
                )
            }
            Self::Internal => f.write_str("a plan and a kernel disagree: please report this with the blob"),
        }
    }
}

impl core::error::Error for FormatError {}
impl core::error::Error for Error {}
