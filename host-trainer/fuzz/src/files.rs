//! Bytes as files, for readers that take a path.

use denselet_train::data::{Dataset, Reading};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// This process's own folder, in memory if the system has such a place.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    parent.join(format!("denselet-fuzz-{}", std::process::id()))
});

/// Writes a file into this process's folder and returns its path.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = FOLDER.join(name);
    let folder = path.parent().expect("a file is in a folder");
    std::fs::create_dir_all(folder).expect("a folder in memory");
    std::fs::write(&path, bytes).expect("a file in memory");
    path
}

/// Loads a data set; what comes out fits together.
pub fn dataset(path: &Path) {
    let Ok(data) = Dataset::load(&path.to_string_lossy(), &Reading::default()) else {
        return;
    };
    for split in [&data.train, &data.test] {
        assert_eq!(split.images.len(), split.len() * data.image_len());
        let classes = data.classes.len();
        assert!(split.labels.iter().all(|&label| usize::from(label) < classes));
    }
    let _ = data.normalisation();
}
