//! What a command gives: lines and JSON on standard output, warnings on standard error, files where the user wants them.
//!
//! A standard output that its reader has closed ends the command without a message, as it ends other tools. What a command
//! has written until then is whole.

use crate::whole_file::{self, Target};
use anyhow::Context;
use core::fmt::Display;
use core::sync::atomic::{AtomicBool, Ordering};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Unwinds to `main` after standard output was closed, so that emulators end and temporary files go.
#[derive(Clone, Copy, Debug)]
pub struct Closed {
    /// With which the command ends.
    pub exit_code: u8,
}

impl Closed {
    /// What a shell reports for a program that a closed pipe ended: 128 and the signal's number.
    const BY_READER: Self = Self { exit_code: 141 };
    /// A fault, which was reported.
    const BY_ERROR: Self = Self { exit_code: 1 };
}

/// Whether standard output receives a file, so that lines for people go to standard error.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Prints `value` as one JSON object on standard output, the only thing a `--json` run prints there.
///
/// # Errors
/// If `value` cannot be JSON.
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    say(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints one line for people on standard output.
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
    // Without the panic hook's message: what there is to say was said.
    std::panic::resume_unwind(Box::new(closed));
}

/// Prints one line on standard error, in one piece: other processes may write there too. One that is closed changes nothing.
pub fn tell(line: impl Display) {
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

/// Kinds of files that commands write, by how they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A network for devices.
    Blob,
    /// A page of `report`.
    Page,
    /// A chart or a picture, as SVG.
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

/// A file that a command will write where the user wants it.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
}

impl Output {
    /// Checks, before any work is done, that nothing of another kind is lost at `path`. With `force` it may be.
    ///
    /// # Errors
    /// If a file of another kind, or a folder, has the name.
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
                    "{}: expected a free name or {}, found a file of another kind; choose another name, or --force \
                     to replace it",
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

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// The system's, after the path.
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
