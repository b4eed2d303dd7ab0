//! A static that can be borrowed mutably once. The arena and the image are such statics, so that the linker counts them.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// A value that can be taken once.
pub struct Singleton<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `value` is only accessible through `take`, which returns it once. The load and the store in `take` cannot be
// interrupted by another `take`: there is one processor, and the only interrupt handler of this firmware takes nothing.
unsafe impl<T: Send> Sync for Singleton<T> {}

impl<T> Singleton<T> {
    /// Contains `value`; zeros take no flash.
    pub const fn new(value: T) -> Self {
        Self {
            taken: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Returns the value at the first call, then `None`.
    #[expect(clippy::mut_from_ref, reason = "the second call returns `None`")]
    pub fn take(&'static self) -> Option<&'static mut T> {
        // A load and a store, because the Cortex-M0 has no atomic swap.
        if self.taken.load(Ordering::Relaxed) {
            return None;
        }
        self.taken.store(true, Ordering::Relaxed);
        // SAFETY: this line runs once, so no other reference to the value exists, and `self` is `'static`.
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
