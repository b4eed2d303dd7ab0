//! What a stage's arrays may hold: every byte that could change a result has a rule.

use super::bytes::first_not_zero;
use super::*;
use crate::error::FormatError;

/// Rules 8, 16 and 21 for the arrays of a stage, which start at byte `at` of the blob; it stores its masks or not.
pub(super) fn check(
    bytes: &[u8],
    at: usize,
    order: Order,
    stage: &StageBytes<'_>,
    has_masks: bool,
) -> Result<(), FormatError> {
    let mut next = at;
    for (section, &array) in Section::ALL.iter().zip(&stage.sections) {
        if *section == Section::Mask && !has_masks {
            continue;
        }
        let at = next;
        let end = at.saturating_add(array.len());
        next = end.checked_next_multiple_of(ALIGN).ok_or(FormatError::TooLarge)?;
        if let Some(nth) = first_not_zero(bytes.get(end..next).unwrap_or(&[])) {
            return Err(FormatError::NotZero {
                at: end.saturating_add(nth),
            });
        }
        // Each is a range of whole numbers: a mask of one byte is -1 or 0.
        let (is_good, error) = match section {
            // Those of a coded array are checked when it is decoded.
            Section::BottleneckWeights | Section::Weights if stage.codec(*section) != Codec::Raw => continue,
            Section::BottleneckWeights | Section::Weights => {
                let filters = filters(*section, stage.kind, stage.input).ok_or(FormatError::TooLarge)?;
                let padding = order.find_padding(&filters, array);
                let at = at.saturating_add(padding.unwrap_or(0));
                (padding.is_none(), FormatError::NotZero { at })
            }
            // Masks that are all zero are not stored.
            Section::Mask => {
                let is_good = are_within(array, 1, -1, 0) && !are_within(array, 1, 0, 0);
                (is_good, FormatError::Mask { at })
            }
            Section::BottleneckMultiplier | Section::Multiplier => {
                (are_within(array, 4, 0, i32::MAX), FormatError::Multiplier { at })
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
