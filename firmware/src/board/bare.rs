//! The board as the smallest program needs it, which says nothing to anybody: no debugger, no counter, no words for a
//! panic. Only `minimal` is built with this file, in the place of `board`.

mod singleton;

pub(crate) use singleton::Singleton;

// Linked for its reset handler and its vector table.
#[cfg(target_arch = "arm")]
use cortex_m_rt as _;
#[cfg(target_arch = "riscv32")]
use riscv_rt as _;

include!(concat!(env!("OUT_DIR"), "/board.rs"));

/// The interrupt vectors: none is enabled, so one is as good as 240.
#[cfg(target_arch = "arm")]
// SAFETY: the linker script of the runtime crate expects the table in this section under this name.
#[unsafe(link_section = ".vector_table.interrupts")]
// SAFETY: no other item has the name.
#[unsafe(no_mangle)]
static __INTERRUPTS: [extern "C" fn(); 1] = [unexpected];

#[cfg(target_arch = "arm")]
extern "C" fn unexpected() {
    stop()
}

/// Called by the runtime crate when memory is initialised.
// SAFETY: both runtime crates declare `main` as exactly this, and one program defines it once.
#[unsafe(export_name = "main")]
extern "C" fn bare_main() -> ! {
    crate::run();
    stop()
}

/// Stays here.
fn stop() -> ! {
    loop {
        core::hint::spin_loop();
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    stop()
}
