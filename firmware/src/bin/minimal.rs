//! The smallest program that runs a network, and nothing else: it classifies the image that is in RAM, and leaves the class
//! there. What it takes of flash is what the runtime takes: `denselet bench` reads it.
//!
//! It is not linked against this crate's library, whose handlers print.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![cfg_attr(
    target_os = "none",
    allow(
        dead_code,
        unreachable_pub,
        reason = "other programs need the rest of these files, from a library"
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
    /// What a debugger, or an interrupt handler, would look at.
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
