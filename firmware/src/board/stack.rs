//! How much stack something uses: paint what lies below the stack pointer, let it run, see what is still painted.

use super::processor::{paint_below, stack_end};

/// A word that no frame is likely to hold.
const PAINT: usize = 0xa5a5_a5a5;

/// Runs `work` and returns the most bytes of stack that it used, its own frame and everything it called included; `None`
/// where the stack reached the statics.
#[inline(never)]
pub fn stack_used(work: &mut dyn FnMut()) -> Option<usize> {
    let bottom = stack_end();
    // SAFETY: from the end of the statics up to the stack pointer nothing is alive, and no interrupt is enabled that
    // would keep anything there.
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
