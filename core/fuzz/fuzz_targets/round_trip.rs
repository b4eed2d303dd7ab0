//! `read(write(x)) = x` for the network that bytes describe, and `write(read(b)) = b` for bytes that are a blob.

#![no_main]

use denselet::FormatError;
use denselet::format::{self, Blob, Field, WriteError};
use denselet_fuzz::{describe::describe, mend, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut blob = bytes.to_vec();
    if mend(&mut blob).is_some() {
        let read = Blob::read(&blob).expect("it was mended");
        let metadata: Vec<_> = read.metadata().collect();
        let mut out = vec![0xa5; blob.len()];
        match format::write(&read.header(), read.stages(), &metadata, &mut out) {
            Ok(len) => assert_eq!((len, &out), (blob.len(), &blob)),
            // What a field holds is checked when it is written or asked for.
            Err(error) => assert!(
                matches!(error, WriteError::Refused(FormatError::Metadata { .. })),
                "{error}"
            ),
        }
    }
    let Some(network) = describe(bytes) else {
        return;
    };
    // A name, which must be UTF-8, and a field of a tag that is not known.
    let metadata = [
        Field {
            tag: format::metadata::tag::NAME,
            bytes: bytes.get(..3).unwrap_or(&[]),
        },
        Field { tag: u32::MAX, bytes },
    ];
    let Some(blob) = write(&network, &metadata).or_else(|| write(&network, &metadata[1..])) else {
        return; // the shape leaves nothing to pool
    };
    let read = Blob::read(&blob).expect("what the writer wrote");
    assert_eq!(read.header(), network.header);
    assert!(read.stages().eq(network.views()));
    assert!(read.metadata().all(|field| metadata.contains(&field)));
    assert!(read.metadata().count() >= 1);
});
