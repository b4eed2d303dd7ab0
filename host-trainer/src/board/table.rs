//! The table of boards, `firmware/boards.toml`, as the firmware's build script and the set-up script read it too.

use super::error::Error;
use denselet::layout::Order;
use serde::{Deserialize, Serialize};

/// The table.
#[derive(Clone, Debug, Deserialize)]
pub struct Table {
    /// Nanoseconds of the emulator's time that an instruction takes, as a power of two.
    pub icount_shift: u32,
    /// Bytes of RAM that must be left for the stack beside a model's arena and an image.
    pub stack_reserve: usize,
    /// The boards.
    #[serde(rename = "board")]
    pub boards: Vec<Board>,
}

/// One board.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Board {
    /// What the emulator calls it.
    pub name: String,
    /// The processor.
    pub core: String,
    /// One line about it.
    pub about: String,
    /// The Rust target.
    pub triple: String,
    /// Which of the runtime's kernels run there.
    pub kernels: String,
    /// What else rustc needs.
    #[serde(skip_serializing)]
    pub flags: String,
    /// Ticks of its counter per millisecond.
    pub clock_khz: u32,
    /// Where code memory starts.
    pub flash_origin: u64,
    /// Bytes of code memory.
    pub flash_bytes: usize,
    /// Where RAM starts.
    pub ram_origin: u64,
    /// Bytes of RAM.
    pub ram_bytes: usize,
    /// Instructions of an inference with weights in plain order, as a multiple of those in the board's own order.
    pub times_plain: f64,
    /// The same for pairs.
    pub times_pairs: f64,
    /// The same for quads.
    pub times_quads: f64,
    /// The emulator's program.
    pub emulator: String,
    /// Debian's package of the emulator.
    #[serde(skip_serializing)]
    pub package: String,
    /// The emulator's arguments that make it this board.
    pub machine: String,
}

impl Board {
    /// The order of weights that its kernels were made for.
    pub fn order(&self) -> Order {
        match self.kernels.as_str() {
            "arm-mve" => Order::Quads,
            _ => Order::Pairs,
        }
    }

    /// Instructions of an inference with weights in `order`, as a multiple of those in [`Board::order`].
    pub fn times(&self, order: Order) -> f64 {
        match order {
            Order::Plain => self.times_plain,
            Order::Pairs => self.times_pairs,
            Order::Quads => self.times_quads,
        }
    }
}

/// An order of weights as people write it.
pub fn order_name(order: Order) -> &'static str {
    match order {
        Order::Plain => "plain",
        Order::Pairs => "pairs",
        Order::Quads => "quads",
    }
}

impl Table {
    /// The boards that this version of denselet knows.
    ///
    /// # Errors
    ///
    /// [`Error::Table`] where the file was broken when this was compiled.
    pub fn load() -> Result<Self, Error> {
        Ok(toml::from_str(include_str!("../../../firmware/boards.toml"))?)
    }

    /// A board by its name.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownBoard`], which lists those there are.
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
