//! `read(write(x)) = x` and `write(read(b)) = b`.
#![allow(clippy::unwrap_used)]

#[allow(unreachable_pub, reason = "shared by several tests")]
mod support;

use denselet::format::{self, Blob};
use proptest::prelude::*;
use support::{blob, recipes::recipes};

proptest! {
    #[test]
    fn writing_what_was_read_gives_the_same_bytes(recipe in recipes()) {
        let bytes = blob(&recipe);
        let read = Blob::read(bytes.bytes()).unwrap();
        let mut again = vec![0xa5; bytes.bytes().len()];
        let len = format::write(&read.header(), read.stages(), &mut again).unwrap();
        prop_assert_eq!(len, bytes.bytes().len());
        prop_assert_eq!(&again, bytes.bytes());
    }
}

#[test]
fn arrays_of_the_wrong_length_and_small_outputs_are_refused() {
    let recipe = support::small();
    let bytes = blob(&recipe);
    let read = Blob::read(bytes.bytes()).unwrap();
    let mut small = vec![0; bytes.bytes().len() - 1];
    let error = format::write(&read.header(), read.stages(), &mut small).unwrap_err();
    assert!(
        matches!(error, format::WriteError::OutputTooSmall { .. }),
        "{error}"
    );
    let mut stages: Vec<_> = read.stages().collect();
    stages[1].sections[1] = &[];
    let mut out = vec![0; bytes.bytes().len()];
    let error = format::write(&read.header(), stages.iter().copied(), &mut out).unwrap_err();
    assert!(
        matches!(error, format::WriteError::Section { stage: 1, .. }),
        "{error}"
    );
    stages.pop();
    let error = format::write(&read.header(), stages.into_iter(), &mut out).unwrap_err();
    assert!(matches!(error, format::WriteError::Stages { .. }), "{error}");
}
