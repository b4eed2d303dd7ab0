//! Blobs with coded weights: what is refused when they are read, what when a network is made, and that nothing panics.
#![cfg(feature = "coded")]
#![allow(clippy::unwrap_used)]

#[allow(unreachable_pub, reason = "shared by several tests")]
mod support;

use denselet::codec::Codec;
use denselet::format::{self, Blob, HEADER_LEN, RECORD_LEN, Section};
use denselet::layout::Order;
use denselet::network::Network;
use denselet::plan::Plan;
use denselet::{Error, FormatError, Model};
use support::{Aligned, Recipe, coded, small};

/// Coded blobs of a small network in every order, with each codec in at least one array.
fn blobs() -> Vec<Aligned> {
    let mut seen = Vec::new();
    let recipes = (0..12).map(|nth| Recipe {
        order: [Order::Plain, Order::Pairs, Order::Quads][nth % 3],
        seed: 100 + nth as u64,
        ..small()
    });
    let blobs: Vec<_> = recipes.map(|recipe| coded(&recipe).0).collect();
    for blob in &blobs {
        seen.extend(
            Model::read(blob.bytes())
                .unwrap()
                .records()
                .flat_map(|(_, codecs)| codecs),
        );
    }
    assert!(Codec::ALL.iter().all(|codec| seen.contains(codec)));
    blobs
}

/// Puts length, arena length and checksum right, and runs an image if the bytes are a network.
fn answer(bytes: &[u8]) -> Result<(), Error> {
    let mut blob = bytes.to_vec();
    let len = (blob.len() as u32).to_le_bytes();
    blob[8..12].copy_from_slice(&len);
    format::set_arena_len(&mut blob, 0).unwrap();
    let mut blob = Aligned::new(&blob);
    let model = Model::read(blob.bytes())?;
    let input = model.header().input;
    let Some(plan) = Plan::of(&model).filter(|plan| plan.arena_len < 1 << 20) else {
        return Err(FormatError::TooLarge.into());
    };
    format::set_arena_len(blob.bytes_mut(), plan.arena_len).unwrap();
    let mut memory = Aligned::zeros(plan.arena_len);
    let mut network = Network::in_bytes(blob.bytes(), memory.bytes_mut())?;
    // Once it is a network, nothing can fail.
    network.run(&vec![7; input.pixels() * input.channels]).unwrap();
    Ok(())
}

/// Where the first array of a codec starts, its bytes, and the place of its length in the records.
fn find(blob: &Aligned, codec: Codec) -> Option<(usize, Vec<u8>, usize)> {
    let read = Blob::read(blob.bytes()).unwrap();
    read.stages().skip(1).enumerate().find_map(|(index, stage)| {
        let sections = [Section::BottleneckWeights, Section::Weights]
            .into_iter()
            .enumerate();
        let (nth, section) = sections
            .into_iter()
            .find(|(_, section)| stage.codec(*section) == codec)?;
        let bytes = stage.section(section);
        let at = bytes.as_ptr().addr() - blob.bytes().as_ptr().addr();
        Some((at, bytes.to_vec(), HEADER_LEN + index * RECORD_LEN + 8 + 4 * nth))
    })
}

#[test]
fn a_changed_byte_gives_an_error_or_an_answer() {
    let (mut errors, mut answers) = (0, 0);
    for blob in blobs() {
        for at in (0..blob.bytes().len()).step_by(if cfg!(miri) { 37 } else { 1 }) {
            for change in [0x01, 0x10, 0x80, 0xff] {
                let mut bytes = blob.bytes().to_vec();
                bytes[at] ^= change;
                match answer(&bytes) {
                    Ok(()) => answers += 1,
                    Err(Error::Format(_)) => errors += 1,
                    Err(error) => panic!("byte {at} ^ {change}: {error}"),
                }
            }
        }
    }
    assert!(errors > 0 && answers > 0);
}

#[test]
fn rule_23_coded_arrays_have_possible_lengths() {
    for blob in blobs() {
        for &codec in &Codec::ALL[1..] {
            let Some((at, array, length)) = find(&blob, codec) else {
                continue;
            };
            // The length of a Huffman code follows from nothing but its description and its weights.
            let longer = if codec == Codec::Huffman { 400 } else { 4 };
            let mut bytes = blob.bytes().to_vec();
            bytes.splice(at..at, vec![0; longer]);
            let len = (array.len() + longer) as u32;
            bytes[length..length + 4].copy_from_slice(&len.to_le_bytes());
            let found = answer(&bytes).unwrap_err();
            assert!(
                matches!(found, Error::Format(FormatError::Weights { .. })),
                "{codec:?}: {found:?}"
            );
        }
    }
    for codec in [Codec::Nibbles, Codec::Planes, Codec::Huffman] {
        for len in [0, 3, 5, 6] {
            assert!(codec.check_len(8, len).is_err(), "{codec:?}: {len}");
        }
    }
    assert_eq!(Codec::Huffman.check_len(8, 4), Ok(()));
    assert_eq!(Codec::Huffman.check_len(8, 8 + 136), Err(8 + 132));
}

#[test]
fn rule_24_a_coded_array_is_a_whole_code() {
    let mut count = 0;
    for blob in blobs() {
        // A word more than the code takes: one that is zero, and one that is not.
        let Some((at, array, length)) = find(&blob, Codec::Huffman) else {
            continue;
        };
        for word in [[0; 4], [1; 4]] {
            let mut bytes = blob.bytes().to_vec();
            bytes.splice(at + array.len()..at + array.len(), word);
            let len = (array.len() + 4) as u32;
            bytes[length..length + 4].copy_from_slice(&len.to_le_bytes());
            assert_eq!(answer(&bytes), Err(FormatError::Code { at }.into()));
        }
        // A code that is not complete.
        let mut bytes = blob.bytes().to_vec();
        bytes[at + 2] ^= 0x01;
        let found = answer(&bytes).unwrap_err();
        assert_eq!(found, FormatError::Code { at }.into());
        assert!(found.to_string().contains("complete code"), "{found}");
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn rule_8_coded_padding_is_zero() {
    let mut count = 0;
    for blob in blobs() {
        for codec in [Codec::Nibbles, Codec::Planes] {
            let Some((at, array, _)) = find(&blob, codec) else {
                continue;
            };
            for nth in 0..array.len() {
                let mut bytes = blob.bytes().to_vec();
                bytes[at + nth] ^= 0x01;
                match answer(&bytes) {
                    Err(Error::Format(FormatError::NotZero { at: found })) => {
                        assert_eq!(found, at);
                        count += 1;
                    }
                    found => assert!(matches!(
                        found,
                        Ok(()) | Err(Error::Format(FormatError::Code { .. }))
                    )),
                }
            }
        }
    }
    assert!(count > 0);
}
