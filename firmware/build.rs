//! Generates the memory map and the constants of one board from `boards.toml`, and embeds the model.
//!
//! The board is `DENSELET_BOARD`, or the first of the table with the build's target. The model is the file
//! `DENSELET_MODEL`, or the small one of the tests. A build for a host generates nothing.

use core::error::Error;
use denselet::format::Blob;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=boards.toml");
    println!("cargo::rerun-if-env-changed=DENSELET_BOARD");
    println!("cargo::rerun-if-env-changed=DENSELET_MODEL");
    if env::var("CARGO_CFG_TARGET_OS")? != "none" {
        return Ok(());
    }
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let table = fs::read_to_string(root.join("boards.toml"))?;
    let board = find(&table)?;

    fs::write(out.join("board.rs"), board.constants(&common(&table))?)?;
    fs::write(out.join("memory.x"), board.memory_map()?)?;
    // The interrupt vectors are in `board::cortex_m`: one, instead of the 240 of `cortex-m-rt`.
    fs::write(out.join("device.x"), "")?;
    fs::write(out.join("model.rs"), embed(&root, &board)?)?;

    println!("cargo::rustc-link-search={}", out.display());
    if env::var("CARGO_CFG_TARGET_ARCH")?.starts_with("riscv") {
        println!("cargo::rustc-link-arg-bins=-Tmemory.x");
    }
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    Ok(())
}

/// The lines of one `[[board]]` of the table.
struct Board<'t>(&'t str);

impl Board<'_> {
    /// The text after `key = `, without quotes.
    fn get(&self, key: &str) -> Result<&str, String> {
        self.0
            .lines()
            .filter_map(|line| line.split_once('='))
            .find(|(name, _)| name.trim() == key)
            .map(|(_, value)| value.trim().trim_matches('"'))
            .ok_or_else(|| format!("a board of boards.toml has no `{key}`"))
    }

    /// Returns the source of the constants of `board`.
    fn constants(&self, common: &Board<'_>) -> Result<String, String> {
        Ok(format!(
            "/// The board's name, as in `boards.toml`.\npub const NAME: &str = {:?};\n\
             /// Ticks of the counter per millisecond.\npub const CLOCK_KHZ: u32 = {};\n\
             /// Bytes of RAM.\npub const RAM_BYTES: usize = {};\n\
             /// Emulated nanoseconds per instruction, as a power of two: the `shift` of `-icount`.\n\
             pub const ICOUNT_SHIFT: u32 = {};\n\
             /// Bytes of RAM that must remain for the stack, next to the arena of a model and an image.\n\
             pub const STACK_RESERVE: usize = {};\n",
            self.get("name")?,
            self.get("clock_khz")?,
            self.get("ram_bytes")?,
            common.get("icount_shift")?,
            common.get("stack_reserve")?,
        ))
    }

    /// Returns the memory regions for the linker. `riscv-rt` also needs the region of each section.
    fn memory_map(&self) -> Result<String, String> {
        let mut map = format!(
            "MEMORY\n{{\n  FLASH : ORIGIN = {}, LENGTH = {}\n  RAM : ORIGIN = {}, LENGTH = {}\n}}\n",
            self.get("flash_origin")?,
            self.get("flash_bytes")?,
            self.get("ram_origin")?,
            self.get("ram_bytes")?
        );
        if self.get("triple")?.starts_with("riscv") {
            for (region, memory) in [
                ("TEXT", "FLASH"),
                ("RODATA", "FLASH"),
                ("DATA", "RAM"),
                ("BSS", "RAM"),
                ("HEAP", "RAM"),
                ("STACK", "RAM"),
            ] {
                map += &format!("REGION_ALIAS(\"REGION_{region}\", {memory});\n");
            }
        }
        Ok(map)
    }
}

/// Returns the lines before the first board, which hold for all boards.
fn common(table: &str) -> Board<'_> {
    Board(table.split("[[board]]").next().unwrap_or_default())
}

/// Returns the board that `DENSELET_BOARD` names, or the first with the build's target.
fn find(table: &str) -> Result<Board<'_>, Box<dyn Error>> {
    let target = env::var("TARGET")?;
    let asked = env::var("DENSELET_BOARD").ok();
    for board in table.split("[[board]]").skip(1).map(Board) {
        let is_it = match &asked {
            Some(name) => board.get("name")? == name,
            None => board.get("triple")? == target,
        };
        if is_it {
            let triple = board.get("triple")?;
            if triple != target {
                return Err(format!(
                    "board {} is built with --target {triple}, not {target}",
                    board.get("name")?
                )
                .into());
            }
            return Ok(board);
        }
    }
    Err(match asked {
        Some(name) => format!("DENSELET_BOARD={name}: boards.toml has no such board").into(),
        None => format!("boards.toml has no board with the target {target}").into(),
    })
}

/// Returns the source that `model.rs` includes: the blob, the sizes of an image, and the check that all fits the RAM.
fn embed(root: &Path, board: &Board<'_>) -> Result<String, Box<dyn Error>> {
    let model = match env::var_os("DENSELET_MODEL") {
        Some(path) => PathBuf::from(path),
        None => root.join("../tests/golden/tiny.dlt"),
    };
    let model = model
        .canonicalize()
        .map_err(|error| format!("model {}: {error}", model.display()))?;
    let path = model.to_str().ok_or("the model's path is not UTF-8")?;
    println!("cargo::rerun-if-changed={path}");

    let bytes = fs::read(&model)?;
    let blob = Blob::read(&bytes).map_err(|error| format!("model {path}: {error}"))?;
    let header = blob.header();
    let (input, arena) = (header.input, header.arena_len);
    let (name, ram) = (board.get("name")?, board.get("ram_bytes")?);
    Ok(format!(
        "/// The blob.\n\
         pub static BLOB: &[u8] = denselet::include_blob!({path:?});\n\
         /// Rows of an image.\npub const IMAGE_HEIGHT: usize = {};\n\
         /// Bytes of an image's row, `[x][channel]`.\npub const IMAGE_ROW_LEN: usize = {};\n\
         const _: () = assert!(FITS, \"the model's arena of {arena} bytes, an image and a stack do not fit the {ram} \
         bytes of RAM of {name}\");\n",
        input.height,
        input.width * input.channels,
    ))
}
