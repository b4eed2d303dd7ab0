//! On this machine `core` computes the golden logits, bit for bit.

#[path = "../core/tests/support/slow.rs"]
#[allow(clippy::unwrap_used, unreachable_pub)]
mod slow;

use denselet_tests::golden::{ALL, Golden, IMAGES, regenerates};
use denselet_train::blob::Blob;
use denselet_train::evaluate::logits;
use denselet_train::twin::raw_twin;
use std::collections::BTreeSet;

/// Writes the files of a golden again.
fn regenerate(golden: &Golden) {
    let write = |extension: &str, bytes: &[u8]| {
        let path = golden.path(extension);
        std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    };
    let bytes = golden.export();
    write("dlt", &bytes);
    let blob = Blob::new(&bytes).unwrap_or_else(|error| panic!("{}: {error}", golden.name));
    let images = golden.images(&blob);
    let twin = raw_twin(&blob).unwrap_or_else(|error| panic!("{}: {error}", golden.name));
    let raw = twin.as_ref().unwrap_or(&blob);
    let mut text =
        "# Logits of seeded images by core/tests/support/slow.rs; see tests/support/golden.rs.\n".to_owned();
    for image in images.chunks(images.len() / IMAGES) {
        let logits = slow::run(raw.bytes(), image);
        text += &logits.iter().map(i32::to_string).collect::<Vec<_>>().join(" ");
        text += "\n";
    }
    write("txt", text.as_bytes());
}

#[test]
fn the_host_gives_the_golden_logits() {
    for golden in &ALL {
        if regenerates() {
            regenerate(golden);
        }
        let blob = golden.blob();
        let found = logits(&blob, &golden.images(&blob), &|_| ()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(found, golden.logits().concat(), "{}", golden.name);
        let different: BTreeSet<_> = golden.logits().into_iter().collect();
        assert_eq!(
            different.len(),
            IMAGES,
            "{}: expected other logits for every image, found equal ones",
            golden.name
        );
    }
}
