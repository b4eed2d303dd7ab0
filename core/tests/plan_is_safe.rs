//! The plan as a property: a transition never writes what it has still to read, and a stage's places are apart.
#![allow(clippy::unwrap_used)]

#[allow(unreachable_pub, reason = "shared by several tests")]
mod support;

use core::ops::Range;
use denselet::layout::{TILE, pixel_offset};
use denselet::plan::{Buffer, Plan, Step};
use denselet::shape::Shape;
use proptest::prelude::*;
use support::recipes::recipes;

fn apart(ranges: &[Range<usize>]) -> bool {
    ranges.windows(2).all(|pair| pair[0].end <= pair[1].start)
}

/// Plays a transition tile by tile and looks at every byte.
fn writes_only_what_was_read(from: &Buffer, to: &Buffer) -> bool {
    let pool_rows = Shape {
        height: from.height,
        width: from.width,
        channels: 1,
    }
    .pool_rows();
    let mut unread = vec![true; from.end().max(to.end())];
    unread[..from.offset].fill(false);
    unread[from.end()..].fill(false);
    // Rows and columns that pooling drops are never read.
    for y in 0..from.height {
        for x in 0..from.width {
            if y / pool_rows >= to.height || x / 2 >= to.width {
                let start = from.offset + pixel_offset(from.height, from.width, from.stride, y, x);
                unread[start..start + from.stride].fill(false);
            }
        }
    }
    for y in 0..to.height {
        for x in (0..to.width).step_by(TILE) {
            let end = to.width.min(x + TILE);
            for row in 0..pool_rows {
                let start = from.row(pool_rows * y + row).start;
                unread[start + 2 * x * from.stride..start + 2 * end * from.stride].fill(false);
            }
            let start = to.row(y).start;
            let written = &unread[start + x * to.stride..start + end * to.stride];
            if written.iter().any(|&unread| unread) {
                return false;
            }
        }
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, max_global_rejects: 100_000, ..Default::default() })]

    #[test]
    fn nothing_live_is_overwritten(recipe in recipes()) {
        let stages = recipe.stages.iter().copied();
        let plan = Plan::new(recipe.input, &recipe.stem, stages.clone()).unwrap();
        let mut end = 0;
        let mut current: Option<Buffer> = None;
        for step in plan.steps(recipe.input, &recipe.stem, stages).unwrap() {
            end = end.max(step.end());
            match step {
                Step::Stem { to, line, pool, ring } => {
                    prop_assert!(apart(&[to.offset..to.end(), line, pool, ring]));
                    current = Some(to);
                }
                Step::Layer { buffer, channels, line, ring } => {
                    prop_assert_eq!(Some(buffer), current);
                    prop_assert!(channels < buffer.channels);
                    prop_assert!(apart(&[buffer.offset..buffer.end(), line, ring]));
                }
                Step::Transition { from, to, line } => {
                    prop_assert_eq!(Some(from), current);
                    prop_assert!(apart(&[0..from.end().max(to.end()), line]));
                    prop_assert!(writes_only_what_was_read(&from, &to));
                    if to.offset > 0 && from.offset > to.offset {
                        let closer = Buffer { offset: to.offset + 4, ..to };
                        let least = writes_only_what_was_read(&from, &closer);
                        prop_assert!(!least || to.offset + 4 > from.offset || from.offset - to.offset < 4);
                    }
                    current = Some(to);
                }
                Step::Head { from, sums, logits } => {
                    prop_assert_eq!(Some(from), current);
                    prop_assert!(apart(&[from.offset..from.end(), sums, logits]));
                }
            }
        }
        prop_assert_eq!(end, plan.arena_len);
    }
}
