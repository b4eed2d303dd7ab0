//! RISC-V 32: the cycle counter as the tick counter, the marked `ebreak` as the debugger's trap.

use core::arch::asm;
// Linked for its reset handler and its trap handler.
use riscv_rt as _;

/// Instructions that an overflow of the counter costs: it has 64 bits and none.
pub(super) const WRAP_INSTRUCTIONS: u64 = 0;
/// Ticks after which the counter's low half starts again.
pub(super) const TICKS_PER_WRAP: u64 = 1 << 32;

/// Ticks since `start_ticks`, and how often something interrupted in between.
pub(super) struct Ticks {
    pub(super) ticks: u64,
    pub(super) wraps: u64,
}

/// The counter at the start.
pub(super) type Started = u64;

/// Starts counting: returns what the counter says. It is not set to zero, since the emulator does not carry from the low
/// half of a counter that was written to its high half.
#[inline(always)]
pub(super) fn start_ticks() -> Started {
    read_cycles()
}

/// Stops counting.
#[inline(always)]
pub(super) fn stop_ticks(start: Started) -> Ticks {
    read_ticks(&start)
}

/// Reads the counter, which goes on.
#[inline(always)]
pub(super) fn read_ticks(start: &Started) -> Ticks {
    Ticks {
        ticks: read_cycles() - start,
        wraps: 0,
    }
}

/// The 64-bit counter. Under `-icount` it counts the emulator's nanoseconds.
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
    // The low half may have started again between the first read and the second.
    let high = if again < low && low > u32::MAX / 2 {
        high.wrapping_sub(1)
    } else {
        high
    };
    u64::from(high) << 32 | u64::from(low)
}

/// The lowest address the stack may reach: the end of the statics.
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
/// * `bottom` is aligned to a word, and from there up to the stack pointer is RAM in which nothing is alive.
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

/// A loop of at least one round, three instructions each.
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

/// Asks the debugger for an operation; returns its answer.
///
/// # Safety
///
/// * `argument` is what `operation` asks for: mostly the address of a block of words, which in turn may hold addresses
///   that the debugger reads or writes.
pub(super) unsafe fn semihosting_call(operation: usize, argument: usize) -> usize {
    let answer;
    // SAFETY: the debugger knows the trap by the two instructions around it, takes a0 and a1, answers in a0 and touches
    // only what the caller allows.
    unsafe {
        asm!(
            // The three must be uncompressed and in one page.
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

/// Any exception: the runtime crate's trap handler calls it.
// SAFETY: the runtime crate's trap handler refers to this name, and ignores what it would be told.
#[unsafe(export_name = "ExceptionHandler")]
extern "C" fn exception() -> ! {
    super::fault("exception")
}
