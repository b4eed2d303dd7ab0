//! Any bytes are a Keras model in HDF5 or an error, and what is imported agrees with what the file describes.

#![no_main]

use denselet_train::interchange::import::Format;
use denselet_train_fuzz::import;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| import::read(bytes, Format::KerasH5));
