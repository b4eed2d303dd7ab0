//! Counts the instructions of an inference, exactly, under the emulator's `-icount`.
//!
//! With `-icount` every instruction takes 2^[`ICOUNT_SHIFT`] emulated nanoseconds. The counter of every board ticks more
//! than twice in that time, so a number of ticks determines the number of instructions. An empty bracket measures the
//! overhead. Without `-icount` (on a real board the ticks are cycles) the count is `None`.

use super::processor::{
    Started, TICKS_PER_WRAP, Ticks, WRAP_INSTRUCTIONS, read_ticks, spin, start_ticks, stop_ticks,
};
use super::{CLOCK_KHZ, ICOUNT_SHIFT};
use core::arch::asm;

/// Instructions of one round of [`InstructionCounter::count_loop`].
pub const LOOP_INSTRUCTIONS: u64 = 3;

/// Instructions after which the hardware counter overflows.
pub const INSTRUCTIONS_PER_WRAP: u64 = instructions(TICKS_PER_WRAP);

/// Marks the start of an inference, when it returns. Profilers need it out of line and under this name.
// SAFETY: no other item has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn denselet_begin() {
    // SAFETY: only a comment. It keeps the compiler from removing the call or merging it with the other marks.
    unsafe { asm!("/* begin */", options(nostack, preserves_flags)) }
}

/// Marks the end of an inference, when it is called. Profilers need it out of line and under this name.
// SAFETY: no other item has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn denselet_end() {
    // SAFETY: as above.
    unsafe { asm!("/* the end */", options(nostack, preserves_flags)) }
}

/// Marks the end of a lap and the start of the next. Profilers need it out of line and under this name.
// SAFETY: no other item has the name.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn denselet_lap() {
    // SAFETY: as above.
    unsafe { asm!("/* lap */", options(nostack, preserves_flags)) }
}

/// Has the length of a mark without being one, so that profilers do not see the calibration.
#[inline(never)]
extern "C" fn no_mark() {
    // SAFETY: as above.
    unsafe { asm!("/* nothing */", options(nostack, preserves_flags)) }
}

/// Functions that are called before and after the work.
type Marks = [extern "C" fn(); 2];

/// Counts instructions and subtracts the overhead of counting.
#[derive(Debug)]
pub struct InstructionCounter {
    /// Instructions of an empty bracket; `None` if instructions cannot be counted.
    overhead: Option<u64>,
}

impl InstructionCounter {
    /// Measures an empty bracket, and checks on loops of known length that the ticks count instructions.
    pub fn calibrate() -> Self {
        let [short, long] = [1, 101].map(|rounds| bracket(&mut || spin(rounds), [no_mark; 2]));
        // Only with `-icount` the difference of two loops is exactly the difference of their lengths.
        let is_exact = long.checked_sub(short) == Some(100 * LOOP_INSTRUCTIONS);
        Self {
            overhead: is_exact.then(|| bracket(&mut || {}, [no_mark; 2])),
        }
    }

    /// Runs `work` between [`denselet_begin`] and [`denselet_end`]. Returns the instructions that it executed, without
    /// its return, or `None` if they cannot be counted.
    pub fn count(&self, work: &mut dyn FnMut()) -> Option<u64> {
        let total = bracket(work, [denselet_begin, denselet_end]);
        self.overhead.map(|overhead| total.saturating_sub(overhead))
    }

    /// Counts a loop in assembly of at least one round, with [`LOOP_INSTRUCTIONS`] per round. The instructions before the
    /// loop are the same for any number of rounds.
    #[inline(never)]
    pub fn count_loop(&self, rounds: u32) -> Option<u64> {
        self.count(&mut || spin(rounds))
    }
}

/// Returns the instructions between starting and stopping the counter: `work` and the two marks.
#[inline(never)]
fn bracket(work: &mut dyn FnMut(), marks: Marks) -> u64 {
    // Hidden from the optimiser, which would otherwise specialise the bracket for each caller.
    let [before, after] = core::hint::black_box(marks);
    let work = core::hint::black_box(work);
    let start = start_ticks();
    before();
    work();
    after();
    executed(stop_ticks(start))
}

/// Converts ticks to instructions, without those of the handler that extends the counter.
fn executed(counted: Ticks) -> u64 {
    instructions(counted.ticks).saturating_sub(counted.wraps * WRAP_INSTRUCTIONS)
}

/// Counts the instructions between one call of [`Laps::lap`] and the next.
pub struct Laps {
    started: Started,
    /// Instructions from the start to the last lap.
    last: u64,
    /// Instructions of an empty lap.
    overhead: u64,
}

impl Laps {
    /// Starts counting and measures an empty lap.
    pub fn start() -> Self {
        let mut laps = Self {
            started: start_ticks(),
            last: 0,
            overhead: 0,
        };
        laps.lap();
        laps.overhead = laps.lap();
        laps
    }

    /// Returns the instructions since the previous call.
    #[inline(never)]
    pub fn lap(&mut self) -> u64 {
        denselet_lap();
        let now = executed(read_ticks(&self.started));
        let lap = (now - self.last).saturating_sub(self.overhead);
        self.last = now;
        lap
    }
}

impl core::fmt::Debug for Laps {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Laps")
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

/// Returns the number of instructions whose time is nearest to this number of ticks.
const fn instructions(ticks: u64) -> u64 {
    // In picoseconds all numbers are whole. Both sides are divided by 1000, which keeps five emulated minutes below 2^64.
    let per_instruction = (CLOCK_KHZ as u64) << ICOUNT_SHIFT;
    (ticks * 1_000_000 + per_instruction / 2) / per_instruction
}

// A tick must be shorter than half an instruction; otherwise a number of ticks could mean two numbers of instructions.
const _: () = assert!((CLOCK_KHZ as u64) << ICOUNT_SHIFT > 2 * 1_000_000);
