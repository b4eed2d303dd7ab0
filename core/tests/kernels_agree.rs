//! Every inner loop that this machine has gives the reference's bits: on shapes that are no multiple of anything, any
//! stride, either order, and values at the ends of their ranges. `firmware/src/bin/kernels.rs` does the same on boards.
#![allow(clippy::unwrap_used)]

#[allow(unreachable_pub, reason = "shared with the firmware")]
mod suite;

use denselet::layout::Order;
use proptest::prelude::*;
use suite::{Case, Random, Values, Work};

/// More than any case of these takes.
const MEMORY: usize = 1 << 18;

/// Cases of each kind; an interpreter runs a few.
const CASES: u32 = if cfg!(miri) { 4 } else { 1000 };

fn cases(work: impl Strategy<Value = Work>) -> impl Strategy<Value = Case> {
    let values = prop_oneof![3 => Just(Values::Random), 1 => Just(Values::Extreme)];
    let order = prop_oneof![Just(Order::Plain), Just(Order::Pairs), Just(Order::Quads)];
    (work, values, order, any::<u32>()).prop_map(|(work, values, order, seed)| Case {
        work,
        values,
        order,
        seed,
    })
}

fn bottlenecks() -> impl Strategy<Value = Work> {
    (1usize..14, 1usize..80, 1usize..70, 0usize..6).prop_map(|(width, inputs, outputs, after)| {
        Work::Bottleneck {
            width,
            inputs,
            outputs,
            after,
        }
    })
}

fn clamps() -> impl Strategy<Value = Work> {
    (1usize..10, 1usize..80, 0usize..6).prop_map(|(width, channels, after)| Work::Clamped {
        width,
        channels,
        after,
    })
}

fn slots() -> impl Strategy<Value = Work> {
    let map = (1usize..14, 1usize..5, 0usize..5);
    (map, 1usize..60, 1usize..20, 0usize..30, any::<bool>()).prop_map(
        |((width, height, y), inputs, outputs, after, has_borders)| Work::Slot {
            width,
            height,
            y,
            inputs,
            outputs,
            after,
            has_borders,
        },
    )
}

fn sums() -> impl Strategy<Value = Work> {
    (1usize..9, 1usize..80).prop_map(|(pixels, channels)| Work::Summed { pixels, channels })
}

fn transitions() -> impl Strategy<Value = Work> {
    (1usize..5, 1usize..3, 1usize..80, 1usize..50).prop_map(|(pixels, rows, inputs, outputs)| Work::Pooled {
        pixels,
        rows,
        inputs,
        outputs,
    })
}

fn stems() -> impl Strategy<Value = Work> {
    let kernel = [1usize..8, 1usize..8];
    let input = (1usize..14, 1usize..5, 0usize..9);
    (kernel, 1usize..3, 1usize..40, input, 0usize..30).prop_map(
        |(kernel, stride_x, filters, (width, channels, top), after)| Work::Stem {
            kernel,
            stride_x,
            filters,
            width,
            channels,
            top,
            after,
        },
    )
}

fn agree(case: &Case) {
    let mut memory = vec![0u64; MEMORY / 8];
    assert_eq!(case.check(bytemuck::cast_slice_mut(&mut memory)), Ok(true));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, ..Default::default() })]

    #[test]
    fn on_bottlenecks(case in cases(bottlenecks())) {
        agree(&case);
    }

    #[test]
    fn on_clamps(case in cases(clamps())) {
        agree(&case);
    }

    #[test]
    fn on_slots(case in cases(slots())) {
        agree(&case);
    }

    #[test]
    fn on_sums(case in cases(sums())) {
        agree(&case);
    }

    #[test]
    fn on_transitions(case in cases(transitions())) {
        agree(&case);
    }

    #[test]
    fn on_stems(case in cases(stems())) {
        agree(&case);
    }
}

#[test]
fn on_what_boards_draw() {
    let mut random = Random::new(1);
    for _ in 0..CASES {
        agree(&Case::draw(&mut random));
    }
}
