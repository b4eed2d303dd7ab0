//! The plan as a property: a transition never writes what it has still to read, and the places of a step are apart.
#![allow(clippy::unwrap_used)]

#[allow(unreachable_pub, reason = "shared by several tests")]
mod support;

use core::ops::Range;
use denselet::layout::{TILE, pixel_offset};
use denselet::plan::{HeadStep, LayerStep, Map, Output, Plan, StemStep, Step, TransitionStep};
use proptest::prelude::*;
use support::recipes::recipes;

fn apart(ranges: &[&Range<usize>]) -> bool {
    ranges.windows(2).all(|pair| pair[0].end <= pair[1].start)
}

/// Plays a transition tile by tile and checks every byte.
fn writes_only_what_was_read(from: &Map, to: &Map) -> bool {
    let pool_rows = from.shape.pool_rows();
    let start = |map: &Map, y, x| map.offset + pixel_offset(map.shape.width, map.stride, y, x);
    let mut unread = vec![true; from.end().max(to.end())];
    unread[..from.offset].fill(false);
    unread[from.end()..].fill(false);
    // Rows and columns that pooling drops are never read.
    for y in 0..from.shape.height {
        for x in 0..from.shape.width {
            if y / pool_rows >= to.shape.height || x / 2 >= to.shape.width {
                unread[start(from, y, x)..start(from, y, x + 1)].fill(false);
            }
        }
    }
    for y in 0..to.shape.height {
        for x in (0..to.shape.width).step_by(TILE) {
            let end = to.shape.width.min(x + TILE);
            for row in pool_rows * y..pool_rows * (y + 1) {
                unread[start(from, row, 2 * x)..start(from, row, 2 * end)].fill(false);
            }
            let written = &unread[start(to, y, x)..start(to, y, end)];
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
        let mut current: Option<Map> = None;
        for step in plan.steps(recipe.input, &recipe.stem, stages.clone()).unwrap() {
            end = end.max(step.end());
            prop_assert_eq!(step.reads(), current.as_ref());
            match &step {
                Step::Stem(StemStep { to, line, pool, ring, .. }) => {
                    prop_assert!(apart(&[&to.range(), line, pool, ring]));
                }
                Step::Layer(LayerStep { map, channels, line, ring }) => {
                    prop_assert!(*channels < map.shape.channels);
                    prop_assert!(apart(&[&map.range(), line, ring]));
                }
                Step::Transition(TransitionStep { from, to, line }) => {
                    prop_assert!(apart(&[&(0..from.end().max(to.end())), line]));
                    prop_assert!(writes_only_what_was_read(from, to));
                    if to.offset > 0 && from.offset > to.offset {
                        let closer = Map { offset: to.offset + 4, ..*to };
                        let least = writes_only_what_was_read(from, &closer);
                        prop_assert!(!least || to.offset + 4 > from.offset || from.offset - to.offset < 4);
                    }
                }
                Step::Head(HeadStep { from, sums, output: Output::Logits(logits) }) => {
                    prop_assert!(apart(&[&from.range(), sums, logits]));
                }
            }
            current = step.writes().copied();
        }
        prop_assert_eq!(end, plan.arena_len);

        let lives: Vec<_> = plan.lives(recipe.input, &recipe.stem, stages).unwrap().collect();
        for pair in lives.windows(2) {
            // Only a transition reads one map while it writes the next.
            prop_assert_eq!(pair[0].steps.end(), pair[1].steps.start());
            prop_assert!(pair[0].map.name < pair[1].map.name);
        }
        prop_assert_eq!(*lives.last().unwrap().steps.end(), recipe.stages.len());
    }
}
