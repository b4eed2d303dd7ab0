//! Builds a program of the firmware for a board, with a model.

use super::elf::Sizes;
use super::error::Error;
use super::ram::Ram;
use super::table::{Board, Table};
use crate::whole_file;
use denselet::format::{Blob, Codec, Header};
use serde::Deserialize;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Variable that allows or forbids the firmware's scripts to install: `install` or `never`.
const SETUP: &str = "DENSELET_SETUP";

/// The folder with the sources of the firmware.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
    installs: bool,
}

/// A program of the firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Runs whole images and reports the counts of an inference.
    Logits,
    /// Pushes images row by row.
    Rows,
    /// Checks that instructions are counted exactly.
    Counter,
    /// Compares the board's inner loops with the reference.
    Kernels,
    /// Counts the instructions of each stage.
    Stages,
    /// Runs a network and nothing else.
    Minimal,
}

/// A built firmware.
#[derive(Clone, Debug)]
pub struct Built {
    /// Content of the ELF file.
    pub elf: Vec<u8>,
    /// Flash and RAM.
    pub sizes: Sizes,
}

impl Program {
    /// Returns the name of its file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logits => "logits",
            Self::Rows => "rows",
            Self::Counter => "counter",
            Self::Kernels => "kernels",
            Self::Stages => "stages",
            Self::Minimal => "minimal",
        }
    }
}

impl Workspace {
    /// Returns the workspace at `path`, or the one that this program was built from.
    ///
    /// # Errors
    ///
    /// [`Error::Workspace`] if the folder is not one.
    pub fn find(path: Option<&Path>) -> Result<Self, Error> {
        let path = path.unwrap_or(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")));
        match path.canonicalize() {
            Ok(root) if root.join("firmware/cargo").exists() => Ok(Self {
                root,
                installs: false,
            }),
            _ => Err(Error::Workspace {
                path: path.to_owned(),
            }),
        }
    }

    /// Returns the workspace with builds that install what is missing, if `installs`. Otherwise a build fails and names what
    /// is missing and the command that installs it.
    #[must_use]
    pub fn installing(self, installs: bool) -> Self {
        Self { installs, ..self }
    }

    /// Returns its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Builds `program` for `board` with `model`; without the decoders if the model has no coded weights.
    ///
    /// # Errors
    ///
    /// [`Error::Model`] if the blob is refused, [`Error::Ram`] or [`Error::Flash`] if it does not fit, [`Error::Build`] with
    /// cargo's output if the build fails otherwise.
    pub fn build(
        &self,
        table: &Table,
        board: &Board,
        program: Program,
        model: &[u8],
    ) -> Result<Built, Error> {
        let blob = check_fit(table, board, model)?;
        let folder = tempfile::tempdir().map_err(Error::io("a folder for the model"))?;
        let file = folder.path().join("model.dlt");
        fs::write(&file, model).map_err(Error::io("the model's file"))?;

        // Programs for boards of one target share a path. The lock keeps others from building until the file is copied.
        let target = self.root.join("target");
        fs::create_dir_all(&target).map_err(Error::io(target.display().to_string()))?;
        let lock = File::create(target.join("firmware.lock")).map_err(Error::io("target/firmware.lock"))?;
        lock.lock().map_err(Error::io("target/firmware.lock"))?;
        let is_coded = |(_, codecs): (_, [Codec; 2])| codecs.iter().any(|codec| *codec != Codec::Raw);
        let features: &[&str] = match blob.records().any(is_coded) {
            true => &[],
            false => &["--no-default-features"],
        };
        let executable = self.cargo(board, (program, features), model.len(), &file)?;
        let elf = fs::read(&executable).map_err(Error::io(executable.display().to_string()))?;
        let sizes = Sizes::of(&elf, board, model.len())?;
        Ok(Built { elf, sizes })
    }

    /// Runs `firmware/cargo` and returns the program's path.
    fn cargo(
        &self,
        board: &Board,
        (program, features): (Program, &[&str]),
        model_len: usize,
        model: &Path,
    ) -> Result<PathBuf, Error> {
        let script = self.root.join("firmware/cargo");
        let mut cargo = Command::new(&script)
            .args([
                &board.name,
                "build",
                "--profile",
                "firmware",
                "--bin",
                program.name(),
            ])
            .args(features)
            .arg("--message-format=json-render-diagnostics")
            .env("DENSELET_MODEL", model)
            .envs((self.installs && std::env::var_os(SETUP).is_none()).then_some((SETUP, "install")))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Error::io(script.display().to_string()))?;
        let stderr = cargo.stderr.take();
        let log = std::thread::spawn(move || {
            let mut log = Vec::new();
            // After an error, the part that was read is shown.
            let _ = stderr.map(|mut pipe| pipe.read_to_end(&mut log));
            String::from_utf8_lossy(&log).into_owned()
        });
        let mut executable = None;
        for line in cargo
            .stdout
            .take()
            .map(BufReader::new)
            .into_iter()
            .flat_map(|out| out.lines())
        {
            let line = line.map_err(Error::io("cargo's output"))?;
            if let Ok(Artifact {
                executable: Some(path),
                target,
            }) = serde_json::from_str(&line)
                && target.name == program.name()
            {
                executable = Some(path);
            }
        }
        let status = cargo.wait().map_err(Error::io("cargo"))?;
        let log = log.join().unwrap_or_default();
        match executable {
            Some(path) if status.success() => Ok(path),
            _ => Err(build_error(board, model_len, &log)),
        }
    }
}

