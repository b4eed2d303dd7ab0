//! What turns any bytes into bytes that a reader looks into.

#[path = "../../tests/support/code.rs"]
#[allow(unreachable_pub, reason = "shared with tests")]
mod code;
pub mod describe;
#[path = "../../tests/support/random.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with tests that use other parts")]
mod random;

use denselet::format::{self, Field, StageBytes};
use denselet::plan::Plan;
use denselet::{Error, FormatError, Model, Network};
use describe::Described;

/// More than this many bytes of arena, or of blob for every pixel, and an execution takes too long.
const ARENA: usize = 1 << 16;
const WORK: usize = 1 << 22;

/// A blob from any bytes: themselves if they are one after magic, version, lengths and CRC-32 have been put right, else the network
/// that they describe. With it comes the number of values of an image.
pub fn blob(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut own = bytes.to_vec();
    if let Some(len) = mend(&mut own) {
        return Some((own, len));
    }
    let mut other = write(&describe::describe(bytes)?, &[])?;
    let len = mend(&mut other)?;
    Some((other, len))
}

/// Puts magic, version, length, arena length and CRC-32 right, so that what is left to refuse are the fields after them.
/// Returns the number of values of an image, if the blob is a network that is quick to run. One whose weights do not decode is none.
pub fn mend(bytes: &mut [u8]) -> Option<usize> {
    let len = u32::try_from(bytes.len()).ok()?;
    let header = bytes.get_mut(..format::HEADER_LEN)?;
    header[..4].copy_from_slice(&format::MAGIC);
    header[4..6].copy_from_slice(&format::VERSION.to_le_bytes());
    header[8..12].copy_from_slice(&len.to_le_bytes());
    format::set_arena_len(bytes, 0).ok()?;
    let model = Model::read(bytes).ok()?;
    let header = model.header();
    let plan = Plan::of(&model)?;
    let pixels = model.stages().map(|(_, shape)| shape.pixels()).sum::<usize>();
    let is_quick = plan.arena_len <= ARENA && pixels.checked_mul(bytes.len())? <= WORK;
    format::set_arena_len(bytes, plan.arena_len).ok()?;
    if !is_quick {
        return None;
    }
    match Network::in_bytes(bytes, &mut vec![0; plan.arena_len + denselet::arena::ALIGN]) {
        Err(Error::Format(FormatError::Code { .. })) => None,
        _ => Some(header.input.pixels() * header.input.channels),
    }
}

/// The blob of a described network, without its arena length.
pub fn write(network: &Described, metadata: &[Field<'_>]) -> Option<Vec<u8>> {
    let stages = network.views();
    let mut out = vec![0; format::len(stages.clone(), metadata).ok()?];
    format::write(&network.header, stages, metadata, &mut out).ok()?;
    Some(out)
}

impl Described {
    /// Its stages as the writer takes them.
    pub fn views(&self) -> impl Iterator<Item = StageBytes<'_>> + Clone {
        self.stages.iter().map(|stage| StageBytes {
            kind: stage.kind,
            input: stage.input,
            codecs: stage.codecs,
            sections: std::array::from_fn(|nth| stage.arrays[nth].as_slice()),
        })
    }
}

/// Runs `job` with a network in an arena of exactly its size, so that the sanitiser sees one byte more, filled with `fill`.
pub fn with_network<R>(blob: &[u8], fill: u8, job: impl FnOnce(&mut Network<'_, '_>) -> R) -> R {
    let mut arena = vec![fill; denselet::arena_len(blob)];
    let mut network = Network::in_bytes(blob, &mut arena).expect("what was mended is a network");
    job(&mut network)
}

/// An image that depends on the bytes of the blob.
pub fn image(blob: &[u8], len: usize) -> Vec<u8> {
    let bytes = blob.iter().rev().cycle().zip(0_usize..).take(len);
    bytes
        .map(|(&byte, nth)| byte ^ nth.wrapping_mul(0x9d).to_le_bytes()[0])
        .collect()
}
