//! Measures the code of a firmware, by the part of the runtime that it comes from.

use super::error::Error;
use object::read::elf::ElfFile32;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionKind, SymbolKind};
use rustc_demangle::demangle;
use serde::Serialize;

/// Bytes of code. An inlined function counts as code of the function that it is inlined into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Code {
    /// Row kernels and their inner loops.
    pub kernels: usize,
    /// The network, its stages and its arena.
    pub network: usize,
    /// Reading and checking of a blob.
    pub format: usize,
    /// Planning of sizes and offsets.
    pub plan: usize,
    /// Functions of the compiler: copying, filling, division.
    pub compiler: usize,
    /// The program, with everything inlined into it.
    pub program: usize,
    /// Reset, exceptions and everything else.
    pub rest: usize,
}

impl Code {
    /// Returns the sum of all parts.
    pub fn total(&self) -> usize {
        self.kernels + self.network + self.format + self.plan + self.compiler + self.program + self.rest
    }

    /// Measures a firmware by its symbols.
    ///
    /// # Errors
    ///
    /// [`Error::Elf`] if the bytes are not a 32-bit ELF file.
    pub fn of(elf: &[u8]) -> Result<Self, Error> {
        let file = ElfFile32::<object::Endianness>::parse(elf)?;
        let is_code = |index| {
            let section = file.section_by_index(index).ok();
            section.is_some_and(|section| section.kind() == SectionKind::Text)
        };
        let mut functions = Vec::new();
        for symbol in file.symbols() {
            let is_function = symbol.kind() == SymbolKind::Text && symbol.size() > 0;
            if is_function && symbol.section_index().is_some_and(is_code) {
                // The lowest bit marks Thumb code.
                let start = symbol.address() & !1;
                functions.push((start..start + symbol.size(), symbol.name()?));
            }
        }
        functions.sort_unstable_by_key(|(range, name)| (range.start, range.end, *name));
        let mut code = Self::default();
        let mut end = 0;
        for (range, name) in functions {
            // A function may have several names.
            let len = range.end.saturating_sub(range.start.max(end)) as usize;
            end = end.max(range.end);
            *code.part(name) += len;
        }
        Ok(code)
    }

    /// Returns the part of a function.
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
        } else if is_of(&["network::", "stage::", "arena::", "logits::"]) {
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
    fn a_function_counts_as_code_of_its_module() {
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
