//! `read(write(x)) = x` for the network that bytes describe, and `write(read(b)) = b` for bytes that are a blob.

#![no_main]

use denselet::format::{self, Blob};
use denselet_fuzz::{describe::describe, mend, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut blob = bytes.to_vec();
    if mend(&mut blob).is_some() {
        let read = Blob::read(&blob).expect("it was mended");
        let mut out = vec![0xa5; blob.len()];
        let len = format::write(&read.header(), read.stages(), &mut out).expect("it was read");
        assert_eq!(len, blob.len());
        assert_eq!(out, blob);
    }
    let Some(network) = describe(bytes) else {
        return;
    };
    let Some(blob) = write(&network) else {
        return;
    };
    // A shape may leave nothing to pool; everything else is as the format wants it.
    let Ok(read) = Blob::read(&blob) else {
        return;
    };
    assert_eq!(read.header(), network.header);
    assert!(read.stages().eq(network.views()));
});