impl Built {
    /// Writes the ELF file, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] with the path.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        whole_file::write(path, &self.elf).map_err(Error::io("the firmware"))
    }
}

/// A message of cargo about a built artifact.
#[derive(Deserialize)]
struct Artifact {
    executable: Option<PathBuf>,
    target: Target,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Checks that a model is a blob and fits the board, before anything is compiled.
fn check_fit<'m>(table: &Table, board: &Board, model: &'m [u8]) -> Result<Blob<'m>, Error> {
    let blob = Blob::read(model).map_err(Error::Model)?;
    let Header { input, arena_len, .. } = blob.header();
    let ram = Ram::new(arena_len, input.pixels() * input.channels, table.stack_reserve);
    if ram.total_bytes > board.ram_bytes {
        return Err(Error::Ram {
            board: board.name.clone(),
            had: board.ram_bytes,
            needed: ram.total_bytes,
            arena: ram.arena_bytes,
            image: ram.image_bytes,
            stack: ram.stack_bytes,
        });
    }
    if model.len() > board.flash_bytes {
        return Err(flash_error(board, model.len(), model.len()));
    }
    Ok(blob)
}

fn flash_error(board: &Board, needed: usize, model: usize) -> Error {
    Error::Flash {
        board: board.name.clone(),
        had: board.flash_bytes,
        needed,
        model,
    }
}

/// Returns the error for a failed build: a full flash, a missing tool, or the end of the log.
fn build_error(board: &Board, model_len: usize, log: &str) -> Error {
    let overflow = log
        .split("region 'FLASH': overflowed by ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    if let Some(overflow) = overflow.and_then(|bytes| bytes.parse::<usize>().ok()) {
        return flash_error(board, board.flash_bytes + overflow, model_len);
    }
    if let Some(missing) = log.lines().find_map(|line| line.strip_prefix("setup: needs ")) {
        return Error::Missing {
            board: board.name.clone(),
            missing: missing.to_owned(),
        };
    }
    let lines: Vec<&str> = log.lines().collect();
    let end = lines[lines.len().saturating_sub(30)..].join("\n");
    Error::Build {
        board: board.name.clone(),
        log: end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_flash_is_named_with_its_numbers() {
        let table = Table::load().expect("a table");
        let board = table.find("microbit").expect("a board");
        let log =
            "rust-lld: error: section '.rodata' will not fit in region 'FLASH': overflowed by 1234 bytes\n";
        let error = build_error(board, 260_000, log).to_string();
        assert_eq!(
            error,
            "microbit has 262144 bytes of flash; model (260000) and code need 263378"
        );
    }

    #[test]
    fn what_is_missing_is_named_with_the_command_that_installs_it() {
        let table = Table::load().expect("a table");
        let board = table.find("microbit").expect("a board");
        let log = "setup: needs qemu-system-arm (Debian packages): run `firmware/setup microbit`, which installs it\n";
        let error = build_error(board, 1, log).to_string();
        assert_eq!(
            error,
            "microbit: needs qemu-system-arm (Debian packages): run `firmware/setup microbit`, which installs it; or give \
             this command --install"
        );
    }

    #[test]
    fn something_else_than_a_blob_is_refused_before_cargo_runs() {
        let table = Table::load().expect("a table");
        let board = table.find("microbit").expect("a board");
        assert!(matches!(
            check_fit(&table, board, b"no blob"),
            Err(Error::Model(_))
        ));
    }
}
