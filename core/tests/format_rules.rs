//! One hand-made bad blob per numbered rule of the format, and the error it gets; and any bytes at all.
#![allow(clippy::unwrap_used)]

#[allow(unreachable_pub, reason = "shared by several tests")]
mod support;

use denselet::error::{Error, FormatError};
use denselet::format::{self, Blob, HEADER_LEN, RECORD_LEN};
use denselet::layout::Order;
use denselet::network::Network;
use denselet::{Arena, Model};
use proptest::prelude::*;
use support::{Aligned, blob, small};

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
        let mut bytes = blob(&support::Recipe { order, ..small() });
        for bit in 0..bytes.bytes().len() * 8 {
            bytes.bytes_mut()[bit / 8] ^= 1 << (bit % 8);
            assert!(Model::read(bytes.bytes()).is_err(), "{order:?}: bit {bit}");
            bytes.bytes_mut()[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn rule_1_a_header_is_there() {
    assert_eq!(
        error(&good()[..39]),
        FormatError::TooShort { needed: 40, had: 39 }
    );
    assert_eq!(error(&[]), FormatError::TooShort { needed: 40, had: 0 });
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
    for at in [7, 37, record(0) + 1, record(1) + 6, record(3) + 7] {
        assert_eq!(error(&changed(&[(at, 1)])), FormatError::NotZero { at });
    }
    // The stem's one padding value is the first array; three bytes fill it up.
    let at = record(4) + 3;
    assert_eq!(error(&changed(&[(at, 1)])), FormatError::NotZero { at });
}

#[test]
fn rule_9_input() {
    assert_eq!(
        error(&changed(&[(20, 0)])),
        FormatError::Input { found: [0, 4, 1] }
    );
    let found = [6, 4, 0x1101];
    assert_eq!(error(&changed(&[(25, 0x11)])), FormatError::Input { found });
}

#[test]
fn rule_10_stem() {
    let height = (28, 16);
    let stride = (31, 0);
    let padding = (34, 3);
    let pool = (36, 2);
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
    let at = bytes.len();
    assert_eq!(
        error(&bytes),
        FormatError::Truncated {
            at,
            needed: 2,
            had: 0
        }
    );
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
    // The head's arrays from the end: scale 4, multipliers 12.
    let at = good().len() - 16;
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
#[cfg(target_pointer_width = "32")]
fn rule_18_sizes_fit_this_machine() {
    let all = [
        (21, 0x10),
        (23, 0x10),
        (25, 0x10),
        (20, 0),
        (22, 0),
        (24, 0),
        (39, 0xff),
    ];
    assert!(Model::read(Aligned::new(&changed(&all)).bytes()).is_err());
}

/// The good blob with metadata after it, as it comes.
fn with_metadata(metadata: &[u8]) -> Vec<u8> {
    let mut bytes = [&good(), metadata].concat();
    reseal(&mut bytes);
    bytes
}

/// A field whose parts are right, whatever it holds.
fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![tag, 0, 0, 0, bytes.len() as u8, 0, 0, 0];
    field.extend(bytes);
    field.resize(field.len().next_multiple_of(4), 0);
    field
}

fn encoding(ends: &[f32]) -> Vec<u8> {
    ends.iter().flat_map(|end| end.to_le_bytes()).collect()
}

#[test]
fn rule_8_padding_of_metadata_is_zero() {
    let at = good().len();
    let mut reserved = field(1, b"name");
    reserved[2] = 1;
    assert_eq!(
        error(&with_metadata(&reserved)),
        FormatError::NotZero { at: at + 2 }
    );
    let mut filled = field(1, b"n");
    filled[10] = 1;
    assert_eq!(
        error(&with_metadata(&filled)),
        FormatError::NotZero { at: at + 10 }
    );
}

#[test]
fn rule_15_fields_are_whole_and_in_order() {
    let at = good().len();
    let mut long = field(1, b"name");
    long[4] += 1;
    let mut longest = field(1, b"name");
    longest[4..8].fill(0xff);
    for broken in [long, longest, field(0, b""), vec![1, 0, 0, 0]] {
        assert_eq!(
            error(&with_metadata(&broken)),
            FormatError::Trailing { at },
            "{broken:?}"
        );
    }
    let name = field(1, b"name");
    let second = at + name.len();
    for twice in [[name.clone(), name.clone()], [name, field(0, b"")]] {
        assert_eq!(
            error(&with_metadata(&twice.concat())),
            FormatError::Trailing { at: second }
        );
    }
}

#[test]
fn rule_19_fields_hold_what_their_tags_say() {
    let at = good().len();
    let bad = [
        field(1, b"\xff"),
        field(1, b"na\xe2\x82"),
        field(2, b"a\0b\0"),
        field(2, b"a\0b\0c\0d\0"),
        field(2, b"a\0b\0\0c"),
        field(2, b"a\0b\0\xc0\x80\0"),
        field(2, b""),
        field(3, &encoding(&[0.0])),
        field(3, &encoding(&[0.0, 1.0, 0.0, 1.0])),
        field(3, &encoding(&[1.0, 1.0])),
        field(3, &encoding(&[2.0, 1.0])),
        field(3, &encoding(&[f32::NAN, 1.0])),
        field(3, &encoding(&[0.0, f32::INFINITY])),
        field(3, b""),
    ];
    for field in bad {
        assert_eq!(
            error(&with_metadata(&field)),
            FormatError::Metadata { at },
            "{field:?}"
        );
    }
}

#[test]
fn metadata_is_read_without_a_heap_and_may_be_absent() {
    let bytes = with_metadata(
        &[
            field(1, "Grüße".as_bytes()),
            field(2, "hot dog\0\0ß\0".as_bytes()),
            field(3, &encoding(&[-1.5, 2.5])),
            // A tag of a later library.
            field(200, b"\xff"),
        ]
        .concat(),
    );
    let aligned = Aligned::new(&bytes);
    let mut arena = Arena::<4096>::new();
    let network = Network::new(aligned.bytes(), &mut arena).unwrap();
    let model = network.model();
    assert_eq!(model.name(), Some("Grüße"));
    assert_eq!(model.labels().collect::<Vec<_>>(), ["hot dog", "", "ß"]);
    assert_eq!(model.encoding().collect::<Vec<_>>(), [(-1.5, 2.5)]);

    let aligned = Aligned::new(&good());
    let model = Model::read(aligned.bytes()).unwrap();
    assert_eq!(model.name(), None);
    assert_eq!(model.labels().count() + model.encoding().count(), 0);
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
            let shapes = Model::read(Aligned::new(&bytes).bytes()).unwrap().shapes().collect::<Vec<_>>();
            if let Some(plan) = denselet::plan::Plan::new(header.input, &header.stem, shapes.into_iter())
                && plan.arena_len < 1 << 20
            {
                format::set_arena_len(&mut bytes, plan.arena_len).unwrap();
                let aligned = Aligned::new(&bytes);
                let mut memory = Aligned::zeros(plan.arena_len);
                let mut network = Network::in_bytes(aligned.bytes(), memory.bytes_mut()).unwrap();
                let image = vec![7; header.input.pixels() * header.input.channels];
                prop_assert!(network.run(&image).is_ok());
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
