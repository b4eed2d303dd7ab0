//! The size of a blob as the target of a training: what it leaves for each weight.

use crate::about::{About, Origin};
use crate::code::Coding;
use crate::data::Dataset;
use crate::export::{self, Form};
use crate::finetune::{self, Parameters, Recipe};
use crate::inspect::grouped;
use crate::net::Network;

/// A size in bytes, or in units of 1,024: `36KB`, `36K`, `36KiB`.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1024,
        _ => return Err("expected bytes, or a number with K, KB or KiB".into()),
    };
    let number: usize = digits
        .parse()
        .map_err(|_| format!("`{digits}` is not a whole number"))?;
    number.checked_mul(unit).ok_or_else(|| "too large".into())
}

/// Part of the target that codes leave unused: a Huffman code takes a little more than the entropy.
const CODE_SHARE: f64 = 0.97;

/// Bits per weight with which the blob has `target` bytes. Everything but the weights takes the same room whatever they are.
pub(super) fn bits_for(
    target: usize,
    network: &Network,
    data: &Dataset,
    recipe: &Recipe,
) -> anyhow::Result<f32> {
    let parameters = Parameters::calibrated(network, data, recipe)?;
    let quantised = parameters.quantise()?;
    let weights = parameters.cost(&quantised).weights;
    let about = about(network, data);
    let raw = Form {
        order: finetune::ORDER,
        coding: Coding::Raw,
    };
    let whole = export::write(&quantised, raw, Some(&about))?.len();
    anyhow::ensure!(
        target < whole,
        "--target: expected less than {} bytes, which the blob has with a byte per weight, found {}: leave out --target",
        grouped(whole as u64),
        grouped(target as u64)
    );
    let rest = whole - weights;
    let bits = CODE_SHARE * 8.0 * (target as f64 - rest as f64) / weights as f64;
    anyhow::ensure!(
        bits >= 0.5,
        "--target: expected more than {} bytes, found {}: all but the weights takes {}",
        grouped((rest + weights / 16) as u64),
        grouped(target as u64),
        grouped(rest as u64)
    );
    Ok(bits as f32)
}

/// What a blob of this network says about itself, as far as its size goes.
fn about(network: &Network, data: &Dataset) -> About {
    let origin = Origin {
        data: Some(&data.name),
        epochs: 0,
        seed: 0,
        is_finetuned: true,
    };
    About::of(&network.spec, &data.classes, data.encoding.as_ref(), origin)
}

/// Bits of the integers that codes of so many bits on average are made of.
pub(super) fn grid_for(bits: f32) -> u8 {
    (bits + 0.75).ceil().clamp(4.0, 7.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_units_of_1024() {
        assert_eq!(size("36000"), Ok(36_000));
        for text in ["36K", "36KB", "36kib"] {
            assert_eq!(size(text), Ok(36_864), "{text}");
        }
        for text in ["", "K", "3.5K", "36MB", "-1"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn integers_reach_further_than_their_codes() {
        assert_eq!([0.5, 2.6, 3.2, 3.5, 5.0, 7.5].map(grid_for), [4, 4, 4, 5, 6, 7]);
    }
}
