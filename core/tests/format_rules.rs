//! One hand-made bad blob per numbered rule of the format, and the error it gets; and any bytes at all.
#![allow(clippy::unwrap_used)]

#[allow(unreachable_pub, reason = "shared by several tests")]
mod support;

use denselet::error::{Error, FormatError};
use denselet::format::{self, Blob, HEADER_LEN, RECORD_LEN, Section, StageBytes};
use denselet::layout::Order;
use denselet::network::Network;
use denselet::{Arena, Model};
use proptest::prelude::*;
use support::{Aligned, Recipe, blob, small};

fn good() -> Vec<u8> {
    blob(&small()).bytes().to_vec()
}

/// The good blob with bytes changed and the checksum right again.
fn changed(changes: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = good();
    for &(at, value) in changes {
        bytes[at] = value;
    }
    reseal(&mut bytes);
    bytes
}

/// Puts length and checksum right, the arena length as it is.
fn reseal(bytes: &mut [u8]) {
    let len = (bytes.len() as u32).to_le_bytes();
    bytes[8..12].copy_from_slice(&len);
    let arena_len = u32::from_le_bytes(bytes[16..20].try_into().unwrap());
    format::set_arena_len(bytes, arena_len as usize).unwrap();
}

fn error(bytes: &[u8]) -> FormatError {
    Model::read(Aligned::new(bytes).bytes()).unwrap_err()
}

fn record(index: usize) -> usize {
    HEADER_LEN + index * RECORD_LEN
}

#[test]
fn the_good_blob_is_good() {
    assert!(Model::read(Aligned::new(&good()).bytes()).is_ok());
    assert_eq!(changed(&[]), good());
}

