//! Printing, reading a file of the host, and ending the emulator: the debugger's channel ("semihosting"), which is the
//! same table of operations on Arm and RISC-V. Only the trap instruction differs, see `processor`.

use super::processor::semihosting_call;
use crate::report::Output;

const SYS_OPEN: usize = 0x01;
const SYS_WRITE0: usize = 0x04;
const SYS_READ: usize = 0x06;
const SYS_FLEN: usize = 0x0c;
const SYS_EXIT_EXTENDED: usize = 0x20;

/// Mode of `SYS_OPEN` that C calls "rb".
const READ_BINARY: usize = 1;
/// Reason of `SYS_EXIT_EXTENDED` for a program that ends by itself; the next word is its exit code.
const APPLICATION_EXIT: usize = 0x20026;

/// The emulator's standard output.
#[derive(Debug)]
pub struct Console;

impl Output for Console {
    fn line(&mut self, text_with_nul: &[u8]) {
        if text_with_nul.last() == Some(&0) {
            // SAFETY: the operation reads bytes up to the first NUL, and there is one within the slice.
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
        // SAFETY: the operation reads three words, a path of the length given among them.
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

    /// Whether there is not a byte in the file.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads the next `bytes.len()` bytes; `false` if the file ends before.
    pub fn read(&mut self, bytes: &mut [u8]) -> bool {
        let arguments = [self.handle, bytes.as_mut_ptr().expose_provenance(), bytes.len()];
        // SAFETY: the operation writes at most the third word's number of bytes at the second word's address, which
        // are the bytes that `bytes` lends us.
        unsafe { semihosting_call(SYS_READ, arguments.as_ptr().expose_provenance()) == 0 }
    }
}
