//! The folder of a run: which folders are one, and that one process at a time writes there.

use super::checkpoint::FILE_NAME;
use super::folder_error::FolderError;
use crate::input_file;
use crate::whole_file;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Name of the file that is written first into a run's folder and stays there. Its writer holds a lock on it, which the
/// system takes away when the process ends, however it ends.
const MARKER: &str = ".denselet-run";
/// What it holds, or the beginning of this after a kill.
const TEXT: &str = "denselet writes the files of this folder, one process at a time.\n";
/// Names of foreign files in a message.
const NAMED: usize = 3;

/// A run's folder that this process alone writes in, until this is dropped.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    _lock: File,
}

impl RunFolder {
    /// Makes a folder a run's, if it is not one yet, and locks it. What an earlier process left half-written there is removed.
    ///
    /// # Errors
    /// Returns an error if it holds anything that is not a run's, if another process writes there, and the system's errors.
    pub fn claim(path: &Path) -> Result<Self, FolderError> {
        let named = |path: &Path| {
            let path = path.to_owned();
            move |source| FolderError::Io { path, source }
        };
        Self::check(path)?;
        fs::create_dir_all(path).map_err(named(path))?;
        let marker = path.join(MARKER);
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&marker)
            .map_err(named(&marker))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FolderError::Busy {
                    folder: path.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(named(&marker)(source)),
        }
        let written = lock.metadata().map_err(named(&marker))?.len();
        if written < TEXT.len() as u64 {
            lock.write_all(TEXT.as_bytes())
                .and_then(|()| lock.sync_all())
                .map_err(named(&marker))?;
        }
        whole_file::clear(path).map_err(named(path))?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Checks that nothing foreign is at `path`, without making or locking it.
    ///
    /// # Errors
    /// Returns an error if it is not a folder, or holds anything that is not a run's.
    pub fn check(path: &Path) -> Result<(), FolderError> {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !path.is_symlink() {
                    return Ok(());
                }
                return Err(FolderError::NotAFolder {
                    path: path.to_owned(),
                    found: "a link to nothing",
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(FolderError::NotAFolder {
                    path: path.to_owned(),
                    found: "a file",
                });
            }
            Err(source) => {
                return Err(FolderError::Io {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let names = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.collect();
        if names.is_empty() || Self::is_ours(path) {
            return Ok(());
        }
        names.sort();
        let more = names.len().saturating_sub(NAMED);
        let shown = names[..names.len().min(NAMED)].join(", ");
        Err(FolderError::Foreign {
            folder: path.to_owned(),
            found: if more > 0 {
                format!("{shown} and {more} more")
            } else {
                shown
            },
        })
    }

    /// Whether a folder is a run's: it holds the marker, or a last checkpoint from before there was one. A best network alone
    /// may be a copy that is kept beside other files.
    pub fn is_ours(folder: &Path) -> bool {
        let is_marked = input_file::open(&folder.join(MARKER)).is_ok_and(|file| {
            let mut text = String::new();
            let is_read = file.metadata().is_ok_and(|about| about.is_file())
                && file.take(1 + TEXT.len() as u64).read_to_string(&mut text).is_ok();
            is_read && TEXT.starts_with(&text)
        });
        let tuned = crate::finetune::checkpoint::FILE_NAME;
        is_marked
            || [FILE_NAME, tuned]
                .iter()
                .any(|name| is_checkpoint(&folder.join(name)))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether a file begins as denselet's checkpoints do: a length, and JSON with their metadata.
fn is_checkpoint(path: &Path) -> bool {
    let Ok(mut file) = input_file::open(path) else {
        return false;
    };
    let mut length = [0; 8];
    if !file.metadata().is_ok_and(|about| about.is_file()) || file.read_exact(&mut length).is_err() {
        return false;
    }
    let mut header = Vec::new();
    let is_whole = file
        .take(u64::from_le_bytes(length))
        .read_to_end(&mut header)
        .is_ok_and(|read| read as u64 == u64::from_le_bytes(length));
    let header = String::from_utf8_lossy(&header);
    is_whole && header.starts_with('{') && header.contains("\"denselet")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_folder_is_refused_and_keeps_everything() {
        let folder = tempfile::tempdir().unwrap();
        let names = [
            "best.safetensors",
            "log.csv",
            "recipe.toml",
            ".denselet-notes",
            ".denselet-x.12345678.tmp",
        ];
        for name in names {
            fs::write(folder.path().join(name), "precious").unwrap();
        }
        let error = RunFolder::claim(folder.path()).unwrap_err().to_string();
        assert!(error.contains("and 2 more") && error.contains("--out"), "{error}");
        for name in names {
            assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), "precious");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), names.len());
        // A marker of another text makes no folder a run's.
        fs::write(folder.path().join(MARKER), "mine").unwrap();
        assert!(!RunFolder::is_ours(folder.path()));
        let file = folder.path().join("log.csv");
        assert!(matches!(
            RunFolder::claim(&file),
            Err(FolderError::NotAFolder { .. })
        ));
    }

    #[test]
    fn one_at_a_time_writes_there() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("new").join("run");
        let claim = RunFolder::claim(&run).unwrap();
        fs::write(run.join("notes.txt"), "mine").unwrap();
        let error = RunFolder::claim(&run).unwrap_err();
        assert!(matches!(error, FolderError::Busy { .. }), "{error}");
        assert!(error.to_string().contains("run"), "{error}");
        drop(claim);
        drop(RunFolder::claim(&run).unwrap());
        #[cfg(unix)]
        {
            let link = folder.path().join("link");
            std::os::unix::fs::symlink("nothing", &link).unwrap();
            let error = RunFolder::claim(&link).unwrap_err().to_string();
            assert!(error.contains("found a link to nothing"), "{error}");
        }
        // A kill while the marker was written leaves its beginning.
        fs::write(run.join(MARKER), "").unwrap();
        assert!(RunFolder::claim(&run).is_ok());
        assert_eq!(fs::read_to_string(run.join("notes.txt")).unwrap(), "mine");
    }
}
