//! A static that is handed out once, mutable: the arena and the image live in one, so that the linker counts them.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// A value that can be taken once.
pub struct Singleton<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `value` is only reached through `take`, which gives it out once. There is one processor, and the only
// interrupt handler of this firmware does not take anything, so the load and the store in `take` are not parted.
unsafe impl<T: Send> Sync for Singleton<T> {}

impl<T> Singleton<T> {
    /// Holds `value`; zeros cost no flash.
    pub const fn new(value: T) -> Self {
        Self {
            taken: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// The value, the first time; `None` ever after.
    #[expect(clippy::mut_from_ref, reason = "the second call gets nothing")]
    pub fn take(&'static self) -> Option<&'static mut T> {
        // A swap would need instructions that a Cortex-M0 does not have.
        if self.taken.load(Ordering::Relaxed) {
            return None;
        }
        self.taken.store(true, Ordering::Relaxed);
        // SAFETY: this line is reached once, so no other reference to the value exists, and it lives for ever.
        Some(unsafe { &mut *self.value.get() })
    }
}

impl<T> core::fmt::Debug for Singleton<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Singleton")
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}
