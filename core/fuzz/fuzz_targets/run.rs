//! A damaged blob whose checksum is right gives an error or an answer, and every inner loop of this machine gives the same
//! one, whatever was in the arena.

#![no_main]

use denselet::kernel::{Tile, arch};
use denselet_fuzz::{blob, image, with_network};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((blob, len)) = blob(bytes) else {
        return;
    };
    let mut all = All {
        image: image(&blob, len),
        blob,
        fill: 0,
        logits: None,
    };
    arch::each(&mut all);
});

/// Runs an image on one inner loop after the other, each in an arena with other bytes.
struct All {
    blob: Vec<u8>,
    image: Vec<u8>,
    fill: u8,
    logits: Option<Vec<i32>>,
}

impl arch::Visitor for All {
    fn visit<T: Tile>(&mut self, tile: T) {
        let found = with_network(&self.blob, self.fill, |network| {
            let logits = network
                .run_on(tile, &self.image)
                .expect("an image of the input's size");
            logits.as_slice().to_vec()
        });
        self.fill = self.fill.wrapping_add(0x5b);
        let expected = self.logits.get_or_insert_with(|| found.clone());
        assert_eq!(&found, expected, "{}", std::any::type_name::<T>());
    }
}
