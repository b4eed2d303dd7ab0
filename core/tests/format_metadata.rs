//! Metadata after the parameters: hand-made bad fields and the error each gets, and what is read without a heap.
#![allow(clippy::unwrap_used)]

#[allow(unreachable_pub, reason = "shared by several tests")]
mod support;

use denselet::error::FormatError;
use denselet::format;
use denselet::network::Network;
use denselet::{Arena, Model};
use support::{Aligned, blob, small};

fn good() -> Vec<u8> {
    blob(&small()).bytes().to_vec()
}

fn error(bytes: &[u8]) -> FormatError {
    Model::read(Aligned::new(bytes).bytes()).unwrap_err()
}

/// The good blob with metadata after it, as it comes.
fn with_metadata(metadata: &[u8]) -> Vec<u8> {
    let mut bytes = [&good(), metadata].concat();
    let len = (bytes.len() as u32).to_le_bytes();
    bytes[8..12].copy_from_slice(&len);
    format::set_arena_len(&mut bytes, denselet::arena_len(&good())).unwrap();
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
    let bad = [
        field(1, b"\xff"),
        field(1, b""),
        field(1, b"\x1b[31mred"),
        field(5, b"two\nlines"),
        field(6, b"\0"),
        field(7, "\u{85}".as_bytes()),
        // Three stages' channels: 3, 1 and 3, 3, 2; the head stores none.
        field(4, &[1, 0, 0, 0].repeat(11)),
        field(4, &[1, 0, 0, 0].repeat(13)),
        field(4, &[0; 48]),
        field(4, &[0, 0x7c, 0, 0].repeat(12)),
        field(2, b"a\0\0c\0"),
        field(2, b"a\0b\0c"),
        field(2, b"a\0b\x07\0c\0"),
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
        let bytes = with_metadata(&field);
        let aligned = Aligned::new(&bytes);
        let model = Model::read(aligned.bytes()).unwrap();
        let found = [
            model.name().err(),
            model.labels().err(),
            model.encoding().err(),
            model.scales().err(),
            model.input().err(),
            model.provenance().err(),
            model.accuracy().err(),
        ];
        let tag = u32::from(field[0]);
        let mut expected = [None; 7];
        expected[usize::from(field[0]) - 1] = Some(FormatError::Metadata { tag });
        assert_eq!(found, expected, "{field:?}");
    }
}

#[test]
fn metadata_is_read_without_a_heap_and_may_be_absent() {
    let bytes = with_metadata(
        &[
            field(1, "Grüße".as_bytes()),
            field(2, "hot dog\0a\0ß\0".as_bytes()),
            field(3, &encoding(&[-1.5, 2.5])),
            field(4, &[0, 0x3c, 0xfe, 0xff].repeat(12)),
            field(5, b"grey"),
            field(6, b"by hand"),
            field(7, b"none"),
            // A tag of a later library.
            field(200, b"\xff"),
        ]
        .concat(),
    );
    let aligned = Aligned::new(&bytes);
    let mut arena = Arena::<4096>::new();
    let network = Network::new(aligned.bytes(), &mut arena).unwrap();
    let model = network.model();
    assert_eq!(model.name().unwrap(), Some("Grüße"));
    assert_eq!(model.labels().unwrap().collect::<Vec<_>>(), ["hot dog", "a", "ß"]);
    assert_eq!(model.encoding().unwrap().collect::<Vec<_>>(), [(-1.5, 2.5)]);
    let scales: Vec<_> = model.scales().unwrap().collect();
    assert_eq!(scales, [(half::f16::ONE, -2); 12]);
    let texts = [model.input(), model.provenance(), model.accuracy()];
    assert_eq!(texts, [Ok(Some("grey")), Ok(Some("by hand")), Ok(Some("none"))]);
    assert_eq!(model.metadata_len(), bytes.len() - good().len());

    let aligned = Aligned::new(&good());
    let model = Model::read(aligned.bytes()).unwrap();
    assert_eq!(model.name().unwrap(), None);
    assert_eq!(
        model.labels().unwrap().count() + model.encoding().unwrap().count(),
        0
    );
}
