//! `core` on this machine gives the golden logits, bit for bit.

#[path = "../core/tests/support/slow.rs"]
#[allow(clippy::unwrap_used)]
mod slow;

use denselet_tests::golden::{ALL, Golden, PICTURES, regenerates};
use denselet_train::blob::Blob;
use denselet_train::evaluate::logits;
use std::collections::BTreeSet;

/// Makes a golden's files anew.
fn regenerate(golden: &Golden) {
    let write = |extension: &str, bytes: &[u8]| {
        let path = golden.path(extension);
        std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    };
    let bytes = golden.export();
    write("dlt", &bytes);
    let blob = Blob::new(&bytes).unwrap_or_else(|error| panic!("{}: {error}", golden.name));
    let pictures = golden.pictures(&blob);
    let mut text =
        "# Logits of seeded pictures by core/tests/support/slow.rs; see tests/support/golden.rs.\n"
            .to_owned();
    for picture in pictures.chunks(pictures.len() / PICTURES) {
        let logits = slow::run(blob.bytes(), picture);
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
        let found = logits(&blob, &golden.pictures(&blob), &|_| ()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(found, golden.logits().concat(), "{}", golden.name);
        let different: BTreeSet<_> = golden.logits().into_iter().collect();
        assert_eq!(
            different.len(),
            PICTURES,
            "{}: what does not move proves nothing",
            golden.name
        );
    }
}
