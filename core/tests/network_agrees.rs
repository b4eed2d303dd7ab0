//! Whole networks of any shape: `core` gives the bits that the arithmetic's text gives, uses exactly the arena it plans,
//! and does not care how rows arrive.
#![allow(clippy::unwrap_used)]

#[allow(unreachable_pub, reason = "shared by several tests")]
mod support;

use denselet::layout::Order;
use denselet::network::Network;
use denselet::shape::{Shape, StageShape, StemShape};
use proptest::prelude::*;
use support::{Aligned, Random, Recipe, blob, run, slow};

fn stems() -> impl Strategy<Value = StemShape> {
    (
        1usize..5,
        1usize..5,
        1usize..3,
        1usize..3,
        any::<[u8; 4]>(),
        any::<bool>(),
        1usize..11,
    )
        .prop_map(
            |(kernel_height, kernel_width, stride_y, stride_x, pads, pool, filters)| StemShape {
                kernel_height,
                kernel_width,
                stride_y,
                stride_x,
                pad_top: usize::from(pads[0]) % kernel_height,
                pad_left: usize::from(pads[1]) % kernel_width,
                pad_bottom: usize::from(pads[2]) % kernel_height,
                pad_right: usize::from(pads[3]) % kernel_width,
                pool,
                filters,
            },
        )
}

fn stages() -> impl Strategy<Value = Vec<StageShape>> {
    let layer = (0usize..10, 1usize..8).prop_map(|(bottleneck, growth)| StageShape::Layer {
        bottleneck: (bottleneck > 0).then_some(bottleneck),
        growth,
    });
    let transition = (1usize..24).prop_map(|filters| StageShape::Transition { filters });
    let body = prop::collection::vec(prop_oneof![3 => layer, 1 => transition], 0..7);
    (body, 1usize..6).prop_map(|(mut stages, classes)| {
        stages.push(StageShape::Head { classes });
        stages
    })
}

/// Networks whose maps stay at least two columns wide at every transition.
fn recipes() -> impl Strategy<Value = Recipe> {
    let input = (1usize..14, 1usize..18, 1usize..5).prop_map(|(height, width, channels)| Shape {
        height,
        width,
        channels,
    });
    let order = prop_oneof![Just(Order::Plain), Just(Order::Pairs)];
    (order, input, stems(), stages(), any::<u64>()).prop_filter_map(
        "a map too small",
        |(order, input, stem, stages, seed)| {
            let mut shape = stem.output(input)?;
            for stage in &stages {
                if let StageShape::Transition { filters } = stage {
                    if shape.width < 2 {
                        return None;
                    }
                    shape = shape.pooled(*filters);
                }
            }
            Some(Recipe {
                order,
                input,
                stem,
                stages,
                seed,
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_global_rejects: 100_000, ..Default::default() })]

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
}
