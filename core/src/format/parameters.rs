//! What a stage's arrays may hold: every byte that could change a result, or that a person reads, has a rule. Used by `read.rs`.

use super::*;
use crate::error::FormatError;

/// Rules 8, 16, 20 and 21 for the arrays of a stage, which start at byte `at` of the blob.
pub(super) fn check(
    bytes: &[u8],
    at: usize,
    order: Order,
    stage: &StageBytes<'_>,
) -> Result<(), FormatError> {
    let mut next = at;
    for (section, &array) in Section::ALL.iter().zip(&stage.sections) {
        let at = next;
        let end = at.saturating_add(array.len());
        next = end.checked_next_multiple_of(ALIGN).ok_or(FormatError::TooLarge)?;
        if let Some(nth) = read::first_not_zero(bytes.get(end..next).unwrap_or(&[])) {
            return Err(FormatError::NotZero {
                at: end.saturating_add(nth),
            });
        }
        // Each is a range of whole numbers: a mask of one byte is -1 or 0, the bits of a half are ordered as its values are.
        let (is_good, error) = match section {
            Section::BottleneckWeights | Section::Weights => {
                let filters = filters(*section, stage.kind, stage.input).ok_or(FormatError::TooLarge)?;
                let padding = order.find_padding(&filters, array);
                let at = at.saturating_add(padding.unwrap_or(0));
                (padding.is_none(), FormatError::NotZero { at })
            }
            Section::Mask => (are_within(array, 1, -1, 0), FormatError::Mask { at }),
            Section::BottleneckMultiplier | Section::Multiplier => {
                (are_within(array, 4, 0, i32::MAX), FormatError::Multiplier { at })
            }
            Section::BottleneckScale | Section::Scale => {
                (are_within(array, 2, 1, 0x7bff), FormatError::Scale { at })
            }
            _ => continue,
        };
        if !is_good {
            return Err(error);
        }
    }
    Ok(())
}

/// Whether every integer of `size` bytes is from `low` to `high`.
#[inline(never)]
fn are_within(array: &[u8], size: usize, low: i32, high: i32) -> bool {
    array.chunks_exact(size).all(|bytes| {
        let (&top, below) = bytes.split_last().unwrap_or((&0, &[]));
        let top = i32::from(top.cast_signed());
        let value = below
            .iter()
            .rev()
            .fold(top, |value, &byte| value << 8 | i32::from(byte));
        low <= value && value <= high
    })
}
