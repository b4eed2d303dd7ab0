//! Every codec gives back what was coded, and refuses every other stream.
#![cfg(feature = "coded")]
#![allow(clippy::unwrap_used)]

#[allow(unreachable_pub, reason = "shared by several tests")]
mod support;

use denselet::codec::{BadCode, Codec, decode};
use proptest::prelude::*;
use support::Random;
use support::code::{encode, huffman};

fn words(bytes: &[u8]) -> Vec<u32> {
    let (words, rest) = bytes.as_chunks();
    assert!(rest.is_empty());
    words.iter().copied().map(u32::from_le_bytes).collect()
}

/// Decodes `len` weights over other bytes.
fn decoded(codec: Codec, bytes: &[u8], len: usize) -> Result<Vec<i8>, BadCode> {
    let mut out = vec![0xa5; len];
    let mut table = vec![0xa5a5_a5a5; codec.table_words()];
    decode(codec, &words(bytes), &mut out, &mut table)?;
    Ok(out.into_iter().map(u8::cast_signed).collect())
}

/// Weights in a range, all of them as likely, or the middle one likelier.
fn weights() -> impl Strategy<Value = Vec<i8>> {
    let ranges = [
        (0, 0),
        (-1, 0),
        (-4, 3),
        (-8, 7),
        (-20, 3),
        (-128, 127),
        (90, 127),
        (-128, -125),
    ];
    let range = prop::sample::select(ranges.map(|(low, high)| (low as i8, high as i8)).to_vec());
    // Huffman codes of short and of long arrays are decoded in different ways.
    let groups = prop_oneof![3 => 1usize..150, 1 => 290usize..450];
    (range, groups, 1usize..4).prop_flat_map(|((low, high), groups, draws)| {
        let weight = prop::collection::vec(low..=high, draws).prop_map(|draws| {
            let sum: i32 = draws.iter().map(|&draw| i32::from(draw)).sum();
            (sum / draws.len() as i32) as i8
        });
        prop::collection::vec(weight, 4 * groups)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 8 } else { 2000 }, ..Default::default() })]

    #[test]
    fn what_was_coded_comes_back(weights in weights(), seed in any::<u64>()) {
        let mut random = Random::new(seed);
        for &codec in Codec::ALL {
            let Some(bytes) = encode(codec, &weights, &mut random) else { continue };
            prop_assert_eq!(codec.check_len(weights.len(), bytes.len()), Ok(()), "{:?}", codec);
            prop_assert_eq!(decoded(codec, &bytes, weights.len()), Ok(weights.clone()), "{:?}", codec);
            // Other numbers of weights take other streams, unless the weights are all the same.
            if codec == Codec::Huffman && weights.iter().all(|weight| *weight == weights[0]) {
                continue;
            }
            let lens = [weights.len().checked_sub(64), Some(weights.len() + 64)];
            for len in lens.into_iter().flatten() {
                prop_assert_eq!(decoded(codec, &bytes, len), Err(BadCode), "{:?}", codec);
            }
        }
    }

    #[test]
    fn any_words_give_weights_or_an_error(words in prop::collection::vec(any::<u32>(), 0..40), len in 0usize..500) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        for &codec in Codec::ALL {
            let _ = decoded(codec, &bytes, 4 * len);
        }
    }
}

/// The weights -1 to 1 with codes of 1 and 2 bits.
const WEIGHTS: [i8; 8] = [0, 1, 0, -1, 0, 0, 1, 0];
const LENGTHS: [u8; 3] = [2, 1, 2];

fn is_refused(bytes: &[u8]) -> bool {
    decoded(Codec::Huffman, bytes, WEIGHTS.len()) == Err(BadCode)
}

#[test]
fn the_example_of_the_format() {
    let bytes = huffman(-1, &LENGTHS, &WEIGHTS);
    // 0 is `0`, -1 is `10`, 1 is `11`, each from the lowest bit on.
    assert_eq!(bytes, [0xff, 2, 0x12, 0x02, 0b0001_0110, 0b011, 0, 0]);
    assert_eq!(decoded(Codec::Huffman, &bytes, 8), Ok(WEIGHTS.to_vec()));
}

#[test]
fn a_code_is_complete_and_no_longer_than_8_bits() {
    let longest = [1, 2, 3, 4, 5, 6, 7, 8, 8];
    let weights = [0, 8, 7, 6, 5, 4, 3, 2, 1, 0, 8, 8];
    let bytes = huffman(0, &longest, &weights);
    assert_eq!(decoded(Codec::Huffman, &bytes, 12), Ok(weights.to_vec()));
    let many = [
        &[1, 2, 3, 4, 5, 6, 7, 8, 9, 9][..],
        &[2, 3, 2],
        &[2, 2, 2],
        &[1, 1, 2],
        &[1, 1, 1],
    ];
    for lengths in many {
        assert!(is_refused(&huffman(-1, lengths, &WEIGHTS)), "{lengths:?}");
    }
    // 15 bits, and codes that fill the whole byte and more.
    assert!(is_refused(&huffman(-1, &[15, 1, 2], &WEIGHTS)));
    assert!(is_refused(&huffman(-1, &[1; 256], &WEIGHTS)));
}

#[test]
fn a_code_has_one_description() {
    // Lengths of weights that do not occur, before and after.
    for (lowest, lengths) in [(-2, &[0, 2, 1, 2][..]), (-1, &[2, 1, 2, 0])] {
        assert!(is_refused(&huffman(lowest, lengths, &WEIGHTS)), "{lengths:?}");
    }
    // The unused half of the last byte of lengths.
    let mut bytes = huffman(-1, &LENGTHS, &WEIGHTS);
    bytes[3] |= 0x20;
    assert!(is_refused(&bytes));
    // Weights beyond 127.
    let mut bytes = huffman(-1, &LENGTHS, &WEIGHTS);
    (bytes[0], bytes[1]) = (126, 2);
    assert!(is_refused(&bytes));
    bytes[0] = 125;
    assert!(!is_refused(&bytes));
    // One weight has no bits.
    assert_eq!(decoded(Codec::Huffman, &[0xfe, 0, 0, 0], 16), Ok(vec![-2; 16]));
    for byte in 2..4 {
        let mut bytes = [0xfe, 0, 0, 0];
        bytes[byte] = 1;
        assert!(is_refused(&bytes));
    }
}

#[test]
fn a_stream_ends_with_its_last_weight() {
    let bytes = huffman(-1, &LENGTHS, &WEIGHTS);
    assert!(is_refused(&bytes[..4]));
    assert!(is_refused(&[&bytes[..], &[0; 4]].concat()));
    assert!(is_refused(&[]));
    for bit in 11..32 {
        let mut bytes = bytes.clone();
        bytes[4 + bit / 8] |= 1 << (bit % 8);
        assert!(is_refused(&bytes), "bit {bit}");
    }
}

#[test]
fn a_table_that_is_too_small_is_refused() {
    let bytes = words(&huffman(-1, &LENGTHS, &WEIGHTS));
    let mut table = vec![0; Codec::Huffman.table_words() - 1];
    assert_eq!(
        decode(Codec::Huffman, &bytes, &mut [0; 8], &mut table),
        Err(BadCode)
    );
}
