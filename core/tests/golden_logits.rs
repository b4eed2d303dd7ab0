//! This machine, whatever its words and its byte order, gives the golden logits of `tests/golden`, bit for bit.
#![allow(clippy::unwrap_used)]

#[path = "../../tests/support/images.rs"]
#[allow(unreachable_pub, reason = "shared with the workspace's tests")]
mod images;
#[allow(unreachable_pub, reason = "shared by several tests")]
mod support;

use denselet::{FormatError, Model};
use images::{IMAGES, images};
use std::path::Path;
use support::{Aligned, run};

#[test]
fn golden_logits() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let (mut count, mut refused) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "dlt") {
            continue;
        }
        let blob = Aligned::new(&std::fs::read(&path).unwrap());
        let input = match Model::read(blob.bytes()) {
            Ok(model) => model.header().input,
            Err(FormatError::Codec { .. }) if cfg!(not(feature = "coded")) => {
                refused += 1;
                continue;
            }
            Err(error) => panic!("{}: {error}", path.display()),
        };
        let len = input.pixels() * input.channels;
        let text = std::fs::read_to_string(path.with_extension("txt")).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        for (line, image) in lines.zip(images(IMAGES, len).chunks(len)) {
            let expected: Vec<i32> = line
                .split_whitespace()
                .map(|word| word.parse().unwrap())
                .collect();
            let (found, _) = run(blob.bytes(), image, 0xa5);
            assert_eq!(found, expected, "{}", path.display());
            count += 1;
        }
    }
    assert!(count >= 7 * IMAGES, "{count} images");
    // Without the decoders, blobs with coded weights are refused.
    assert_eq!(refused, if cfg!(feature = "coded") { 0 } else { 3 });
}
