//! Models the cycles of an emulated program: a plugin of the emulator counts blocks of code, a table gives their cycles.
//!
//! The plugin is `firmware/cycles/blocks.c`, built by the host's C compiler for each run. The modelled core has memory
//! without wait states: no flash, no cache, no interrupt.

use super::cortex_m4;
use super::error::Error;
use super::firmware::Workspace;
use super::table::Board;
use core::ops::Range;
use object::read::elf::ElfFile32;
use object::{Object as _, ObjectSegment as _, ObjectSymbol as _};
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Processor with a table of cycles, as `boards.toml` names it.
const MODELLED: &str = "cortex-m4";

/// Counts the executed code of a program between marked functions.
#[derive(Debug)]
pub(super) struct Meter {
    folder: TempDir,
    plugin: PathBuf,
    /// Addresses of the marked functions.
    marks: Vec<u64>,
    /// Addresses of the handler that counts time; its cycles are not counted.
    clock: Range<u64>,
}

/// Executed code from the start of a marked function to the start of the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lap {
    /// Index of the function.
    pub(super) from: usize,
    pub(super) instructions: u64,
    pub(super) cycles: u64,
}

/// Checks that the processor of a board has a table of cycles.
///
/// # Errors
///
/// [`Error::NoCycles`].
pub(super) fn check(board: &Board) -> Result<(), Error> {
    if board.core == MODELLED {
        return Ok(());
    }
    Err(Error::NoCycles {
        board: board.name.clone(),
        core: board.core.clone(),
        modelled: MODELLED,
    })
}

impl Meter {
    /// Builds the plugin and finds the functions in the program.
    ///
    /// # Errors
    ///
    /// [`Error::NoCycles`] if the processor has no table, [`Error::Plugin`] with the compiler's output if the plugin cannot be
    /// built, [`Error::Elf`] if the bytes are not a 32-bit ELF file.
    pub(super) fn new(
        workspace: &Workspace,
        board: &Board,
        elf: &[u8],
        functions: &[&str],
    ) -> Result<Self, Error> {
        check(board)?;
        let file = ElfFile32::<object::Endianness>::parse(elf)?;
        let place = |name: &str| {
            let symbol = file.symbols().find(|symbol| symbol.name() == Ok(name))?;
            // The lowest bit marks Thumb code.
            let start = symbol.address() & !1;
            Some(start..start + symbol.size())
        };
        let marks = functions.iter().map(|name| {
            place(name).map(|place| place.start).ok_or_else(|| Error::Plugin {
                log: format!("expected a function {name} in the firmware, found none"),
            })
        });
        let marks = marks.collect::<Result<_, _>>()?;
        let folder = tempfile::tempdir().map_err(Error::io("a folder for the emulator's plugin"))?;
        let plugin = folder.path().join("blocks.so");
        let source = workspace.root().join("firmware/cycles/blocks.c");
        let compiler = Command::new("cc")
            .args(["-O2", "-shared", "-fPIC", "-o"])
            .args([&plugin, &source])
            .stdin(Stdio::null())
            .output()
            .map_err(Error::io("cc, which builds the emulator's plugin (Debian: gcc)"))?;
        if !compiler.status.success() {
            return Err(Error::Plugin {
                log: String::from_utf8_lossy(&compiler.stderr).into_owned(),
            });
        }
        Ok(Self {
            clock: place("SysTick").unwrap_or(0..0),
            folder,
            plugin,
            marks,
        })
    }

    /// Returns the arguments of the emulator.
    pub(super) fn arguments(&self) -> [OsString; 2] {
        // A comma in a path is written twice.
        let path = |path: PathBuf| path.display().to_string().replace(',', ",,");
        let mut plugin = format!("{},out={}", path(self.plugin.clone()), path(self.counts()));
        for mark in &self.marks {
            plugin += &format!(",mark={mark:#x}");
        }
        ["-plugin".into(), plugin.into()]
    }

    /// Returns the laps of the program `elf`, in the order of execution.
    ///
    /// # Errors
    ///
    /// [`Error::Plugin`] if the counts are incomplete.
    pub(super) fn laps(&self, elf: &[u8]) -> Result<Vec<Lap>, Error> {
        let file = ElfFile32::<object::Endianness>::parse(elf)?;
        let path = self.counts();
        let text = fs::read_to_string(&path).map_err(Error::io(path.display().to_string()))?;
        let broken = |line: &str| Error::Plugin {
            log: format!("expected counts from the emulator's plugin, found `{line}`"),
        };
        let mut laps: Vec<Lap> = Vec::new();
        // Code before the first mark is not counted.
        let mut is_counted = false;
        for line in text.lines() {
            if line == "end" {
                return Ok(laps);
            }
            if let Some(mark) = line.strip_prefix("mark ") {
                let mark = u64::from_str_radix(mark, 16).map_err(|_| broken(line))?;
                let from = self.marks.iter().position(|&place| place == mark);
                is_counted = from.is_some();
                laps.extend(from.map(|from| Lap {
                    from,
                    instructions: 0,
                    cycles: 0,
                }));
            } else if let (true, Some(lap)) = (is_counted, laps.last_mut()) {
                let block = Block::read(line).ok_or_else(|| broken(line))?;
                if self.clock.contains(&block.start) {
                    continue;
                }
                let len = block.end.saturating_sub(block.start);
                let code = file
                    .segments()
                    .find_map(|segment| segment.data_range(block.start, len).ok().flatten())
                    .ok_or_else(|| broken(line))?;
                let (instructions, cycles) = cortex_m4::straight(code);
                lap.instructions += instructions * block.times;
                lap.cycles += cycles * block.times + cortex_m4::JUMP * block.jumps;
            }
        }
        Err(broken("no end"))
    }

    /// Returns the path of the file that the plugin writes.
    fn counts(&self) -> PathBuf {
        self.folder.path().join("counts.txt")
    }
}

/// Code without a jump inside, and the number of its executions.
struct Block {
    start: u64,
    end: u64,
    times: u64,
    jumps: u64,
}

impl Block {
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let mut next = |radix| u64::from_str_radix(words.next()?, radix).ok();
        Some(Self {
            start: next(16)?,
            end: next(16)?,
            times: next(10)?,
            jumps: next(10)?,
        })
    }
}
