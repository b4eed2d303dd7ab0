//! Any text is a recipe or an error.

#![no_main]

use denselet_train::train::Recipe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(recipe) = Recipe::default().with(text) {
        let _ = recipe.check(1000);
    }
});
