//! Runs quantised DenseNets on microcontrollers.
#![no_std]
#![deny(missing_docs)]
