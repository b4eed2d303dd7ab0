//! Runs a program on an emulated board, line by line, for as long as it may take.

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

/// Lays `images` before the program `elf`, runs it on `board`, with `more` arguments to the emulator, and returns what it
/// printed. `on_facts` sees the facts after every line.
///
/// # Errors
///
/// [`Error::Timeout`] after `limit`, [`Error::Failed`] with the program's words where it gave up.
pub fn emulate(
    table: &Table,
    board: &Board,
    elf: &Path,
    images: &[u8],
    more: &[OsString],
    limit: Duration,
    on_facts: &mut dyn FnMut(&Facts),
) -> Result<Facts, Error> {
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
        .args(more)
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
    let complaints = std::thread::spawn(move || {
        let mut text = String::new();
        // What is not UTF-8 is no complaint that somebody could read.
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
    let (_, complaints) = (reader.join(), complaints.join().unwrap_or_default());
    if facts.done && status.success() {
        return Ok(facts);
    }
    let reason = facts
        .error
        .unwrap_or_else(|| format!("the emulator ended ({status}): {}", complaints.trim_end()));
    Err(Error::Failed {
        board: board.name.clone(),
        reason,
    })
}

/// An emulator that does not outlive us.
struct Emulator(Child);

impl Drop for Emulator {
    fn drop(&mut self) {
        // Both fail where it has ended already, which is what they are for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
