//! Files that are written whole or not at all. Beside the main path: every writer of a file writes through here.
//!
//! A regular file is written to a temporary file in the same folder, which is synced and then takes the name. A symbolic
//! link is followed, so the link stays. Anything else that has a name (a device, a pipe, a socket) receives the bytes and
//! stays what it is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How the name of a file that is being written begins.
const PREFIX: &str = ".denselet-";
/// How it ends.
const SUFFIX: &str = ".tmp";
/// Random letters before the end.
const RANDOM: usize = 8;
/// Links from one name to the next; the limit of Linux.
const MOST_LINKS: usize = 40;

/// Where bytes for a path end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A regular file, or a name that is free: written whole or not at all.
    File(PathBuf),
    /// A device, a pipe or a socket: receives the bytes.
    Stream(PathBuf),
    /// This process's standard output.
    StandardOutput,
}

impl Target {
    /// Follows the links of `path`.
    ///
    /// # Errors
    /// Returns an error if `path` is a folder, or a link that leads to itself.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut end = path.to_owned();
        for _ in 0..MOST_LINKS {
            if is_standard_output(&end) {
                return Ok(Self::StandardOutput);
            }
            let about = match fs::symlink_metadata(&end) {
                Ok(about) => about,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::File(end)),
                Err(error) => return Err(error),
            };
            if about.is_dir() {
                return Err(io::Error::new(
                    io::ErrorKind::IsADirectory,
                    "expected a file, found a folder; name a file in it",
                ));
            }
            // A descriptor's link ("pipe:[7]", a deleted file) has no name that could be opened or replaced.
            if !about.is_file() && (!about.is_symlink() || is_descriptor(&end)) {
                return Ok(Self::Stream(end));
            }
            if about.is_file() {
                return Ok(Self::File(end));
            }
            let next = fs::read_link(&end)?;
            end = match end.parent() {
                Some(folder) => folder.join(next),
                None => next,
            };
        }
        Err(io::Error::other("a link that leads to itself"))
    }
}

/// The names that Unix has for it.
fn is_standard_output(path: &Path) -> bool {
    let own = format!("/proc/{}/fd/1", std::process::id());
    ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", &own]
        .map(Path::new)
        .contains(&path)
}

/// Whether a path is the name of an open file of a process.
fn is_descriptor(path: &Path) -> bool {
    let is_of = |folder: &str| path.starts_with(folder);
    is_of("/dev/fd") || (is_of("/proc") && path.parent().is_some_and(|folder| folder.ends_with("fd")))
}

/// Writes `bytes` to `path`. A reader of `path`, now or after a power cut, finds the old file or the new one. An existing
/// file keeps its permissions, a new one gets those that the process's mask leaves. Other names of the same file (hard
/// links) keep the old bytes.
///
/// # Errors
/// The system's error, after the path.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    match Target::of(path).map_err(named)? {
        Target::File(file) => replace(&file, bytes).map_err(named),
        Target::Stream(stream) => OpenOptions::new()
            .write(true)
            .open(stream)
            .and_then(|mut stream| stream.write_all(bytes))
            .map_err(named),
        Target::StandardOutput => {
            let mut out = io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush()).map_err(named)
        }
    }
}

