//! Small runs of the commands, and the files that they must have written at the end.

use crate::{root, target};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const NET: &str = "name = \"tiny\"\nclasses = 10\ngrowth = 4\nblocks = [2, 2]\n\
                   [input]\nheight = 8\nwidth = 8\nchannels = 1\n";

/// A command that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Train,
    Finetune,
    Export,
    Import,
}

impl What {
    pub(crate) const ALL: [Self; 4] = [Self::Train, Self::Finetune, Self::Export, Self::Import];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Finetune => "finetune",
            Self::Export => "export",
            Self::Import => "import",
        }
    }
}

/// A folder with the inputs of a command, and `out`, the folder that it writes.
#[derive(Debug)]
pub(crate) struct Place {
    folder: tempfile::TempDir,
    what: What,
}

/// The final files of a command by name, without logs, which contain times.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

impl Place {
    /// Creates a place for one command, with a trained network for `finetune` and `export`.
    pub(crate) fn new(what: What) -> Result<Self, String> {
        std::fs::create_dir_all(target()).map_err(|error| error.to_string())?;
        let folder = tempfile::Builder::new()
            .prefix("soak-")
            .tempdir_in(target())
            .map_err(|error| error.to_string())?;
        std::fs::write(folder.path().join("net.toml"), NET).map_err(|error| error.to_string())?;
        let place = Self { folder, what };
        if matches!(what, What::Finetune | What::Export) {
            let mut train = denselet();
            train
                .args(["train", "--data", "digits", "--epochs", "3", "--net"])
                .arg(place.path("net.toml"))
                .arg("--out")
                .arg(place.path("trained"));
            succeed(&mut train)?;
        }
        Ok(place)
    }

    /// Returns the command.
    pub(crate) const fn what(&self) -> What {
        self.what
    }

    /// Returns a path in the place.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the folder that the command writes.
    pub(crate) fn out(&self) -> PathBuf {
        self.path("out")
    }

    /// Returns the command that starts the run in `out`, or resumes it.
    pub(crate) fn command(&self) -> Command {
        let mut command = denselet();
        command.arg(self.what.name());
        match self.what {
            What::Train => command
                .args(["--data", "digits", "--epochs", "40", "--resume", "--net"])
                .arg(self.path("net.toml"))
                .arg("--out")
                .arg(self.out()),
            What::Finetune => command
                .arg(self.path("trained"))
                .args(["--epochs", "6", "--resume", "--out"])
                .arg(self.out()),
            What::Export => command
                .arg(self.path("trained"))
                .arg("--out")
                .arg(self.out().join("model.dlt")),
            What::Import => command
                .arg(root().join("host-trainer/tests/fixtures/import/bc.keras"))
                .arg("--out")
                .arg(self.out()),
        };
        command
    }

    /// Runs the command without interruption and returns its files. `out` is empty afterwards.
    pub(crate) fn expected(&self) -> Result<Files, String> {
        self.empty()?;
        succeed(&mut self.command())?;
        let files = files(&self.out())?;
        if files.is_empty() {
            return Err(format!("{} wrote nothing", self.what.name()));
        }
        self.empty()?;
        Ok(files)
    }

    /// Removes the files of the command and keeps the folder.
    pub(crate) fn empty(&self) -> Result<(), String> {
        let out = self.out();
        if out.exists() {
            std::fs::remove_dir_all(&out).map_err(|error| error.to_string())?;
        }
        std::fs::create_dir_all(&out).map_err(|error| error.to_string())
    }
}

/// Returns the built program, with its output discarded.
pub(crate) fn denselet() -> Command {
    let mut command = Command::new(target().join("debug/denselet"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Runs a command; an error if it fails.
pub(crate) fn succeed(command: &mut Command) -> Result<(), String> {
    let output = command
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.trim_end().lines().last().unwrap_or_default().to_owned();
    Err(format!("{command:?} failed: {last}"))
}

/// Reads the networks and blobs in a folder.
pub(crate) fn files(folder: &Path) -> Result<Files, String> {
    let mut files = Files::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_final = path
            .extension()
            .is_some_and(|end| end == "safetensors" || end == "dlt");
        if is_final {
            let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            files.insert(entry.file_name().to_string_lossy().into_owned(), bytes);
        }
    }
    Ok(files)
}

/// Compares final files with those of an uninterrupted run.
pub(crate) fn compare(found: &Files, expected: &Files) -> Result<(), String> {
    let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>().join(", ");
    if names(found) != names(expected) {
        return Err(format!(
            "expected the files {}, found {}",
            names(expected),
            names(found)
        ));
    }
    match found
        .iter()
        .find(|(name, bytes)| expected.get(*name) != Some(bytes))
    {
        Some((name, _)) => Err(format!(
            "{name}: expected the bytes of an uninterrupted run, found others"
        )),
        None => Ok(()),
    }
}

/// Checks that every network and blob in a folder is readable.
pub(crate) fn readable(folder: &Path) -> Result<(), String> {
    for name in files(folder)?.keys() {
        let path = folder.join(name);
        let read = if name.ends_with(".dlt") {
            denselet_train::blob::Blob::read(&path)
                .map(drop)
                .map_err(|error| error.to_string())
        } else if denselet_train::finetune::checkpoint::find(&path, true).is_some() {
            denselet_train::finetune::checkpoint::load(&path)
                .map(drop)
                .map_err(|error| error.to_string())
        } else {
            denselet_train::train::checkpoint::load(&path)
                .map(drop)
                .map_err(|error| error.to_string())
        };
        read.map_err(|error| format!("unreadable: {error}"))?;
    }
    Ok(())
}

/// Returns the names of partly written files.
pub(crate) fn unfinished(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .filter(|name| denselet_train::whole_file::is_temporary(name))
        .collect()
}
