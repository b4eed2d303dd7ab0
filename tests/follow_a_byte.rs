//! Follows one pixel from the image to the logits. After every stage, all changes are inside its receptive field.

#![allow(clippy::unwrap_used)]

use denselet::network::Network;
use denselet::tap::Tap;
use denselet_tests::tiny;

/// Copies the map after every stage.
#[derive(Default)]
struct Copies(Vec<(Vec<u8>, usize)>);

impl Tap for Copies {
    fn done(&mut self, _: usize, map: &[u8], stride: usize) {
        self.0.push((map.to_vec(), stride));
    }
}

fn run(blob: &[u8], image: &[u8]) -> (Vec<(Vec<u8>, usize)>, Vec<i32>) {
    let mut memory = vec![0; denselet::arena_len(blob) + 16];
    let mut network = Network::in_bytes(blob, &mut memory).unwrap();
    let mut copies = Copies::default();
    let logits = network
        .run_tapped(image, &mut copies)
        .unwrap()
        .as_slice()
        .to_vec();
    (copies.0, logits)
}

#[test]
fn a_pixel_changes_its_receptive_field_and_nothing_else() {
    let blob = tiny::blob(&tiny::network());
    let image = tiny::images(1);
    let (y, x) = (2, 5);
    let mut other = image.clone();
    other[y * 8 + x] ^= 0xff;
    let (before, logits_before) = run(blob.bytes(), &image);
    let (after, logits_after) = run(blob.bytes(), &other);

    // For every stage: the side of the map, and the largest distance of a change. A 3x3 convolution adds one pixel; a
    // transition halves the map.
    let stops = [(8, 1), (8, 2), (8, 3), (4, 2), (4, 3), (4, 4)];
    for (stop, (side, reach)) in stops.into_iter().enumerate() {
        let centre = |at: usize| at * side / 8;
        let (map, stride) = &before[stop];
        let mut changed = 0;
        for (at, (u, v)) in map.iter().zip(&after[stop].0).enumerate() {
            let (row, column) = (at / stride / side, at / stride % side);
            if u != v {
                changed += 1;
                let distance = row.abs_diff(centre(y)).max(column.abs_diff(centre(x)));
                assert!(distance <= reach, "stage {stop}: ({row}, {column}) changed");
            }
        }
        assert!(changed > 0, "stage {stop}: no value changed");
    }
    assert_eq!(before.len(), stops.len() + 1, "the head is the last stage");
    assert_ne!(logits_before, logits_after);
}
