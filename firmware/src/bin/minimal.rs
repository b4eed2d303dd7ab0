//! The smallest program that runs a network: it classifies an image in RAM and stores the class in RAM. `denselet bench`
//! measures the code size of the runtime with it.
//!
//! It does not link the library of this crate, whose panic and fault handlers print.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![cfg_attr(
    target_os = "none",
    allow(
        dead_code,
        unreachable_pub,
        reason = "the other programs use the rest of these files through the library"
    )
)]

#[cfg(target_os = "none")]
#[path = "../board/bare.rs"]
#[allow(unsafe_code)]
mod board;
#[cfg(target_os = "none")]
#[path = "../model.rs"]
mod model;

#[cfg(target_os = "none")]
fn run() {
    use board::Singleton;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use denselet::{Arena, Network};
    use model::{ARENA_LEN, BLOB, IMAGE_LEN};

    static ARENA: Singleton<Arena<ARENA_LEN>> = Singleton::new(Arena::new());
    static IMAGE: Singleton<[u8; IMAGE_LEN]> = Singleton::new([0; IMAGE_LEN]);
    /// The class, for a debugger or an interrupt handler.
    static CLASS: AtomicUsize = AtomicUsize::new(usize::MAX);

    let (Some(arena), Some(image)) = (ARENA.take(), IMAGE.take()) else {
        return;
    };
    let Ok(mut network) = Network::new(BLOB, arena) else {
        return;
    };
    // A camera would write here.
    let image = core::hint::black_box(image);
    if let Ok(logits) = network.run(image) {
        CLASS.store(logits.argmax(), Ordering::Relaxed);
    }
}

#[cfg(not(target_os = "none"))]
fn main() -> Result<(), &'static str> {
    Err("this is firmware: `denselet bench` builds it for a board")
}
