//! Classifies whole images: the model in flash, the arena in a `static`, no heap.
//!
//! `cargo build -p denselet --example classify --target thumbv7em-none-eabihf`
#![no_std]

use denselet::{Arena, Error, Logits, Network, arena_len, include_blob};
use static_cell::ConstStaticCell;

static DIGITS: &[u8] = include_blob!("../tests/golden/digits.dlt");
static ARENA: ConstStaticCell<Arena<{ arena_len(DIGITS) }>> = ConstStaticCell::new(Arena::new());

/// Takes the arena and returns a network that runs in it. Call it once.
pub fn start() -> Result<Network<'static, 'static>, Error> {
    Network::new(DIGITS, ARENA.take())
}

/// Returns the name of the digit in an image of 8x8 bytes and its probability, if that is at least one half.
pub fn classify(
    network: &mut Network<'_, '_>,
    image: &[u8; 64],
) -> Result<Option<(&'static str, f32)>, Error> {
    let logits: Logits<'_> = network.run(image)?;
    let mut probabilities = [0.0; 10];
    logits.probabilities(&mut probabilities);
    let class = logits.argmax();
    let Some(&probability) = probabilities
        .get(class)
        .filter(|&&probability| probability >= 0.5)
    else {
        return Ok(None);
    };
    let name = denselet::Model::read(DIGITS)?.labels()?.nth(class);
    Ok(name.map(|name| (name, probability)))
}
