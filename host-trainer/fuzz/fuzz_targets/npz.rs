//! Any bytes are NumPy arrays with a data set or an error.

#![no_main]

use denselet_train_fuzz::files;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| files::dataset(&files::file("data.npz", bytes)));
