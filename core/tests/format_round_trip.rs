//! `read(write(x)) = x` and `write(read(b)) = b`.
#![allow(clippy::unwrap_used)]

#[allow(unreachable_pub, reason = "shared by several tests")]
mod support;

use denselet::format::{self, Blob, Field};
use proptest::prelude::*;
use support::{blob, recipes::recipes};

proptest! {
    #[test]
    fn writing_what_was_read_gives_the_same_bytes(recipe in recipes()) {
        let bytes = blob(&recipe);
        let read = Blob::read(bytes.bytes()).unwrap();
        let mut again = vec![0xa5; bytes.bytes().len()];
        let len = format::write(&read.header(), read.stages(), &[], &mut again).unwrap();
        prop_assert_eq!(len, bytes.bytes().len());
        prop_assert_eq!(&again, bytes.bytes());
        prop_assert_eq!(read.metadata().count(), 0);
    }

    #[cfg(feature = "coded")]
    #[test]
    fn writing_coded_weights_that_were_read_gives_the_same_bytes(recipe in recipes()) {
        let (bytes, _) = support::coded(&recipe);
        let read = Blob::read(bytes.bytes()).unwrap();
        let mut again = vec![0xa5; bytes.bytes().len()];
        format::write(&read.header(), read.stages(), &[], &mut again).unwrap();
        prop_assert_eq!(&again, bytes.bytes());
    }

    #[test]
    fn reading_metadata_that_was_written_gives_the_same_fields(
        fields in prop::collection::btree_map(8u32.., prop::collection::vec(any::<u8>(), 0..20), 0..5),
        name in "[ -~äß]{1,20}",
    ) {
        let bytes = blob(&support::small());
        let read = Blob::read(bytes.bytes()).unwrap();
        let name = Field { tag: format::metadata::tag::NAME, bytes: name.as_bytes() };
        let others = fields.iter().map(|(&tag, bytes)| Field { tag, bytes });
        let fields: Vec<_> = [name].into_iter().chain(others).collect();
        let mut written = vec![0xa5; format::len(read.stages(), &fields).unwrap()];
        format::write(&read.header(), read.stages(), &fields, &mut written).unwrap();
        let again = Blob::read(&written).unwrap();
        prop_assert_eq!(again.metadata().collect::<Vec<_>>(), fields);
        prop_assert!(again.stages().eq(read.stages()));
    }
}

#[test]
fn arrays_of_the_wrong_length_and_small_outputs_are_refused() {
    let recipe = support::small();
    let bytes = blob(&recipe);
    let read = Blob::read(bytes.bytes()).unwrap();
    let mut small = vec![0; bytes.bytes().len() - 1];
    let error = format::write(&read.header(), read.stages(), &[], &mut small).unwrap_err();
    assert!(
        matches!(error, format::WriteError::OutputTooSmall { .. }),
        "{error}"
    );
    let mut stages: Vec<_> = read.stages().collect();
    stages[1].sections[1] = &[];
    let mut out = vec![0; bytes.bytes().len()];
    let error = format::write(&read.header(), stages.iter().copied(), &[], &mut out).unwrap_err();
    assert!(
        matches!(error, format::WriteError::Section { stage: 1, .. }),
        "{error}"
    );
    stages.pop();
    let error = format::write(&read.header(), stages.into_iter(), &[], &mut out).unwrap_err();
    assert!(matches!(error, format::WriteError::Stages { .. }), "{error}");
}

#[test]
fn what_the_reader_refuses_is_not_written() {
    let bytes = blob(&support::small());
    let read = Blob::read(bytes.bytes()).unwrap();
    let tag = format::metadata::tag::LABELS;
    for bytes in [&b"one\0"[..], b"one\0two\0one\0", b"one\0\0two\0"] {
        let labels = [Field { tag, bytes }];
        let mut out = vec![0; format::len(read.stages(), &labels).unwrap()];
        let error = format::write(&read.header(), read.stages(), &labels, &mut out).unwrap_err();
        assert_eq!(
            error,
            format::WriteError::Refused(denselet::FormatError::Metadata { tag })
        );
    }
}
