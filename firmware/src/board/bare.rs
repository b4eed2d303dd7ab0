//! The board for the smallest program: without a debugger, a counter and panic messages. `minimal` uses this file instead
//! of `board`.

mod singleton;

pub(crate) use singleton::Singleton;

// Linked for its reset handler and its vector table.
#[cfg(target_arch = "arm")]
use cortex_m_rt as _;
#[cfg(target_arch = "riscv32")]
use riscv_rt as _;

include!(concat!(env!("OUT_DIR"), "/board.rs"));

/// The interrupt vectors: one is enough instead of 240, because no interrupt is enabled.
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

/// The runtime crate calls it after it has initialised memory.
// SAFETY: both runtime crates declare `main` as exactly this, and one program defines it once.
#[unsafe(export_name = "main")]
extern "C" fn bare_main() -> ! {
    crate::run();
    stop()
}

/// Never returns.
fn stop() -> ! {
    loop {
        core::hint::spin_loop();
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    stop()
}
