//! Any bytes are a run's checkpoint, a fine-tuned network or an error.

#![no_main]

use denselet::layout::Order;
use denselet_train::{finetune, train};
use denselet_train_fuzz::files;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = files::file(train::checkpoint::FILE_NAME, bytes);
    let _ = train::checkpoint::load(&path);
    let path = files::file(finetune::checkpoint::FILE_NAME, bytes);
    if let Ok(found) = finetune::checkpoint::load(&path) {
        let _ = found.blob(Order::Pairs);
    }
});
