//! Files that are written whole or not at all. Beside the main path: whoever writes, writes through here.

use std::io::{self, Write};
use std::path::Path;

/// How the name of a file that is being written begins.
const PREFIX: &str = ".denselet-";

/// Writes `bytes` to `path`: to a temporary file in the same folder, which is synced and then takes the name. Whoever reads
/// `path`, now or after a power cut, finds the old file or the new one.
///
/// # Errors
/// What the system says, with the path in front.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder).map_err(named)?;
    let mut file = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempfile_in(folder)
        .map_err(named)?;
    file.write_all(bytes).map_err(named)?;
    file.as_file().sync_all().map_err(named)?;
    set_plain_permissions(file.as_file()).map_err(named)?;
    file.persist(path).map_err(|error| named(error.error))?;
    // The name itself must last too; not every system can sync a folder.
    if let Ok(folder) = std::fs::File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// Removes what a writer that was killed left in `folder`; nobody else may be writing there.
///
/// # Errors
/// What the system says, with the path in front.
pub fn clear(folder: &Path) -> io::Result<()> {
    let named =
        |path: &Path, error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(()); // not there yet
    };
    for entry in entries {
        let path = entry.map_err(|error| named(folder, error))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy());
        if name.is_some_and(|name| name.starts_with(PREFIX)) {
            std::fs::remove_file(&path).map_err(|error| named(&path, error))?;
        }
    }
    Ok(())
}

/// A temporary file is its owner's alone; what takes its place is an ordinary file.
#[cfg(unix)]
fn set_plain_permissions(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn set_plain_permissions(_: &std::fs::File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn replaces_a_file_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("file");
        super::write(&path, b"old").unwrap();
        super::write(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn an_error_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = super::write(folder.path(), b"a folder is in the way").unwrap_err();
        assert!(
            error.to_string().contains(&folder.path().display().to_string()),
            "{error}"
        );
    }
}
