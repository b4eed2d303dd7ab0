//! Runs a program on an emulated board and reads its output line by line.

use super::error::Error;
use super::protocol::Facts;
use super::table::{Board, Table};
use core::time::Duration;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Instant;

/// A program on an emulated board.
#[derive(Clone, Copy, Debug)]
pub struct Emulation<'e> {
    /// Table that lists the board.
    pub table: &'e Table,
    /// Emulated board.
    pub board: &'e Board,
    /// File of the program.
    pub elf: &'e Path,
    /// Images that the program reads; may be empty.
    pub images: &'e [u8],
    /// Further arguments of the emulator.
    pub arguments: &'e [OsString],
    /// Longest time of the emulator.
    pub limit: Duration,
}

/// Runs a program and returns what it printed. Calls `on_facts` after every line.
///
/// # Errors
///
/// [`Error::Timeout`] after the limit; [`Error::Failed`] with the reason that the program or the emulator gives.
pub fn emulate(emulation: &Emulation<'_>, on_facts: &mut dyn FnMut(&Facts)) -> Result<Facts, Error> {
    let Emulation {
        table,
        board,
        elf,
        images,
        arguments,
        limit,
    } = *emulation;
    let folder = tempfile::tempdir().map_err(Error::io("a folder for the images"))?;
    if !images.is_empty() {
        fs::write(folder.path().join("images.bin"), images).map_err(Error::io("the images' file"))?;
    }
    let elf = elf.canonicalize().map_err(Error::io(elf.display().to_string()))?;
    let child = Command::new(&board.emulator)
        .args(board.machine.split_whitespace())
        .args(["-icount", &format!("shift={}", table.icount_shift)])
        .args(["-display", "none", "-monitor", "none", "-serial", "none"])
        .args([
            "-chardev",
            "stdio,id=out",
            "-semihosting-config",
            "enable=on,target=native,chardev=out",
        ])
        .args(arguments)
        .arg("-kernel")
        .arg(elf)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Error::io(format!(
            "{} (`firmware/setup {}` installs it)",
            board.emulator, board.name
        )))?;
    let mut emulator = Emulator(child);

    let stdout = emulator.0.stdout.take();
    let (send, lines) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in stdout.map(BufReader::new).into_iter().flat_map(BufRead::lines) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    let stderr = emulator.0.stderr.take();
    let messages = std::thread::spawn(move || {
        let mut text = String::new();
        // Output that is not UTF-8 is dropped: it cannot be shown.
        let _ = stderr.map(|mut pipe| pipe.read_to_string(&mut text));
        text
    });

    let deadline = Instant::now() + limit;
    let mut facts = Facts::default();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                facts.take(line.map_err(Error::io("the emulator's output"))?.trim_end())?;
                on_facts(&facts);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                return Err(Error::Timeout {
                    board: board.name.clone(),
                    limit,
                });
            }
        }
    }
    let status = emulator.0.wait().map_err(Error::io("the emulator"))?;
    let (_, messages) = (reader.join(), messages.join().unwrap_or_default());
    if facts.done && status.success() {
        return Ok(facts);
    }
    let reason = facts
        .error
        .unwrap_or_else(|| format!("the emulator ended ({status}): {}", messages.trim_end()));
    Err(Error::Failed {
        board: board.name.clone(),
        reason,
    })
}

/// A process of the emulator that ends with its owner.
struct Emulator(Child);

impl Drop for Emulator {
    fn drop(&mut self) {
        // Both fail if the process has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