#[test]
fn every_flipped_bit_is_found() {
    for order in [Order::Plain, Order::Pairs, Order::Quads] {
        let mut bytes = blob(&Recipe { order, ..small() });
        // An interpreter looks at some of them.
        for bit in (0..bytes.bytes().len() * 8).step_by(if cfg!(miri) { 997 } else { 1 }) {
            bytes.bytes_mut()[bit / 8] ^= 1 << (bit % 8);
            assert!(Model::read(bytes.bytes()).is_err(), "{order:?}: bit {bit}");
            bytes.bytes_mut()[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn rule_1_a_header_is_there() {
    assert_eq!(
        error(&good()[..47]),
        FormatError::TooShort { needed: 48, had: 47 }
    );
    assert_eq!(error(&[]), FormatError::TooShort { needed: 48, had: 0 });
}

#[test]
fn rule_2_magic() {
    assert_eq!(
        error(&changed(&[(0, b'X')])),
        FormatError::Magic { found: *b"XLET" }
    );
}

#[test]
fn rule_3_version() {
    assert_eq!(error(&changed(&[(4, 1)])), FormatError::Version { found: 1 });
}

#[test]
fn rule_4_length() {
    let good = good();
    let (needed, had) = (good.len(), good.len() - 4);
    assert_eq!(error(&good[..had]), FormatError::Length { needed, had });
    let longer = [good.as_slice(), &[0; 4]].concat();
    assert_eq!(
        error(&longer),
        FormatError::Length {
            needed,
            had: needed + 4
        }
    );
}

#[test]
fn arena_lengths_are_those_of_whole_blobs() {
    let good = good();
    assert_eq!(
        denselet::try_arena_len(&good),
        Ok(Model::read(Aligned::new(&good).bytes())
            .unwrap()
            .header()
            .arena_len)
    );
    let broken = [
        good[..47].to_vec(),
        good[..good.len() - 4].to_vec(),
        [good.as_slice(), &[0]].concat(),
        changed(&[(0, b'd')]),
        changed(&[(4, 3)]),
        vec![0; good.len()],
        Vec::new(),
    ];
    for bytes in broken {
        assert_eq!(denselet::try_arena_len(&bytes).unwrap_err(), error(&bytes));
    }
}

#[test]
#[should_panic = "not a denselet blob"]
fn an_arena_length_of_other_bytes_panics() {
    denselet::arena_len(&[7; 100]);
}

#[test]
fn rule_5_crc() {
    let mut bytes = good();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert!(matches!(error(&bytes), FormatError::Crc { .. }));
}

#[test]
fn rule_6_alignment() {
    let mut bytes = vec![0];
    bytes.extend(good());
    let aligned = Aligned::new(&bytes);
    let found = Model::read(&aligned.bytes()[1..]).unwrap_err();
    assert_eq!(found, FormatError::Misaligned { offset: 1 });
}

#[test]
fn rule_7_order() {
    assert_eq!(error(&changed(&[(6, 99)])), FormatError::Order { found: 99 });
}

#[test]
fn rule_8_reserved_and_padding_are_zero() {
    // A reserved byte; the run of zeros; and the stem's one padding value, which three bytes fill up.
    let zeros = record(4);
    let good = Aligned::new(&good());
    let (padding, _) = array(good.bytes(), 0, Section::Padding);
    assert_eq!(padding, zeros + 8);
    for at in [7, zeros, zeros + 7, padding + 3] {
        assert_eq!(error(&changed(&[(at, 1)])), FormatError::NotZero { at });
    }
}

/// Where an array starts in a blob, and the stage it is of.
fn array(bytes: &[u8], stage: usize, section: Section) -> (usize, StageBytes<'_>) {
    let stage = Blob::read(bytes).unwrap().stages().nth(stage).unwrap();
    let at = stage.section(section).as_ptr().addr() - bytes.as_ptr().addr();
    (at, stage)
}

#[test]
fn rule_8_weights_that_meet_padding_are_zero() {
    for order in [Order::Plain, Order::Pairs, Order::Quads] {
        let recipe = Recipe { order, ..small() };
        let good = blob(&recipe);
        // Stem, bottleneck layer, transition, plain layer, head: none has a multiple of 4 of everything.
        for stage in 0..5 {
            for section in [Section::BottleneckWeights, Section::Weights] {
                let (at, stage) = array(good.bytes(), stage, section);
                let Some(filters) = format::filters(section, stage.kind, stage.input) else {
                    continue;
                };
                let mut meets_a_value = vec![false; stage.section(section).len()];
                for o in 0..filters.outputs {
                    for k in (0..filters.length).filter(|k| k % filters.depth < filters.inputs) {
                        meets_a_value[order.weight_offset(filters.length, filters.depth, o, k)] = true;
                    }
                }
                // An interpreter looks at some of them.
                let step = if cfg!(miri) { 61 } else { 1 };
                for (offset, meets_a_value) in meets_a_value.into_iter().enumerate().step_by(step) {
                    let at = at + offset;
                    let mut bytes = good.bytes().to_vec();
                    bytes[at] = bytes[at].wrapping_add(1);
                    reseal(&mut bytes);
                    let found = Model::read(Aligned::new(&bytes).bytes()).err();
                    let expected = (!meets_a_value).then_some(FormatError::NotZero { at });
                    assert_eq!(found, expected, "{order:?} {section:?} {offset}");
                }
            }
        }
    }
}

#[test]
fn rule_9_input() {
    assert_eq!(
        error(&changed(&[(20, 0)])),
        FormatError::Input { found: [0, 4, 1] }
    );
    let found = [6, 4, 0x1101];
    assert_eq!(error(&changed(&[(25, 0x11)])), FormatError::Input { found });
    // Each side is in range, the product is not.
    let found = [4096, 4096, 5];
    let sides = [(20, 0), (21, 0x10), (22, 0), (23, 0x10), (24, 5)];
    assert_eq!(error(&changed(&sides)), FormatError::Input { found });
}

#[test]
fn rule_10_stem() {
    let height = (28, 16);
    let stride = (31, 0);
    let padding = (34, 3);
    let pool = (36, 3);
    let filters = (38, 0);
    for change in [height, (28, 9), stride, padding, pool, filters] {
        assert_eq!(error(&changed(&[change])), FormatError::Stem, "{change:?}");
    }
}

#[test]
fn rule_11_stages() {
    assert_eq!(
        error(&changed(&[(record(1), 7)])),
        FormatError::Stage { index: 1, kind: 7 }
    );
    assert_eq!(
        error(&changed(&[(record(1), 3)])),
        FormatError::Stage { index: 1, kind: 3 }
    );
    assert_eq!(
        error(&changed(&[(record(3), 2)])),
        FormatError::Stage { index: 3, kind: 2 }
    );
    assert_eq!(
        error(&changed(&[(26, 0)])),
        FormatError::Stage { index: 0, kind: 0 }
    );
}

#[test]
fn rule_12_widths() {
    assert_eq!(
        error(&changed(&[(record(0) + 4, 0)])),
        FormatError::Width { index: 0 }
    );
    assert_eq!(
        error(&changed(&[(record(1) + 2, 1)])),
        FormatError::Width { index: 1 }
    );
    let all = [(record(2) + 4, 0xff), (record(2) + 5, 0xff)];
    assert_eq!(error(&changed(&all)), FormatError::Width { index: 2 });
}

#[test]
fn rule_13_something_to_pool() {
    // An input of one column; the arrays do not change.
    assert_eq!(
        error(&changed(&[(22, 1)])),
        FormatError::NothingToPool { index: 1 }
    );
}

#[test]
fn rule_14_arrays_end_inside() {
    let mut bytes = good();
    bytes.truncate(bytes.len() - 4);
    reseal(&mut bytes);
    // The head's multipliers, three words.
    let at = bytes.len() - 8;
    assert_eq!(
        error(&bytes),
        FormatError::Truncated {
            at,
            needed: 12,
            had: 8
        }
    );
    bytes.truncate(record(4) + 4);
    reseal(&mut bytes);
    let (at, needed, had) = (record(4), 8, 4);
    assert_eq!(error(&bytes), FormatError::Truncated { at, needed, had });
}

#[test]
fn rule_15_nothing_follows() {
    let mut bytes = good();
    let at = bytes.len();
    bytes.extend([0; 4]);
    reseal(&mut bytes);
    assert_eq!(error(&bytes), FormatError::Trailing { at });
}

#[test]
fn rule_16_multipliers() {
    // The head's multipliers are the last array.
    let at = good().len() - 12;
    assert_eq!(error(&changed(&[(at + 3, 0x80)])), FormatError::Multiplier { at });
}

#[test]
fn rule_17_arena_length() {
    let bytes = changed(&[(16, good()[16].wrapping_add(4))]);
    let aligned = Aligned::new(&bytes);
    let mut arena = Arena::<4096>::new();
    let needed = denselet::arena_len(&good());
    let found = Network::new(aligned.bytes(), &mut arena).unwrap_err();
    assert_eq!(
        found,
        Error::Format(FormatError::ArenaLen {
            needed,
            found: needed + 4
        })
    );
}

#[test]
fn rule_18_maps_are_within_reach() {
    // The input is, the stem's output is not.
    let all = [(20, 0), (21, 0x10), (22, 0), (23, 0x10), (38, 5), (40, 60)];
    let mut bytes = changed(&all);
    bytes.resize(bytes.len() + 4096, 0);
    reseal(&mut bytes);
    assert_eq!(error(&bytes), FormatError::TooLarge);
    assert_eq!(error(&changed(&[(27, 0x11)])), FormatError::TooLarge);
}

#[test]
fn rule_20_a_logit_stands_for_a_positive_number() {
    for scale in [0x0000, 0x8000, 0x8001, 0xbc00, 0x7c00, 0xfc00, 0x7e00, 0xffff_u16] {
        let [low, high] = scale.to_le_bytes();
        assert_eq!(error(&changed(&[(46, low), (47, high)])), FormatError::Scale);
    }
}

#[test]
fn rule_21_masks_mirror_or_do_not() {
    let good = Aligned::new(&good());
    // The transition's masks are all zero, and so not stored.
    let stored = [true, false, true, true];
    for (index, is_stored) in stored.into_iter().enumerate() {
        assert_eq!(good.bytes()[record(index) + 1], u8::from(is_stored));
        let (at, stage) = array(good.bytes(), index + 1, Section::Mask);
        if !is_stored {
            assert_eq!(at, record(4));
            continue;
        }
        for mask in [1, 0x7f, 0x80, 0xfe] {
            assert_eq!(error(&changed(&[(at + 1, mask)])), FormatError::Mask { at });
        }
        let none: Vec<_> = (at..at + stage.section(Section::Mask).len())
            .map(|at| (at, 0))
            .collect();
        assert_eq!(error(&changed(&none)), FormatError::Mask { at });
    }
    // A flag that is neither, and a run of zeros that is too short: the next array starts in it.
    assert!(matches!(
        error(&changed(&[(record(1) + 1, 2)])),
        FormatError::Mask { .. }
    ));
    let mut long = changed(&[(44, 3)]);
    long.splice(record(4)..record(4), [0; 4]);
    reseal(&mut long);
    assert_eq!(error(&long), FormatError::Mask { at: record(4) });
    let mut short = changed(&[(44, 1)]);
    short.drain(record(4)..record(4) + 4);
    reseal(&mut short);
    assert_eq!(error(&short), FormatError::Mask { at: record(4) });
}

#[test]
fn rule_22_codecs() {
    for at in [37, record(0) + 6, record(0) + 7, record(3) + 7] {
        let found = error(&changed(&[(at, 4)]));
        assert!(matches!(found, FormatError::Codec { found: 4, .. }), "{found:?}");
    }
    // The stem and arrays without weights are raw.
    for at in [37, record(1) + 6, record(2) + 6] {
        let found = error(&changed(&[(at, 1)]));
        assert!(matches!(found, FormatError::Codec { found: 1, .. }), "{found:?}");
        let advice = if cfg!(feature = "coded") {
            "unexpected codec 1"
        } else {
            "feature `coded`"
        };
        assert!(found.to_string().contains(advice), "{found}");
    }
}

#[test]
fn rule_23_weights_are_as_long_as_they_must_be() {
    for at in [40, record(0) + 8, record(0) + 12, record(1) + 8, record(3) + 12] {
        let more = good()[at] + 4;
        let found = error(&changed(&[(at, more)]));
        let is_right = matches!(found, FormatError::Weights { needed, found, .. } if found == needed + 4);
        assert!(is_right, "{found:?}");
    }
}

#[test]
fn probabilities_are_numbers_whatever_the_scale() {
    for scale in [1u16, 0x7bff].map(u16::to_le_bytes) {
        let bytes = changed(&[(46, scale[0]), (47, scale[1])]);
        let aligned = Aligned::new(&bytes);
        let mut arena = Arena::<4096>::new();
        let mut network = Network::new(aligned.bytes(), &mut arena).unwrap();
        let mut probabilities = [0.0; 3];
        network.run(&[77; 24]).unwrap().probabilities(&mut probabilities);
        let sum: f32 = probabilities.iter().sum();
        assert!((sum - 1.0).abs() < 1e-2, "{probabilities:?}");
    }
}

#[test]
fn an_arena_one_byte_short_is_refused() {
    let good = Aligned::new(&good());
    let needed = denselet::arena_len(good.bytes());
    let mut memory = Aligned::zeros(needed);
    let short = &mut memory.bytes_mut()[..needed - 1];
    let found = Network::in_bytes(good.bytes(), short).unwrap_err();
    assert_eq!(
        found,
        Error::ArenaTooSmall {
            needed,
            had: needed - 1
        }
    );
}

#[test]
fn inputs_of_the_wrong_length_are_refused() {
    let good = Aligned::new(&good());
    let mut arena = Arena::<4096>::new();
    let mut network = Network::new(good.bytes(), &mut arena).unwrap();
    assert_eq!(
        network.run(&[0; 23]).unwrap_err(),
        Error::InputLen { needed: 24, had: 23 }
    );
    assert_eq!(
        network.push_row(&[0; 5]).unwrap_err(),
        Error::InputLen { needed: 4, had: 5 }
    );
    assert!(network.push_row(&[0; 4]).unwrap().is_none());
    assert_eq!(network.run(&[0; 24]).unwrap_err(), Error::RowsPending { rows: 1 });
    network.restart();
    assert!(network.run(&[0; 24]).is_ok());
}

#[test]
fn every_error_says_something() {
    let errors = [
        error(&[]),
        error(&changed(&[(0, 0)])),
        error(&changed(&[(20, 0)])),
    ];
    for error in errors {
        assert!(error.to_string().len() > 20, "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..Default::default() })]

    /// Any change to a good blob gives an error or a network that runs; nothing panics.
    #[test]
    fn damaged_blobs_give_an_error_or_an_answer(changes in prop::collection::vec((4usize..400, any::<u8>()), 1..6)) {
        let len = good().len();
        let changes: Vec<_> = changes.into_iter().filter(|&(at, _)| at < len).collect();
        let mut bytes = changed(&changes);
        if let Ok(blob) = Blob::read(&bytes) {
            let header = blob.header();
            let plan = denselet::plan::Plan::of(&Model::read(Aligned::new(&bytes).bytes()).unwrap());
            if let Some(plan) = plan
                && plan.arena_len < 1 << 20
            {
                format::set_arena_len(&mut bytes, plan.arena_len).unwrap();
                let aligned = Aligned::new(&bytes);
                let mut memory = Aligned::zeros(plan.arena_len);
                match Network::in_bytes(aligned.bytes(), memory.bytes_mut()) {
                    Ok(mut network) => {
                        let image = vec![7; header.input.pixels() * header.input.channels];
                        prop_assert!(network.run(&image).is_ok());
                    }
                    // A change may call raw weights coded, and codes are checked last.
                    Err(Error::Format(FormatError::Code { .. })) => {}
                    Err(error) => prop_assert!(false, "{error}"),
                }
            }
        }
    }

    #[test]
    fn any_bytes_give_an_error_or_a_blob(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Blob::read(&bytes);
        if bytes.len() >= HEADER_LEN {
            bytes[..4].copy_from_slice(&format::MAGIC);
            let order = bytes[6] % 3;
            bytes[4..8].copy_from_slice(&[2, 0, order, 0]);
            reseal(&mut bytes);
            let _ = Blob::read(&bytes);
        }
    }
}
