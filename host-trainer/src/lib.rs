//! Trains, quantises, exports and evaluates DenseNets for microcontrollers.
#![deny(missing_docs)]

pub mod cli;
pub mod data;
pub mod net;
pub mod spec;
