//! Measures the flash and RAM of a built firmware.

use super::error::Error;
use super::table::Board;
use object::read::elf::{ElfFile32, ProgramHeader as _};
use object::{Object as _, ObjectSection as _, SectionKind, elf::PT_LOAD};
use serde::Serialize;

/// Flash and RAM of a firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Flash without the model: code, constants, vectors, start values of variables.
    pub flash_code_bytes: usize,
    /// Flash of the model.
    pub flash_model_bytes: usize,
    /// RAM of variables, without the stack: arena, one image, counters.
    pub ram_bytes: usize,
}

impl Sizes {
    /// Measures a firmware for `board` with a model of `model_len` bytes.
    ///
    /// Flash counts from its start to the last loaded byte, gaps included.
    ///
    /// # Errors
    ///
    /// [`Error::Elf`] if the bytes are not a 32-bit ELF file.
    pub fn of(elf: &[u8], board: &Board, model_len: usize) -> Result<Self, Error> {
        let file = ElfFile32::<object::Endianness>::parse(elf)?;
        let endian = file.endian();
        let flash = board.flash_origin..board.flash_origin + board.flash_bytes as u64;
        let ends = file.elf_program_headers().iter().filter_map(|segment| {
            let start = u64::from(segment.p_paddr(endian));
            let len = u64::from(segment.p_filesz(endian));
            let is_flash = segment.p_type(endian) == PT_LOAD && len > 0 && flash.contains(&start);
            is_flash.then(|| start + len - flash.start)
        });
        let flash_bytes = ends.max().unwrap_or(0) as usize;
        let ram_bytes: u64 = file
            .sections()
            .filter(|section| match section.kind() {
                SectionKind::Data | SectionKind::UninitializedData => {
                    // The linker script names the remaining RAM heap and stack.
                    section
                        .name()
                        .is_ok_and(|name| name != ".stack" && name != ".heap")
                }
                _ => false,
            })
            .map(|section| section.size())
            .sum();
        Ok(Self {
            flash_code_bytes: flash_bytes.saturating_sub(model_len),
            flash_model_bytes: model_len,
            ram_bytes: ram_bytes as usize,
        })
    }
}
