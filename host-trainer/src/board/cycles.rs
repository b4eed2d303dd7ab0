//! Cycles of a program that is emulated: the emulator's plugin counts blocks of code, a table puts a price on them.
//!
//! The plugin is `firmware/cycles/blocks.c`, built by the host's C compiler each time; it takes a moment. What is modelled is
//! a core with memory that never waits: no flash, no cache, no interrupt.

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

/// Processors whose instructions have a price here, as `boards.toml` calls them.
const PRICED: &str = "cortex-m4";

/// Counts what a program executes from one of its functions to the next.
#[derive(Debug)]
pub(super) struct Meter {
    folder: TempDir,
    plugin: PathBuf,
    /// Addresses of the functions.
    marks: Vec<u64>,
    /// Where the handler is that counts time, if there is one. What it takes is not the program's.
    clock: Range<u64>,
}

/// What was executed from a function's start to the start of any of the functions that are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lap {
    /// Which function, as they were given.
    pub(super) from: usize,
    /// Instructions.
    pub(super) instructions: u64,
    /// Cycles.
    pub(super) cycles: u64,
}

/// Refuses a board that has another processor than the one with a table.
///
/// # Errors
///
/// [`Error::NoCycles`], with both.
pub(super) fn check(board: &Board) -> Result<(), Error> {
    if board.core == PRICED {
        return Ok(());
    }
    Err(Error::NoCycles {
        board: board.name.clone(),
        core: board.core.clone(),
        priced: PRICED,
    })
}

impl Meter {
    /// Builds the plugin and looks the functions up in the program.
    ///
    /// # Errors
    ///
    /// [`Error::NoCycles`] for a board whose processor has no table, [`Error::Plugin`] with the compiler's words where there is
    /// no plugin, [`Error::Elf`] where the bytes are no 32-bit ELF file.
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
            // The lowest bit only says that it is Thumb code.
            let start = symbol.address() & !1;
            Some(start..start + symbol.size())
        };
        let marks = functions.iter().map(|name| {
            place(name).map(|place| place.start).ok_or_else(|| Error::Plugin {
                log: format!("the firmware has no function {name}"),
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

    /// What the emulator has to be told.
    pub(super) fn arguments(&self) -> [OsString; 2] {
        // A comma in a path is written twice.
        let path = |path: PathBuf| path.display().to_string().replace(',', ",,");
        let mut plugin = format!("{},out={}", path(self.plugin.clone()), path(self.counts()));
        for mark in &self.marks {
            plugin += &format!(",mark={mark:#x}");
        }
        ["-plugin".into(), plugin.into()]
    }

    /// What was executed of the program `elf` since each time one of the functions was reached, in that order.
    ///
    /// # Errors
    ///
    /// [`Error::Plugin`] where the emulator has not written its counts to the end.
    pub(super) fn laps(&self, elf: &[u8]) -> Result<Vec<Lap>, Error> {
        let file = ElfFile32::<object::Endianness>::parse(elf)?;
        let path = self.counts();
        let text = fs::read_to_string(&path).map_err(Error::io(path.display().to_string()))?;
        let broken = |line: &str| Error::Plugin {
            log: format!("the emulator's plugin wrote `{line}`"),
        };
        let mut laps: Vec<Lap> = Vec::new();
        // What is before the first mark is not asked for.
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

    /// The file that the plugin writes.
    fn counts(&self) -> PathBuf {
        self.folder.path().join("counts.txt")
    }
}

/// Code without a jump inside, and how often it was run.
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
