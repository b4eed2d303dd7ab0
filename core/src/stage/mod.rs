//! The stages, each on its own: what it reads and writes, its prepared convolutions, its places in the arena, and the next row
//! that it can compute. Each has one verb, `next_row`; the network decides the order in which stages compute their rows.
//!
//! A stage borrows no memory between rows. `Memory::cut` takes its places out of the arena, for one row or for a whole map.

#[cfg(feature = "coded")]
pub(crate) mod decoded;
pub(crate) mod head;
pub(crate) mod layer;
pub(crate) mod stem;
pub(crate) mod transition;
pub(crate) mod weights;
