//! RISC-V 32: counts ticks with `mcycle` and makes semihosting calls with a marked `ebreak`.

use core::arch::asm;
// Linked for its reset handler and its trap handler.
use riscv_rt as _;

/// Instructions for each overflow of the counter: none, it has 64 bits.
pub(super) const WRAP_INSTRUCTIONS: u64 = 0;
/// Ticks after which the low half of the counter overflows.
pub(super) const TICKS_PER_WRAP: u64 = 1 << 32;

/// Ticks since `start_ticks`, and the number of interrupts among them.
pub(super) struct Ticks {
    pub(super) ticks: u64,
    pub(super) wraps: u64,
}

/// The counter at the start.
pub(super) type Started = u64;

/// Returns the counter. It is not set to zero, because after a write QEMU does not carry from its low half to its high half.
#[inline(always)]
pub(super) fn start_ticks() -> Started {
    read_cycles()
}

/// Stops counting.
#[inline(always)]
pub(super) fn stop_ticks(start: Started) -> Ticks {
    read_ticks(&start)
}

/// Reads the counter without stopping it.
#[inline(always)]
pub(super) fn read_ticks(start: &Started) -> Ticks {
    Ticks {
        ticks: read_cycles() - start,
        wraps: 0,
    }
}

/// Reads the 64-bit counter. Under `-icount` it counts emulated nanoseconds.
#[inline(always)]
fn read_cycles() -> u64 {
    let (low, high, again): (u32, u32, u32);
    // SAFETY: reading the counter touches no memory.
    unsafe {
        asm!(
            "csrr {low}, mcycle",
            "csrr {high}, mcycleh",
            "csrr {again}, mcycle",
            low = out(reg) low,
            high = out(reg) high,
            again = out(reg) again,
            options(nostack, preserves_flags),
        )
    };
    // If the low half overflowed between its two reads, `high` may already include the carry.
    let high = if again < low && low > u32::MAX / 2 {
        high.wrapping_sub(1)
    } else {
        high
    };
    u64::from(high) << 32 | u64::from(low)
}

/// The lowest address that the stack may reach: the end of the statics.
pub(super) fn stack_end() -> *mut usize {
    unsafe extern "C" {
        static mut __eheap: usize;
    }
    &raw mut __eheap
}

/// Writes `paint` to every word from `bottom` up to the stack pointer, and returns the stack pointer.
///
/// # Safety
///
/// * `bottom` is aligned to a word, and the RAM from there up to the stack pointer is unused.
#[inline(always)]
pub(super) unsafe fn paint_below(bottom: *mut usize, paint: usize) -> *mut usize {
    let top: *mut usize;
    // SAFETY: writes words from `bottom` up to the stack pointer and no further, which the caller allows, and pushes
    // nothing.
    unsafe {
        asm!(
            "mv {top}, sp",
            "j 3f",
            "2:",
            "sw {paint}, 0({word})",
            "addi {word}, {word}, 4",
            "3:",
            "bltu {word}, {top}, 2b",
            top = out(reg) top,
            word = inout(reg) bottom => _,
            paint = in(reg) paint,
        )
    };
    top
}

/// Runs a loop of at least one round, with three instructions per round.
#[inline(always)]
pub(super) fn spin(rounds: u32) {
    // SAFETY: only counts a register down.
    unsafe {
        asm!(
            "mv {n}, {rounds}",
            "2:",
            "addi {n}, {n}, -1",
            "nop",
            "bnez {n}, 2b",
            n = out(reg) _,
            rounds = in(reg) rounds,
            options(nomem, nostack),
        )
    };
}

/// Makes a semihosting call and returns its result.
///
/// # Safety
///
/// * `argument` is what `operation` requires: usually the address of a block of words. These may contain addresses that
///   the debugger reads or writes.
pub(super) unsafe fn semihosting_call(operation: usize, argument: usize) -> usize {
    let answer;
    // SAFETY: the debugger recognises the trap by the two instructions around it, reads a0 and a1, returns in a0 and
    // accesses only what the caller allows.
    unsafe {
        asm!(
            // The three instructions must be uncompressed and in one page.
            ".balign 16",
            ".option push",
            ".option norvc",
            "slli zero, zero, 0x1f",
            "ebreak",
            "srai zero, zero, 7",
            ".option pop",
            inout("a0") operation => answer,
            in("a1") argument,
            options(nostack, preserves_flags),
        )
    };
    answer
}

/// Handles every exception; the trap handler of `riscv-rt` calls it.
// SAFETY: the trap handler of `riscv-rt` calls this name; its argument may be ignored.
#[unsafe(export_name = "ExceptionHandler")]
extern "C" fn exception() -> ! {
    super::fault("exception")
}
