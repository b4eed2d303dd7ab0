//! Trains, quantises, exports and evaluates DenseNets for microcontrollers.
#![deny(missing_docs)]

pub mod board;
pub mod cli;
pub mod spec;
