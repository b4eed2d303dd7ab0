//! Any network, as a strategy.

use super::Recipe;
use denselet::layout::Order;
use denselet::shape::{Shape, StageShape, StemPool, StemShape};
use proptest::prelude::*;

/// Networks whose maps stay at least two columns wide at every transition.
pub fn recipes() -> impl Strategy<Value = Recipe> {
    let input = (1usize..14, 1usize..18, 1usize..5).prop_map(|(height, width, channels)| Shape {
        height,
        width,
        channels,
    });
    let order = prop_oneof![Just(Order::Plain), Just(Order::Pairs), Just(Order::Quads)];
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

fn stems() -> impl Strategy<Value = StemShape> {
    (
        1usize..5,
        1usize..5,
        1usize..3,
        1usize..3,
        any::<[u8; 4]>(),
        prop_oneof![
            Just(StemPool::None),
            Just(StemPool::Centred),
            Just(StemPool::Same)
        ],
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
