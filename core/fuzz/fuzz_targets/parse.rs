//! Any bytes are a blob or an error, as they are and with their checksum put right. What is read can be walked and planned.

#![no_main]

use denselet::{Model, format, plan::Plan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    look(&bytes);
    if format::set_arena_len(&mut bytes, 0).is_ok() {
        look(&bytes);
    }
});

fn look(bytes: &[u8]) {
    // A vector's bytes are aligned; one byte further they are not, and that must be an error, too.
    let _ = bytes.get(1..).map(Model::read);
    let Ok(model) = Model::read(bytes) else {
        return;
    };
    let header = model.header();
    assert_eq!(model.stages().count(), header.stages + 1);
    assert!(model.classes() > 0);
    let _ = Plan::of(&model);
}
