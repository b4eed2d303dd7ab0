//! Trains, quantises, exports and evaluates DenseNets for microcontrollers.
#![deny(missing_docs)]

pub mod about;
pub mod bench;
pub mod blob;
pub mod board;
pub mod calibrate;
pub mod cli;
pub mod code;
pub mod data;
pub mod evaluate;
pub mod export;
pub mod export_error;
pub mod fidelity;
pub mod finetune;
pub mod fold;
pub mod grid;
pub mod input_file;
pub mod inspect;
pub mod interchange;
pub mod means;
mod metadata;
pub mod net;
pub mod pack;
pub mod plots;
pub mod quantise;
pub mod report;
pub mod spec;
pub mod stages;
pub mod suit;
pub mod train;
pub mod twin;
pub mod whole_file;
