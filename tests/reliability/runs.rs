//! Small runs of the command that may be broken: what they write, and what they must have written in the end.

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

/// A folder with what the commands need, and `out`, which they write.
#[derive(Debug)]
pub(crate) struct Place {
    folder: tempfile::TempDir,
    what: What,
}

/// The final files of a command by name. Logs are not among them: they tell times.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

impl Place {
    /// A place for one command. `finetune` and `export` find a trained network there.
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

    /// The command.
    pub(crate) const fn what(&self) -> What {
        self.what
    }

    /// A path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the command writes.
    pub(crate) fn out(&self) -> PathBuf {
        self.path("out")
    }

    /// The command that begins, or goes on with, what is in `out`.
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

    /// What the command writes if it is left alone; `out` is empty afterwards.
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

    /// Removes what the command wrote, and keeps the folder.
    pub(crate) fn empty(&self) -> Result<(), String> {
        let out = self.out();
        if out.exists() {
            std::fs::remove_dir_all(&out).map_err(|error| error.to_string())?;
        }
        std::fs::create_dir_all(&out).map_err(|error| error.to_string())
    }
}

/// The command as built, without anything to print to.
pub(crate) fn denselet() -> Command {
    let mut command = Command::new(target().join("debug/denselet"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Runs a command that must not fail.
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

/// The networks and blobs in a folder.
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

/// Says how final files differ from those of a run that was left alone.
pub(crate) fn compare(found: &Files, expected: &Files) -> Result<(), String> {
    let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>().join(", ");
    if names(found) != names(expected) {
        return Err(format!("wrote {} instead of {}", names(found), names(expected)));
    }
    match found
        .iter()
        .find(|(name, bytes)| expected.get(*name) != Some(bytes))
    {
        Some((name, _)) => Err(format!("{name} differs from that of a run that was left alone")),
        None => Ok(()),
    }
}

/// Reads every network and blob that lies in a folder, whenever that is.
pub(crate) fn readable(folder: &Path) -> Result<(), String> {
    for name in files(folder)?.keys() {
        let path = folder.join(name);
        let read = if name.ends_with(".dlt") {
            denselet_train::blob::Blob::read(&path)
                .map(drop)
                .map_err(|error| error.to_string())
        } else if name == denselet_train::finetune::checkpoint::FILE_NAME {
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

/// Files that are not finished; a run's mark is not among them.
pub(crate) fn unfinished(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .filter(|name| denselet_train::whole_file::is_temporary(name))
        .collect()
}