/// Writes a regular file.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "expected a file's name"))?
        .to_string_lossy();
    fs::create_dir_all(folder)?;
    let before = match OpenOptions::new().write(true).open(path) {
        Ok(file) => Some(file.metadata()?.permissions()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // A file that may not be written may not be replaced either.
        Err(error) => return Err(error),
    };
    let begin = beginning(&name);
    clear_names(folder, |name| name.starts_with(&begin))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(&begin).suffix(SUFFIX).rand_bytes(RANDOM);
    #[cfg(unix)]
    builder.permissions(ordinary());
    let mut file = builder.tempfile_in(folder).map_err(|error| {
        let hint = format!("{error}; expected a folder that can be written to, choose another");
        io::Error::new(error.kind(), hint)
    })?;
    // Says that this file is not left over. Without locks on this file system nothing is cleared there either.
    let _ = file.as_file().try_lock();
    file.write_all(bytes)?;
    if let Some(before) = before {
        file.as_file().set_permissions(before)?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // The name itself must last too; not every system can sync a folder.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// How the temporary file of `name` begins. Names of files are at most 255 bytes long.
fn beginning(name: &str) -> String {
    let short: String = name.chars().take(40).collect();
    format!("{PREFIX}{short}.")
}

/// Whether a file with this name is being written, or was when its writer was killed.
pub fn is_temporary(name: &str) -> bool {
    let middle = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_suffix(SUFFIX))
        .and_then(|rest| rest.rsplit_once('.'));
    middle.is_some_and(|(name, random)| {
        !name.is_empty() && random.len() == RANDOM && random.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

/// Removes what writers that were killed left in `folder`. Files that are being written stay.
///
/// # Errors
/// The system's error, after the path.
pub fn clear(folder: &Path) -> io::Result<()> {
    clear_names(folder, |_| true)
}

fn clear_names(folder: &Path, is_meant: impl Fn(&str) -> bool) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(()); // not there yet
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !is_temporary(&name) || !is_meant(&name) || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        // Its writer holds a lock while it lives.
        let is_left_over = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
        if is_left_over
            && let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(io::Error::new(
                error.kind(),
                format!("{}: {error}", path.display()),
            ));
        }
    }
    Ok(())
}

/// What a new file may be used for before the process's mask takes some of it away.
#[cfg(unix)]
fn ordinary() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(0o666)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn replaces_a_file_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("file");
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(text(&path), "new");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn an_error_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(folder.path(), b"a folder is in the way")
            .unwrap_err()
            .to_string();
        assert!(error.contains(&folder.path().display().to_string()), "{error}");
        assert!(error.contains("found a folder"), "{error}");
    }

    #[test]
    fn a_link_stays_and_its_target_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("deep")).unwrap();
        fs::write(at("deep/target"), "old").unwrap();
        symlink("deep/target", at("first")).unwrap();
        symlink("first", at("second")).unwrap();
        symlink("deep/missing", at("dangling")).unwrap();
        write(&at("second"), b"new").unwrap();
        write(&at("dangling"), b"made").unwrap();
        assert_eq!(
            [text(&at("deep/target")), text(&at("deep/missing"))],
            ["new", "made"]
        );
        for name in ["first", "second", "dangling"] {
            assert!(fs::symlink_metadata(at(name)).unwrap().is_symlink(), "{name}");
        }
        symlink("loop", at("loop")).unwrap();
        assert!(write(&at("loop"), b"x").is_err());
    }

    #[test]
    fn a_pipe_receives_the_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        write(&pipe, b"bytes").unwrap();
        assert_eq!(reader.join().unwrap(), b"bytes");
        assert!(!fs::symlink_metadata(&pipe).unwrap().is_file());
        // A device that is full reports it, and is still a device.
        let error = write(Path::new("/dev/full"), b"bytes").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(!fs::metadata("/dev/full").unwrap().is_file());
    }

    #[test]
    fn a_file_keeps_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn only_what_a_dead_writer_left_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let kept = [
            ".denselet-notes",
            ".denselet-a.tmp",
            ".denselet-x.12345678.tmp.bak",
        ];
        for name in kept {
            fs::write(at(name), "precious").unwrap();
        }
        fs::write(at(".denselet-log.csv.AbCd1234.tmp"), "half").unwrap();
        let living = File::create(at(".denselet-log.csv.AbCd1235.tmp")).unwrap();
        living.lock().unwrap();
        // Another file's writer takes none of them away.
        write(&at("other"), b"x").unwrap();
        assert!(at(".denselet-log.csv.AbCd1234.tmp").exists());
        clear(folder.path()).unwrap();
        assert!(!at(".denselet-log.csv.AbCd1234.tmp").exists());
        assert!(at(".denselet-log.csv.AbCd1235.tmp").exists());
        assert!(kept.iter().all(|name| at(name).exists()));
    }
}
