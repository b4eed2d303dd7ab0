//! Reads files of data sets, compressed or not, within a total number of bytes.

use super::error::DataError;
use crate::input_file;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Most bytes of all decompressed files of a data set and of the arrays made from them.
const MOST: u64 = 3 << 30;

/// Remaining bytes for the files of a data set: a small compressed file can have any decompressed size.
#[derive(Debug)]
pub(super) struct Budget {
    left: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: MOST }
    }
}

impl Budget {
    /// Returns the decompressed content of `folder/name` and its path.
    pub(super) fn read(&mut self, folder: &Path, name: &str) -> Result<(PathBuf, Vec<u8>), DataError> {
        let path = variant(folder, name).ok_or_else(|| {
            let missing =
                std::io::Error::new(std::io::ErrorKind::NotFound, "no such file, compressed or not");
            DataError::read(&folder.join(name))(missing)
        })?;
        let bytes = self.read_path(&path)?;
        Ok((path, bytes))
    }

    /// Returns the decompressed content of a file.
    pub(super) fn read_path(&mut self, path: &Path) -> Result<Vec<u8>, DataError> {
        let file = input_file::open(path).map_err(DataError::read(path))?;
        self.unpack(path, BufReader::new(file))
    }

    /// Returns all bytes of `from`, decompressed by the ending of `path`.
    pub(super) fn unpack(&mut self, path: &Path, from: impl Read) -> Result<Vec<u8>, DataError> {
        match ending(path).as_str() {
            "gz" => self.take(path, flate2::read::MultiGzDecoder::new(from)),
            "xz" => self.take(path, lzma_rust2::XzReader::new(from, true)),
            _ => self.take(path, from),
        }
    }

    /// Counts bytes of an array that is made from a file.
    pub(super) fn charge(&mut self, path: &Path, bytes: u64) -> Result<(), DataError> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            let expected = format!("at most {MOST} bytes in memory: give fewer or smaller images");
            DataError::field(path, "size", expected, "more")
        })?;
        Ok(())
    }

    /// Returns all bytes of `from`, which is read from `path`.
    pub(super) fn take(&mut self, path: &Path, from: impl Read) -> Result<Vec<u8>, DataError> {
        let bytes = input_file::read_to_end(from, self.left).map_err(DataError::read(path))?;
        self.left -= bytes.len() as u64;
        Ok(bytes)
    }
}

/// Returns the path of a file or of its compressed form, whichever exists.
pub(super) fn variant(folder: &Path, name: &str) -> Option<PathBuf> {
    ["", ".gz", ".xz"]
        .iter()
        .map(|end| folder.join(format!("{name}{end}")))
        .find(|path| path.exists())
}

/// Returns the part of a file's name after the last dot, in lower case; empty without a dot.
pub(super) fn ending(path: &Path) -> String {
    let end = path.extension().unwrap_or_default();
    end.to_string_lossy().to_ascii_lowercase()
}

/// Returns a file's name without the ending of a compressed file, in lower case.
pub(super) fn unpacked_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    let bare = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".xz"));
    bare.map_or(name.clone(), str::to_owned)
}

/// Returns the advice for a file that is not a data set.
pub(super) fn advice(path: &Path) -> &'static str {
    let name = unpacked_name(path);
    let is = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    if is(&[".zip", ".tar", ".tgz", ".tbz2", ".bz2", ".7z", ".rar"]) {
        "unpack it and give the folder"
    } else if is(&[".npy", "ubyte", ".idx"]) {
        "give its folder, which contains images and labels"
    } else if is(&[".txt", ".data", ".dat"]) {
        "rename it to .csv if it is a table"
    } else if is(&[".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"]) {
        "give a folder that has a folder for each class, or classify single images with `denselet predict`"
    } else {
        "convert it to one of them"
    }
}

/// Returns the paths in a folder, in order.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut list = std::fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|e| e.path()))
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(DataError::read(folder))?;
    list.sort();
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_compression_is_an_error() {
        for name in ["x.gz", "x.xz"] {
            let unpacked = Budget::default().unpack(Path::new(name), &b"nothing like it"[..]);
            assert!(unpacked.is_err(), "{name}");
        }
        let plain = Budget::default().unpack(Path::new("x.bin"), &b"plain"[..]);
        assert_eq!(plain.unwrap(), b"plain");
    }

    #[test]
    fn the_total_is_limited_not_the_file() {
        let mut budget = Budget { left: 8 };
        budget.take(Path::new("a"), &[0; 5][..]).unwrap();
        let error = budget.take(Path::new("b"), &[0; 5][..]).unwrap_err().to_string();
        assert!(error.contains("b: expected at most 3 bytes"), "{error}");
        assert!(budget.charge(Path::new("b"), 3).is_ok() && budget.charge(Path::new("b"), 1).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_an_input_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.csv");
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let error = Budget::default().read(folder.path(), "train.csv").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("train.csv: expected an ordinary file, found a socket")
        );
    }
}
