//! Whole files, packed or not; belongs to `data`.

use super::DataError;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// More than any data set's file unpacks to; a broken file must not fill the memory.
const LARGEST: u64 = 1 << 31;

/// The file itself or its packed form, whichever is there.
pub(super) fn variant(folder: &Path, name: &str) -> Option<PathBuf> {
    ["", ".gz", ".xz"]
        .iter()
        .map(|end| folder.join(format!("{name}{end}")))
        .find(|path| path.is_file())
}

/// The content of `folder/name`, unpacked, with the path it came from.
pub(super) fn read(folder: &Path, name: &str) -> Result<(PathBuf, Vec<u8>), DataError> {
    let path = variant(folder, name).ok_or_else(|| {
        let missing = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file, packed or not");
        DataError::read(&folder.join(name))(missing)
    })?;
    let file = File::open(&path).map_err(DataError::read(&path))?;
    let bytes = unpack(&path, BufReader::new(file))?;
    Ok((path, bytes))
}

/// All bytes of `from`, unpacked as the ending of `path` says.
pub(super) fn unpack(path: &Path, from: impl Read) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    let read = match path.extension().and_then(|end| end.to_str()) {
        Some("gz") => flate2::read::MultiGzDecoder::new(from)
            .take(LARGEST)
            .read_to_end(&mut bytes),
        Some("xz") => lzma_rust2::XzReader::new(from, true)
            .take(LARGEST)
            .read_to_end(&mut bytes),
        _ => {
            let mut from = from;
            from.by_ref().take(LARGEST).read_to_end(&mut bytes)
        }
    };
    read.map_err(DataError::read(path))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_packing_is_an_error() {
        for name in ["x.gz", "x.xz"] {
            assert!(
                unpack(Path::new(name), &b"nothing like it"[..]).is_err(),
                "{name}"
            );
        }
        assert_eq!(unpack(Path::new("x.bin"), &b"plain"[..]).unwrap(), b"plain");
    }
}
