//! Any bytes are reference vectors or an error.

#![no_main]

use denselet_train::interchange::import::{Imported, Options, import};
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::LazyLock;

static NETWORK: LazyLock<Option<Imported>> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/import/bc-legacy.onnx");
    import(&path, &Options::default()).ok()
});

fuzz_target!(|bytes: &[u8]| {
    if let Some(network) = NETWORK.as_ref() {
        let _ = network.against_bytes(bytes);
    }
});
