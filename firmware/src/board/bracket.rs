//! Counts the instructions of an inference, exactly, under the emulator's `-icount`.
//!
//! There every instruction takes 2^[`ICOUNT_SHIFT`] nanoseconds of the emulator's time, and a board's counter ticks more
//! than twice in that, so each number of ticks belongs to one number of instructions. What the bracket itself takes is
//! measured on an empty one. Without `-icount` the counter still ticks (on a real board these are cycles), but there is
//! no number of instructions in it, and the counter says so.

use super::processor::{
    Started, TICKS_PER_WRAP, Ticks, WRAP_INSTRUCTIONS, read_ticks, spin, start_ticks, stop_ticks,
};
use super::{CLOCK_KHZ, ICOUNT_SHIFT};
use core::arch::asm;

/// Instructions of one round of [`InstructionCounter::count_loop`].
pub const LOOP_INSTRUCTIONS: u64 = 3;

/// Instructions after which the counter's own bits are used up, and what extends them has to be right.
pub const INSTRUCTIONS_PER_WRAP: u64 = instructions(TICKS_PER_WRAP);

/// An inference starts when this returns. Kept out of line and under this name for profilers.
// SAFETY: no other item has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn denselet_begin() {
    // SAFETY: nothing but a comment, so that the call is neither dropped nor merged with its counterpart.
    unsafe { asm!("/* begin */", options(nostack, preserves_flags)) }
}

/// An inference ends when this is called. Kept out of line and under this name for profilers.
// SAFETY: no other item has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn denselet_end() {
    // SAFETY: as above.
    unsafe { asm!("/* the end */", options(nostack, preserves_flags)) }
}

/// A lap ends and the next begins. Kept out of line and under this name for profilers.
// SAFETY: no other item has the name.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn denselet_lap() {
    // SAFETY: as above.
    unsafe { asm!("/* lap */", options(nostack, preserves_flags)) }
}

/// As long as the two marks above, but no mark: a profiler is not to see the calibration.
#[inline(never)]
extern "C" fn no_mark() {
    // SAFETY: as above.
    unsafe { asm!("/* nothing */", options(nostack, preserves_flags)) }
}

/// Functions that are called before and after the work.
type Marks = [extern "C" fn(); 2];

/// Counts instructions; knows what counting itself costs.
#[derive(Debug)]
pub struct InstructionCounter {
    /// Instructions of a bracket around nothing; `None` if instructions cannot be counted.
    overhead: Option<u64>,
}

impl InstructionCounter {
    /// Measures an empty bracket, and proves on loops of known length that the emulator counts instructions.
    pub fn calibrate() -> Self {
        let [short, long] = [1, 101].map(|rounds| bracket(&mut || spin(rounds), [no_mark; 2]));
        // Nothing but `-icount` makes the difference of two loops precisely the difference of their lengths.
        let is_exact = long.checked_sub(short) == Some(100 * LOOP_INSTRUCTIONS);
        Self {
            overhead: is_exact.then(|| bracket(&mut || {}, [no_mark; 2])),
        }
    }

    /// Runs `work` between [`denselet_begin`] and [`denselet_end`]; returns the instructions that it executed, without
    /// its own return, or `None` if the board cannot count them.
    pub fn count(&self, work: &mut dyn FnMut()) -> Option<u64> {
        let total = bracket(work, [denselet_begin, denselet_end]);
        self.overhead.map(|overhead| total.saturating_sub(overhead))
    }

    /// Counts a loop of at least one round, of [`LOOP_INSTRUCTIONS`] each, in assembly. What leads to the loop is the
    /// same for any number of rounds.
    #[inline(never)]
    pub fn count_loop(&self, rounds: u32) -> Option<u64> {
        self.count(&mut || spin(rounds))
    }
}

/// The instructions between starting and stopping the counter, `work` between its two marks among them.
#[inline(never)]
fn bracket(work: &mut dyn FnMut(), marks: Marks) -> u64 {
    // Hidden from the optimiser, which would write one bracket for each caller and an empty one for no work.
    let [before, after] = core::hint::black_box(marks);
    let work = core::hint::black_box(work);
    let start = start_ticks();
    before();
    work();
    after();
    executed(stop_ticks(start))
}

/// The instructions in some ticks, without those of the handler that extends the counter.
fn executed(counted: Ticks) -> u64 {
    instructions(counted.ticks).saturating_sub(counted.wraps * WRAP_INSTRUCTIONS)
}

/// Counts the instructions between one call of [`Laps::lap`] and the next.
pub struct Laps {
    started: Started,
    /// Instructions from the start to the last lap.
    last: u64,
    /// What a lap around nothing takes.
    overhead: u64,
}

impl Laps {
    /// Starts counting, and measures what a lap itself costs.
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

    /// The instructions since the call before this one.
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

/// The number of instructions whose time is nearest to this number of ticks.
const fn instructions(ticks: u64) -> u64 {
    // Picoseconds would be whole numbers; a common factor of 1000 keeps five minutes of emulated time below 2^64.
    let per_instruction = (CLOCK_KHZ as u64) << ICOUNT_SHIFT;
    (ticks * 1_000_000 + per_instruction / 2) / per_instruction
}

// A tick has to be shorter than half an instruction, or a number of ticks would have two numbers of instructions.
const _: () = assert!((CLOCK_KHZ as u64) << ICOUNT_SHIFT > 2 * 1_000_000);
