//! What is in a firmware's code, by the part of the runtime it came from. Beside the main path.

use super::error::Error;
use object::read::elf::ElfFile32;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionKind, SymbolKind};
use rustc_demangle::demangle;
use serde::Serialize;

/// Bytes of code, by the function they ended up in: what the compiler inlined counts where it was inlined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Code {
    /// Inner loops and the rows around them.
    pub kernels: usize,
    /// What walks the stages.
    pub network: usize,
    /// Reading and checking a blob, and the stages as types.
    pub format: usize,
    /// Sizes and offsets.
    pub plan: usize,
    /// The compiler's own: copying, filling, dividing.
    pub compiler: usize,
    /// The program itself, with what of the runtime was inlined into it.
    pub program: usize,
    /// Reset, exceptions, and what has no name of ours.
    pub rest: usize,
}

impl Code {
    /// All of it.
    pub fn total(&self) -> usize {
        self.kernels + self.network + self.format + self.plan + self.compiler + self.program + self.rest
    }

    /// Reads a firmware's symbols.
    ///
    /// # Errors
    ///
    /// [`Error::Elf`] where the bytes are no 32-bit ELF file.
    pub fn of(elf: &[u8]) -> Result<Self, Error> {
        let file = ElfFile32::<object::Endianness>::parse(elf)?;
        let is_code = |index| {
            let section = file.section_by_index(index).ok();
            section.is_some_and(|section| section.kind() == SectionKind::Text)
        };
        let mut functions: Vec<(u64, u64, &str)> = Vec::new();
        for symbol in file.symbols() {
            let is_function = symbol.kind() == SymbolKind::Text && symbol.size() > 0;
            if is_function && symbol.section_index().is_some_and(is_code) {
                // The lowest bit only says that it is Thumb code.
                let start = symbol.address() & !1;
                functions.push((start, start + symbol.size(), symbol.name()?));
            }
        }
        functions.sort_unstable();
        let mut code = Self::default();
        let mut end = 0;
        for (start, behind, name) in functions {
            // Several names may be of one function.
            let len = behind.saturating_sub(start.max(end)) as usize;
            end = end.max(behind);
            *code.part(name) += len;
        }
        Ok(code)
    }

    /// The part that a function belongs to.
    fn part(&mut self, symbol: &str) -> &mut usize {
        let name = format!("{:#}", demangle(symbol));
        let is_of = |modules: &[&str]| {
            modules
                .iter()
                .any(|module| name.contains(&format!("denselet::{module}")))
        };
        if name.starts_with("denselet_") || is_of(&["kernel::"]) {
            &mut self.kernels
        } else if is_of(&["format::", "model::"]) {
            &mut self.format
        } else if is_of(&["plan::", "shape::", "layout::"]) {
            &mut self.plan
        } else if is_of(&["network::", "arena::", "logits::"]) {
            &mut self.network
        } else if name.starts_with("compiler_builtins")
            || name.starts_with("__aeabi_")
            || name.starts_with("mem")
        {
            &mut self.compiler
        } else if name == "main" || name.contains("minimal::") {
            &mut self.program
        } else {
            &mut self.rest
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_belongs_to_the_module_that_it_is_of() {
        let mut code = Code::default();
        *code.part("_ZN8denselet4plan7overlap3gap17hc0e4e9d294f6f088E") += 1;
        *code.part("denselet_pixels_by_four") += 2;
        *code.part("__aeabi_memcpy4") += 4;
        *code.part("main") += 8;
        *code.part("Reset") += 16;
        let expected = Code {
            plan: 1,
            kernels: 2,
            compiler: 4,
            program: 8,
            rest: 16,
            ..Code::default()
        };
        assert_eq!(code, expected);
    }
}
