//! Any bytes are an IDX file of images beside one of labels, or an error.

#![no_main]

use denselet_train_fuzz::files;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The first byte says how long the labels' file is.
    let Some((&labels, rest)) = bytes.split_first() else {
        return;
    };
    let (labels, images) = rest.split_at(rest.len().min(usize::from(labels)));
    for part in ["train", "t10k"] {
        files::file(&format!("idx/{part}-images-idx3-ubyte"), images);
        files::file(&format!("idx/{part}-labels-idx1-ubyte"), labels);
    }
    let folder = files::file("idx/note.txt", b"");
    files::dataset(folder.parent().expect("it is in a folder"));
});
