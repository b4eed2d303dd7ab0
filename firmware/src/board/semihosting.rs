//! Semihosting: prints, reads files of the host, and ends the emulator. The operations are the same on Arm and RISC-V;
//! only the trap instruction differs, see `processor`.

use super::processor::semihosting_call;
use crate::report::Output;

const SYS_OPEN: usize = 0x01;
const SYS_WRITE0: usize = 0x04;
const SYS_READ: usize = 0x06;
const SYS_FLEN: usize = 0x0c;
const SYS_EXIT_EXTENDED: usize = 0x20;

/// Mode "rb" of `SYS_OPEN`.
const READ_BINARY: usize = 1;
/// Reason of `SYS_EXIT_EXTENDED` for a normal end; the next word is the exit code.
const APPLICATION_EXIT: usize = 0x20026;

/// The emulator's standard output.
#[derive(Debug)]
pub struct Console;

impl Output for Console {
    fn line(&mut self, text_with_nul: &[u8]) {
        if text_with_nul.last() == Some(&0) {
            // SAFETY: the operation reads bytes up to the first NUL, and the slice contains one.
            unsafe { semihosting_call(SYS_WRITE0, text_with_nul.as_ptr().expose_provenance()) };
        }
    }
}

/// Ends the emulator with this exit code.
pub fn exit(code: usize) -> ! {
    let arguments = [APPLICATION_EXIT, code];
    loop {
        // SAFETY: the operation reads two words, and `arguments` has two.
        unsafe { semihosting_call(SYS_EXIT_EXTENDED, arguments.as_ptr().expose_provenance()) };
    }
}

/// A file of the host, open for reading from its start.
#[derive(Debug)]
pub struct File {
    handle: usize,
    /// Bytes in the file.
    len: usize,
}

impl File {
    /// Opens a file by its path; `None` if there is no such file.
    pub fn open(path: &core::ffi::CStr) -> Option<Self> {
        let arguments = [path.as_ptr().expose_provenance(), READ_BINARY, path.count_bytes()];
        // SAFETY: the operation reads three words: the address of a path, a mode, and the length of the path.
        let handle = unsafe { semihosting_call(SYS_OPEN, arguments.as_ptr().expose_provenance()) };
        if handle == usize::MAX {
            return None;
        }
        // SAFETY: the operation reads one word.
        let len = unsafe { semihosting_call(SYS_FLEN, (&raw const handle).expose_provenance()) };
        (len != usize::MAX).then_some(Self { handle, len })
    }

    /// Bytes in the file.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the file is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads the next `bytes.len()` bytes; returns `false` if the file has fewer.
    pub fn read(&mut self, bytes: &mut [u8]) -> bool {
        let arguments = [self.handle, bytes.as_mut_ptr().expose_provenance(), bytes.len()];
        // SAFETY: the operation writes at most `bytes.len()` bytes (third word) at the address of `bytes` (second word).
        unsafe { semihosting_call(SYS_READ, arguments.as_ptr().expose_provenance()) == 0 }
    }
}
