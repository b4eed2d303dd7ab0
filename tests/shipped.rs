//! The shipped blobs are equal to the exports of the trained networks in their folders.

use denselet::layout::Order;
use denselet_train::blob::Blob;
use denselet_train::{finetune, train};
use std::path::{Path, PathBuf};

const AGAIN: &str = "write it again with host-trainer/models/export";

/// Returns the folders of the trained networks.
fn models() -> Vec<PathBuf> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../host-trainer/models"));
    let entries = std::fs::read_dir(root).expect("trained networks");
    let folders = entries.map(|entry| entry.expect("an entry").path());
    folders.filter(|path| path.is_dir()).collect()
}

/// Reads the shipped blob of a folder.
fn blob(folder: &Path) -> Blob {
    let name = folder.file_name().expect("a name");
    let path = folder.join(name).with_extension("dlt");
    Blob::read(&path).unwrap_or_else(|error| panic!("{error}; {AGAIN}"))
}

#[test]
fn fine_tuned_integers_export_to_the_shipped_bytes() {
    let mut count = 0;
    for folder in models() {
        if !finetune::checkpoint::is_here(&folder) {
            continue;
        }
        let network = finetune::checkpoint::load(&folder).unwrap_or_else(|error| panic!("{error}"));
        let exported = network
            .blob(Order::Pairs)
            .unwrap_or_else(|error| panic!("{error}"));
        let is_same = exported.bytes() == blob(&folder).bytes();
        assert!(
            is_same,
            "{}: the blob differs from the export of its checkpoint; {AGAIN}",
            folder.display()
        );
        count += 1;
    }
    assert!(count >= 4, "{count} fine-tuned networks");
}

#[test]
fn a_shipped_blob_has_the_names_and_encoding_of_its_network() {
    for folder in models() {
        let checkpoint = train::checkpoint::load(&folder.join(train::checkpoint::FILE_NAME));
        let checkpoint = checkpoint.unwrap_or_else(|error| panic!("{error}"));
        let about = blob(&folder).about();
        assert_eq!(about.name, checkpoint.network.spec.name, "{}", folder.display());
        assert_eq!(about.classes, checkpoint.meta.classes, "{}", folder.display());
        assert_eq!(about.encoding, checkpoint.meta.encoding, "{}", folder.display());
        assert!(!about.classes.is_empty(), "{}", folder.display());
    }
}
