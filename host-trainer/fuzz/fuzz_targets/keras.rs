//! Any bytes are a Keras archive or an error, and what is imported agrees with what the file describes.

#![no_main]

use denselet_train::import::Format;
use libfuzzer_sys::fuzz_target;

#[path = "reader.rs"]
mod reader;

fuzz_target!(|bytes: &[u8]| reader::read(bytes, Format::Keras));
