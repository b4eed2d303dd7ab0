//! Any text is a network or an error, and a network has counts.

#![no_main]

use denselet_train::spec::Spec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(spec) = Spec::parse(text, "fuzz") {
        let _ = (spec.parameters(), spec.macs(), spec.maps());
    }
});
