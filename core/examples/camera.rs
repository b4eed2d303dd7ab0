//! Classifies rows as a camera delivers them: no frame is kept in RAM.
//!
//! `cargo build -p denselet --example camera --target thumbv7em-none-eabihf`
#![no_std]

use denselet::{Error, Network};

/// A source of rows, such as a DMA buffer that a camera fills.
pub trait Rows {
    /// Waits for the next row, `[x][channel]`.
    fn next_row(&mut self) -> &[u8];
}

/// Reads one frame and returns its class.
pub fn frame(network: &mut Network<'_, '_>, camera: &mut impl Rows) -> Result<usize, Error> {
    // A frame that was left unfinished does not disturb this one.
    network.restart();
    loop {
        if let Some(logits) = network.push_row(camera.next_row())? {
            return Ok(logits.argmax());
        }
    }
}
