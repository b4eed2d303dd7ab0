//! Cortex-M: counts ticks with SysTick and makes semihosting calls with `bkpt`. The assembly is Armv6-M, so it runs on
//! every core from the M0 on.

use core::arch::{asm, global_asm};
// Linked for its reset handler and its vector table.
use cortex_m_rt as _;

/// SysTick's control and status register.
const SYST_CSR: *mut u32 = core::ptr::without_provenance_mut(0xe000_e010);
/// SysTick's reload value, from which it counts down to 0.
const SYST_RVR: *mut u32 = core::ptr::without_provenance_mut(0xe000_e014);
/// SysTick's current value; a write clears it, and the next tick loads the reload value.
const SYST_CVR: *mut u32 = core::ptr::without_provenance_mut(0xe000_e018);
/// Interrupt control and state.
const ICSR: *const u32 = core::ptr::without_provenance(0xe000_ed04);

/// Enable, interrupt at zero, processor clock.
const CSR_RUN: u32 = 0b111;
/// SysTick's interrupt is pending.
const ICSR_PENDSTSET: u32 = 1 << 26;
/// SysTick has 24 bits.
const RELOAD: u32 = 0x00ff_ffff;

/// Instructions that the handler below executes each time the counter passes zero.
pub(super) const WRAP_INSTRUCTIONS: u64 = 5;
/// Ticks after which SysTick reloads.
pub(super) const TICKS_PER_WRAP: u64 = RELOAD as u64 + 1;

// The handler extends 24 bits to 56. It is assembly because its length is part of the count. The processor saves and
// restores every register that the handler changes.
global_asm!(
    ".section .text.SysTick,\"ax\",%progbits",
    ".global SysTick",
    ".type SysTick,%function",
    ".thumb_func",
    "SysTick:",
    "ldr r0, 1f",
    "ldr r1, [r0]",
    "adds r1, #1",
    "str r1, [r0]",
    "bx lr",
    ".balign 4",
    "1: .word {wraps}",
    ".size SysTick, . - SysTick",
    wraps = sym WRAPS,
);

/// How often the counter has passed zero since `start_ticks`. Written by the handler.
static WRAPS: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);

/// Ticks since `start_ticks`, and the runs of the handler among them.
pub(super) struct Ticks {
    pub(super) ticks: u64,
    pub(super) wraps: u64,
}

/// Proof that the counter was started, from zero.
pub(super) struct Started;

/// Starts the counter.
#[inline(always)]
pub(super) fn start_ticks() -> Started {
    WRAPS.store(0, core::sync::atomic::Ordering::Relaxed);
    // SAFETY: SysTick is at this address on every Cortex-M, and nothing else in this firmware uses it.
    unsafe { SYST_CSR.write_volatile(0) };
    // SAFETY: as above.
    unsafe { SYST_RVR.write_volatile(RELOAD) };
    // SAFETY: as above; the value does not matter.
    unsafe { SYST_CVR.write_volatile(0) };
    // SAFETY: as above; the handler exists, so the interrupt may be enabled.
    unsafe { SYST_CSR.write_volatile(CSR_RUN) };
    Started
}

/// Stops the counter and reads it.
#[inline(always)]
pub(super) fn stop_ticks(started: Started) -> Ticks {
    let ticks = read_ticks(&started);
    // SAFETY: SysTick is at this address on every Cortex-M, and nothing else in this firmware uses it.
    unsafe { SYST_CSR.write_volatile(0) };
    ticks
}

/// Reads the counter without stopping it.
#[inline(always)]
pub(super) fn read_ticks(_started: &Started) -> Ticks {
    // SAFETY: masking interrupts has no effect on memory; they are unmasked below.
    unsafe { asm!("cpsid i", options(nomem, nostack, preserves_flags)) };
    // SAFETY: SysTick is at this address on every Cortex-M, and nothing else in this firmware uses it.
    let value = unsafe { SYST_CVR.read_volatile() };
    // SAFETY: ICSR may be read at any time.
    let waiting = unsafe { ICSR.read_volatile() } & ICSR_PENDSTSET != 0;
    let wraps = u64::from(WRAPS.load(core::sync::atomic::Ordering::Relaxed));
    // SAFETY: unmasks the interrupts that were masked above.
    unsafe { asm!("cpsie i", options(nomem, nostack, preserves_flags)) };
    // The counter may reach zero while the handler is masked. If it did so before `value` was read, the value is zero or
    // large, and this wrap counts. If it did so between the two reads, the value is small, and the wrap does not count.
    let passed = wraps + u64::from(waiting && (value == 0 || value > RELOAD / 2));
    // Zero is the end of a period, because the first tick loads the reload value.
    let rest = if value == 0 {
        0
    } else {
        TICKS_PER_WRAP - u64::from(value)
    };
    Ticks {
        ticks: passed * TICKS_PER_WRAP + rest,
        wraps,
    }
}

/// The lowest address that the stack may reach: the end of the statics.
pub(super) fn stack_end() -> *mut usize {
    unsafe extern "C" {
        static mut _stack_end: usize;
    }
    &raw mut _stack_end
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
            "mov {top}, sp",
            "b 3f",
            "2:",
            "stm {word}!, {{{paint}}}",
            "3:",
            "cmp {word}, {top}",
            "blo 2b",
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
            "mov {n}, {rounds}",
            "2:",
            "subs {n}, #1",
            "nop",
            "bne 2b",
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
    // SAFETY: the debugger reads r0 and r1, returns in r0 and accesses only what the caller allows.
    unsafe {
        asm!(
            "bkpt #0xab",
            inout("r0") operation => answer,
            in("r1") argument,
            options(nostack, preserves_flags),
        )
    };
    answer
}

/// The interrupt vectors: one is enough instead of 240, because no interrupt is enabled (SysTick is an exception).
// SAFETY: the linker script of the runtime crate expects the table in this section under this name.
#[unsafe(link_section = ".vector_table.interrupts")]
// SAFETY: no other item has the name.
#[unsafe(no_mangle)]
static __INTERRUPTS: [unsafe extern "C" fn(); 1] = [unexpected];

/// Handles a fault. `cortex-m-rt` calls it with interrupts masked.
// SAFETY: the vector table of `cortex-m-rt` refers to this name, with this signature.
#[unsafe(export_name = "HardFault")]
unsafe extern "C" fn hard_fault() -> ! {
    super::fault("hard fault")
}

/// Handles every exception without a handler of its own.
// SAFETY: as above.
#[unsafe(export_name = "DefaultHandler")]
unsafe extern "C" fn unexpected() {
    super::fault("unexpected exception")
}
