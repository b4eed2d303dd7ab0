//! Any bytes are an image in a folder of classes, whatever its extension says, or an error.

#![no_main]

use denselet_train_fuzz::files;
use libfuzzer_sys::fuzz_target;

const EXTENSIONS: [&str; 6] = ["png", "jpg", "bmp", "gif", "tiff", "webp"];

/// A whole image for the other class: 1x1, grey.
const WHOLE: &[u8] = include_bytes!("../corpus/images/whole.png");

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, image)) = bytes.split_first() else {
        return;
    };
    let extension = EXTENSIONS[usize::from(kind) % EXTENSIONS.len()];
    // A folder for each kind: nothing of another one stays in it.
    files::file(&format!("{extension}/b/whole.png"), WHOLE);
    let path = files::file(&format!("{extension}/a/image.{extension}"), image);
    let folder = path.ancestors().nth(2).expect("two folders above it");
    files::dataset(folder);
});
