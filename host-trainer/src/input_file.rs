//! Files that come from outside, read whole with a bound on their size. Beside the main path: readers of networks and of data.
//!
//! Only ordinary files are opened: a FIFO waits for a writer that may never come, and a device has no end.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads the whole file `path`, of at most `most` bytes.
///
/// # Errors
/// What the system says, and whether the file is too large or not an ordinary one.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_to_end(open(path)?, most)
}

/// Opens the file `path`.
///
/// # Errors
/// What the system says, and whether the file is not an ordinary one.
pub fn open(path: &Path) -> io::Result<File> {
    check(path)?;
    File::open(path)
}

/// Reads all that is left of a reader, at most `most` bytes.
///
/// # Errors
/// What the reader says, and whether it holds more.
pub fn read_to_end(from: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!(
            "expected at most {most} bytes, found more"
        )));
    }
    Ok(bytes)
}

/// Checks that `path`, or what it links to, is an ordinary file or a folder.
///
/// # Errors
/// What it is.
pub fn check(path: &Path) -> io::Result<()> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_file() || kind.is_dir() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "expected an ordinary file, found {}: copy what it holds into a file",
        special(kind)
    )))
}

/// What a file that is neither ordinary nor a folder is.
#[cfg(unix)]
fn special(kind: std::fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    if kind.is_fifo() {
        "a pipe (FIFO)"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_block_device() || kind.is_char_device() {
        "a device"
    } else {
        "a special file"
    }
}

/// What a file that is neither ordinary nor a folder is.
#[cfg(not(unix))]
fn special(_: std::fs::FileType) -> &'static str {
    "a special file"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_up_to_their_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"four").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"four");
        assert!(
            read(&path, 3)
                .unwrap_err()
                .to_string()
                .contains("at most 3 bytes")
        );
        assert!(read(&folder.path().join("other"), 3).is_err());
        assert!(check(folder.path()).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_not_read() {
        let message = read(Path::new("/dev/zero"), 4).unwrap_err().to_string();
        assert!(message.contains("found a device"), "{message}");
    }
}
