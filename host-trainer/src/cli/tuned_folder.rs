//! The folder of a run's fine-tuned network.

use std::path::{Path, PathBuf};

/// The run's folder with `-int8` after its name; of a file, its folder.
pub(super) fn tuned_folder(run: &Path) -> PathBuf {
    let folder = match (run.is_dir(), run.parent()) {
        (false, Some(parent)) => parent,
        _ => run,
    };
    let name = folder
        .file_name()
        .map_or("run".into(), |name| name.to_string_lossy());
    folder.with_file_name(format!("{name}-int8"))
}
