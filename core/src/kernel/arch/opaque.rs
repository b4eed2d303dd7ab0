//! A value that the compiler does not see through.

/// Returns the same value, opaque to the compiler: some compilers turn masks into branches, and then the number of
/// instructions depends on the values.
#[inline(always)]
pub(super) fn opaque(value: i32) -> i32 {
    #[cfg(any(target_arch = "arm", target_arch = "riscv32"))]
    let value = {
        let mut value = value;
        // SAFETY: the block is empty.
        unsafe {
            core::arch::asm!("/* {0} */", inout(reg) value, options(pure, nomem, nostack, preserves_flags))
        };
        value
    };
    value
}
