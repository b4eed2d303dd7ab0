//! Measures stack: fills the RAM below the stack pointer with a pattern, runs the code, and finds the first changed word.

use super::processor::{paint_below, stack_end};

/// A word that a stack frame is unlikely to contain.
const PAINT: usize = 0xa5a5_a5a5;

/// Runs `work` and returns the largest number of bytes of stack that it and its callees used; `None` if the stack reached
/// the statics.
#[inline(never)]
pub fn stack_used(work: &mut dyn FnMut()) -> Option<usize> {
    let bottom = stack_end();
    // SAFETY: the RAM between the end of the statics and the stack pointer is unused. An interrupt handler may push to it,
    // but needs nothing there after it returns.
    let top = unsafe { paint_below(bottom, PAINT) };
    work();
    let mut word = bottom;
    while word < top {
        // SAFETY: `word` is aligned and lies between the end of the statics and the stack, which is RAM.
        if unsafe { word.read_volatile() } != PAINT {
            break;
        }
        // SAFETY: `word` is below `top`, so the next word is still at or below it, in the same RAM.
        word = unsafe { word.add(1) };
    }
    (word != bottom).then_some(top.addr() - word.addr())
}
