//! Whole networks of any shape: `core` gives the bits that the arithmetic's text gives, uses exactly the arena it plans,
//! and does not care how rows arrive.
#![allow(clippy::unwrap_used)]

#[allow(unreachable_pub, reason = "shared by several tests")]
mod support;

use denselet::kernel::{Tile, arch};
use denselet::network::Network;
use proptest::prelude::*;
use support::{Aligned, Random, blob, recipes::recipes, run, slow};

/// Runs one image on each inner loop.
struct Every {
    blob: Aligned,
    image: Vec<u8>,
    expected: Vec<i32>,
    count: usize,
}

impl arch::Visitor for Every {
    fn visit<T: Tile>(&mut self, tile: T) {
        let mut memory = Aligned::zeros(denselet::arena_len(self.blob.bytes()));
        memory.bytes_mut().fill(0xa5);
        let mut network = Network::in_bytes(self.blob.bytes(), memory.bytes_mut()).unwrap();
        let logits = network.run_on(tile, &self.image).unwrap();
        assert_eq!(logits.as_slice(), self.expected, "{}", T::NAME);
        self.count += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 400 }, max_global_rejects: 100_000, ..Default::default() })]

    #[test]
    fn core_gives_the_bits_of_the_text(recipe in recipes()) {
        let blob = blob(&recipe);
        let mut random = Random::new(recipe.seed ^ 1);
        let image = random.bytes(recipe.input.pixels() * recipe.input.channels);
        let (logits, mark) = run(blob.bytes(), &image, 0xa5);
        prop_assert_eq!(&logits, &slow::run(blob.bytes(), &image));
        // The other paint shows a last byte that happens to equal the first one.
        let (again, other_mark) = run(blob.bytes(), &image, 0x5a);
        prop_assert_eq!(&logits, &again);
        prop_assert_eq!(mark.max(other_mark), denselet::arena_len(blob.bytes()));
    }

    #[test]
    fn every_inner_loop_of_this_machine_gives_the_same_bits(recipe in recipes()) {
        let blob = blob(&recipe);
        let image = Random::new(recipe.seed ^ 2).bytes(recipe.input.pixels() * recipe.input.channels);
        let mut every = Every {
            expected: slow::run(blob.bytes(), &image),
            blob,
            image,
            count: 0,
        };
        arch::each(&mut every);
        // The reference and the portable loop exist everywhere.
        prop_assert!(every.count >= 2);
    }

    #[test]
    fn rows_one_by_one_make_the_same_logits(recipe in recipes()) {
        let blob = blob(&recipe);
        let image = Random::new(7).bytes(recipe.input.pixels() * recipe.input.channels);
        let (expected, _) = run(blob.bytes(), &image, 0);
        let mut memory = Aligned::zeros(denselet::arena_len(blob.bytes()));
        let mut network = Network::in_bytes(blob.bytes(), memory.bytes_mut()).unwrap();
        let row_len = recipe.input.width * recipe.input.channels;
        for round in 0..2 {
            let mut found = None;
            for (y, row) in image.chunks_exact(row_len).enumerate() {
                found = network.push_row(row).unwrap().map(|logits| logits.as_slice().to_vec());
                prop_assert_eq!(found.is_some(), y + 1 == recipe.input.height, "round {}", round);
            }
            prop_assert_eq!(found.as_ref(), Some(&expected));
        }
    }

    #[cfg(feature = "coded")]
    #[test]
    fn coded_weights_give_the_bits_of_raw_ones(recipe in recipes()) {
        let (coded, raw) = support::coded(&recipe);
        let image = Random::new(recipe.seed ^ 3).bytes(recipe.input.pixels() * recipe.input.channels);
        let expected = slow::run(raw.bytes(), &image);
        let (logits, mark) = run(coded.bytes(), &image, 0xa5);
        prop_assert_eq!(&logits, &expected);
        let (_, other_mark) = run(coded.bytes(), &image, 0x5a);
        prop_assert_eq!(mark.max(other_mark), denselet::arena_len(coded.bytes()));

        let mut memory = Aligned::zeros(denselet::arena_len(coded.bytes()));
        let mut network = Network::in_bytes(coded.bytes(), memory.bytes_mut()).unwrap();
        let rows = image.chunks_exact(recipe.input.width * recipe.input.channels);
        let found = rows.map(|row| network.push_row(row).unwrap().map(|logits| logits.as_slice().to_vec()));
        prop_assert_eq!(found.last(), Some(Some(expected.clone())));

        let mut every = Every { blob: coded, image, expected, count: 0 };
        arch::each(&mut every);
        prop_assert!(every.count >= 2);
    }
}
