//! Firmware that runs a denselet network on a board.
#![no_std]
