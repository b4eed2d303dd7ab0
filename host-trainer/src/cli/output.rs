//! Output of commands: lines and JSON on standard output, warnings on standard error, and files.
//!
//! A command ends without a message when the reader closes its standard output. Files that are written until then are
//! complete.

use crate::whole_file::{self, Target};
use anyhow::Context;
use core::fmt::Display;
use core::sync::atomic::{AtomicBool, Ordering};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Payload that unwinds to `main` after standard output is closed, so that emulators end and temporary files are removed.
#[derive(Clone, Copy, Debug)]
pub struct Closed {
    /// Exit code of the command.
    pub exit_code: u8,
}

impl Closed {
    /// Exit code that a shell reports after SIGPIPE: 128 and the number of the signal.
    const BY_READER: Self = Self { exit_code: 141 };
    /// Exit code after an error, which is printed.
    const BY_ERROR: Self = Self { exit_code: 1 };
}

/// Whether standard output receives a file; text then goes to standard error.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Prints `value` as one JSON object on standard output, the only thing a `--json` run prints there.
///
/// # Errors
/// Returns an error if `value` cannot be JSON.
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    say(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints one line of text on standard output.
pub fn say(line: impl Display) {
    if TAKEN.load(Ordering::Relaxed) {
        tell(line);
        return;
    }
    let mut out = io::stdout().lock();
    let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) else {
        return;
    };
    drop(out);
    let closed = if error.kind() == ErrorKind::BrokenPipe {
        Closed::BY_READER
    } else {
        tell(format_args!("error: standard output: {error}"));
        Closed::BY_ERROR
    };
    // Unwinds without the message of the panic hook.
    std::panic::resume_unwind(Box::new(closed));
}

/// Prints one line on standard error in one write, because other processes may write there too. Ignores a closed one.
pub fn tell(line: impl Display) {
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

/// Kinds of files that commands write, with their first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A network for devices.
    Blob,
    /// A page of `report`.
    Page,
    /// A chart or a diagram, as SVG.
    Chart,
    /// An ONNX model.
    Onnx,
    /// Tensors by name.
    Safetensors,
    /// A board's program.
    Elf,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Blob => "a denselet blob",
            Self::Page => "a page of `denselet report`",
            Self::Chart => "an SVG file",
            Self::Onnx => "an ONNX file",
            Self::Safetensors => "a safetensors file",
            Self::Elf => "an ELF file",
        }
    }

    fn begins(self, head: &[u8]) -> bool {
        match self {
            Self::Blob => head.starts_with(&denselet::format::MAGIC),
            Self::Page => head.starts_with(b"<!DOCTYPE html><html"),
            Self::Chart => head.starts_with(b"<svg"),
            // The first field, the version of the format, is a small number.
            Self::Onnx => matches!(head, [0x08, 1..=64, ..]),
            Self::Safetensors => head.get(8) == Some(&b'{'),
            Self::Elf => head.starts_with(b"\x7fELF"),
        }
    }
}

/// A file that a command will write.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
}

impl Output {
    /// Checks, before any work, that `path` is free or has a file of the same kind; with `force` it may have any file.
    ///
    /// # Errors
    /// Returns an error if a file of another kind, or a folder, has the name.
    pub fn new(path: &Path, kind: Kind, force: bool) -> anyhow::Result<Self> {
        let named = || path.display().to_string();
        match Target::of(path).with_context(named)? {
            Target::StandardOutput => TAKEN.store(true, Ordering::Relaxed),
            Target::File(file) if !force => {
                let mut head = Vec::new();
                match std::fs::File::open(&file) {
                    Ok(file) => drop(file.take(64).read_to_end(&mut head).with_context(named)?),
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error).with_context(named),
                }
                anyhow::ensure!(
                    head.is_empty() || kind.begins(&head),
                    "{}: expected a free name or {}, found a file of another kind; choose another name, or give \
                     --force to replace it",
                    named(),
                    kind.name()
                );
            }
            Target::File(_) | Target::Stream(_) => {}
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file completely or not at all.
    ///
    /// # Errors
    /// The error of the system, with the path.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        whole_file::write(&self.path, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_of_the_kind_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let kinds = [
            (Kind::Blob, &denselet::format::MAGIC[..]),
            (Kind::Page, b"<!DOCTYPE html><html lang=\"en\">"),
            (Kind::Chart, b"<svg width=\"1\">"),
            (Kind::Onnx, &[0x08, 8, 0x12]),
            (Kind::Safetensors, b"\x02\0\0\0\0\0\0\0{}"),
            (Kind::Elf, b"\x7fELF"),
        ];
        for (kind, _) in kinds {
            for (other, head) in kinds {
                std::fs::write(&path, head).unwrap();
                let found = Output::new(&path, kind, false).is_ok();
                assert_eq!(found, kind == other, "{kind:?} over {other:?}");
                assert!(Output::new(&path, kind, true).is_ok());
            }
            std::fs::write(&path, "keep").unwrap();
            let error = Output::new(&path, kind, false).unwrap_err().to_string();
            assert!(error.contains("--force") && error.contains("file"), "{error}");
            std::fs::write(&path, "").unwrap();
            assert!(Output::new(&path, kind, false).is_ok());
            std::fs::remove_file(&path).unwrap();
            assert!(Output::new(&path, kind, false).is_ok());
            assert!(Output::new(folder.path(), kind, true).is_err());
        }
    }
}
