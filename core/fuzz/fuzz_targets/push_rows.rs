//! Rows, whole images and restarts in any order on one network: an error or the answer that a fresh network gives.

#![no_main]

use denselet::Error;
use denselet_fuzz::{blob, image, with_network};
use libfuzzer_sys::fuzz_target;

/// Calls of one sequence.
const CALLS: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    // The first byte says how many calls follow; the rest is the network.
    let Some((&count, rest)) = bytes.split_first() else {
        return;
    };
    let Some((calls, rest)) = rest.split_at_checked(usize::from(count) % CALLS) else {
        return;
    };
    let Some((blob, len)) = blob(rest) else {
        return;
    };
    let image = image(&blob, len);
    let expected = with_network(&blob, 0, |network| logits(network.run(&image)));
    with_network(&blob, 0xa5, |network| {
        let row_len = network.input_shape().width * network.input_shape().channels;
        let height = network.input_shape().height;
        let mut rows = 0;
        for call in calls {
            match call % 8 {
                // As many rows as the call says, the next ones of the image.
                0..=3 => {
                    for _ in 0..=usize::from(call / 8) {
                        let row = &image[rows * row_len..][..row_len];
                        let found = network.push_row(row).expect("a row of the input's width");
                        rows = (rows + 1) % height;
                        assert_eq!(found.is_some(), rows == 0);
                        if let Some(found) = found {
                            assert_eq!(found.as_slice(), expected);
                        }
                    }
                }
                4 | 5 => match network.run(&image) {
                    Err(Error::RowsPending { rows: found }) => assert_eq!(found, rows),
                    found => {
                        assert_eq!(rows, 0);
                        assert_eq!(logits(found), expected);
                    }
                },
                6 => {
                    network.restart();
                    rows = 0;
                }
                _ => {
                    let wrong = network.push_row(&image[..row_len - 1]);
                    assert!(matches!(wrong, Err(Error::InputLen { .. })));
                }
            }
        }
    });
});

fn logits(found: Result<denselet::Logits<'_>, Error>) -> Vec<i32> {
    found.expect("an image of the input's size").as_slice().to_vec()
}
