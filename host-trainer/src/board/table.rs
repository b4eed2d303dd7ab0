//! The table of boards, `firmware/boards.toml`. The firmware's build script and its set-up script read it too.

use super::error::Error;
use denselet::layout::Order;
use serde::{Deserialize, Serialize};

/// The table of boards.
#[derive(Clone, Debug, Deserialize)]
pub struct Table {
    /// Emulated nanoseconds per instruction, as a power of two.
    pub icount_shift: u32,
    /// Bytes of RAM reserved for the stack, besides a model's arena and an image.
    pub stack_reserve: usize,
    /// The boards.
    #[serde(rename = "board")]
    pub boards: Vec<Board>,
}

/// One board.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Board {
    /// Name, as the emulator has it.
    pub name: String,
    /// Processor.
    pub core: String,
    /// Description in one line.
    pub about: String,
    /// Rust target.
    pub triple: String,
    /// Kernels of the runtime that run on it.
    pub kernels: String,
    /// Further flags of rustc.
    #[serde(skip_serializing)]
    pub flags: String,
    /// Rate of its counter, in ticks per millisecond.
    pub clock_khz: u32,
    /// Start of the flash.
    pub flash_origin: u64,
    /// Size of the flash, in bytes.
    pub flash_bytes: usize,
    /// Start of the RAM.
    pub ram_origin: u64,
    /// Size of the RAM, in bytes.
    pub ram_bytes: usize,
    /// Instructions of an inference with weights in plain order, as a multiple of those in the board's own order.
    pub times_plain: f64,
    /// The same for weights in pairs.
    pub times_pairs: f64,
    /// The same for weights in quads.
    pub times_quads: f64,
    /// Program of the emulator.
    pub emulator: String,
    /// Debian package of the emulator.
    #[serde(skip_serializing)]
    pub package: String,
    /// Arguments of the emulator for this board.
    pub machine: String,
}

impl Board {
    /// Returns the order of weights that its kernels are made for.
    pub fn order(&self) -> Order {
        match self.kernels.as_str() {
            "arm-mve" => Order::Quads,
            _ => Order::Pairs,
        }
    }

    /// Returns the instructions of an inference with weights in `order`, as a multiple of those in [`Board::order`].
    pub fn times(&self, order: Order) -> f64 {
        match order {
            Order::Plain => self.times_plain,
            Order::Pairs => self.times_pairs,
            Order::Quads => self.times_quads,
        }
    }
}

/// Returns the name of an order of weights.
pub fn order_name(order: Order) -> &'static str {
    match order {
        Order::Plain => "plain",
        Order::Pairs => "pairs",
        Order::Quads => "quads",
    }
}

impl Table {
    /// Returns the boards that this version of denselet supports.
    ///
    /// # Errors
    ///
    /// [`Error::Table`] if the compiled-in file is broken.
    pub fn load() -> Result<Self, Error> {
        Ok(toml::from_str(include_str!("../../../firmware/boards.toml"))?)
    }

    /// Returns a board by its name.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownBoard`], which lists the boards.
    pub fn find(&self, name: &str) -> Result<&Board, Error> {
        self.boards
            .iter()
            .find(|board| board.name == name)
            .ok_or_else(|| Error::UnknownBoard {
                name: name.to_owned(),
                known: self.boards.iter().map(|board| board.name.clone()).collect(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clock_ticks_more_than_twice_in_an_instruction() {
        let table = Table::load().expect("a table");
        for board in &table.boards {
            let picoseconds_per_tick = 1_000_000_000 / u64::from(board.clock_khz);
            assert!(
                1000 << table.icount_shift > 2 * picoseconds_per_tick,
                "{}",
                board.name
            );
        }
    }

    #[test]
    fn a_board_is_fastest_in_its_own_order() {
        for board in &Table::load().expect("a table").boards {
            assert_eq!(board.times(board.order()), 1.0, "{}", board.name);
            for order in [Order::Plain, Order::Pairs, Order::Quads] {
                assert!(board.times(order) >= 1.0, "{} {order:?}", board.name);
            }
        }
    }

    #[test]
    fn an_unknown_board_lists_the_known_ones() {
        let table = Table::load().expect("a table");
        let error = table.find("nosuch").expect_err("no such board").to_string();
        assert!(
            error.contains("`nosuch`") && error.contains("microbit"),
            "{error}"
        );
    }
}
