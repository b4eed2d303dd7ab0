//! The plan as a property: a transition never writes what it has still to read, and the places of a step are apart.
#![allow(clippy::unwrap_used)]

#[allow(unreachable_pub, reason = "shared by several tests")]
mod support;

use core::ops::Range;
use denselet::codec::Codec;
use denselet::layout::{TILE, pixel_offset};
use denselet::plan::{HeadStep, LayerStep, Map, Output, Plan, Stage, StemStep, Step, TransitionStep, Window};
use denselet::shape::StageShape;
use proptest::prelude::*;
use support::{Random, Recipe, recipes::recipes};

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
        let mut random = Random::new(recipe.seed);
        let mut codec = || Codec::ALL[random.below(Codec::ALL.len() as u64) as usize];
        let coded: Vec<_> = recipe
            .stages
            .iter()
            .map(|&shape| Stage { shape, codecs: [codec(), codec()] })
            .collect();
        check(&recipe, recipe.stages.iter().copied())?;
        check(&recipe, coded.iter().copied())?;
    }
}

/// Checks the plan of a recipe whose stages are `stages`.
fn check<S>(recipe: &Recipe, stages: S) -> Result<(), TestCaseError>
where
    S: Iterator<Item: Into<Stage>> + Clone,
{
    let (order, input, stem) = (recipe.order, recipe.input, &recipe.stem);
    let plan = Plan::new(order, input, stem, stages.clone()).unwrap();
    let mut end = 0;
    let mut current: Option<Map> = None;
    for (index, step) in plan
        .steps(order, input, stem, stages.clone())
        .unwrap()
        .enumerate()
    {
        end = end.max(step.end());
        prop_assert_eq!(step.reads(), current.as_ref());
        // What lies above the maps in the order of places, and what is above that.
        let (maps, places, window) = match &step {
            Step::Stem(StemStep {
                to, line, pool, ring, ..
            }) => (to.range(), vec![line, pool, ring], None),
            Step::Layer(LayerStep {
                map,
                channels,
                line,
                ring,
                window,
            }) => {
                prop_assert!(*channels < map.shape.channels);
                (map.range(), vec![line, ring], Some(window))
            }
            Step::Transition(TransitionStep {
                from,
                to,
                line,
                window,
            }) => {
                prop_assert!(writes_only_what_was_read(from, to));
                if to.offset > 0 && from.offset > to.offset {
                    let closer = Map {
                        offset: to.offset + 4,
                        ..*to
                    };
                    let least = writes_only_what_was_read(from, &closer);
                    prop_assert!(!least || to.offset + 4 > from.offset || from.offset - to.offset < 4);
                }
                (0..from.end().max(to.end()), vec![line], Some(window))
            }
            Step::Head(HeadStep {
                from,
                sums,
                output: Output::Logits(logits),
                window,
            }) => (from.range(), vec![sums, logits], Some(window)),
        };
        let ranges: Vec<_> = [&maps].into_iter().chain(places.iter().copied()).collect();
        prop_assert!(apart(&ranges));
        let stage = index.checked_sub(1).and_then(|nth| stages.clone().nth(nth));
        match (window, stage.map(Into::into)) {
            (Some(window), Some(stage)) => {
                check_window(window, maps.end, places[places.len() - 1].end, stage)?;
            }
            (window, stage) => prop_assert!(window.is_none() && stage.is_none()),
        }
        current = step.writes().copied();
    }
    prop_assert_eq!(end, plan.arena_len);

    let lives: Vec<_> = plan.lives(order, input, stem, stages).unwrap().collect();
    for pair in lives.windows(2) {
        // Only a transition reads one map while it writes the next.
        prop_assert_eq!(pair[0].steps.end(), pair[1].steps.start());
        prop_assert!(pair[0].map.name < pair[1].map.name);
    }
    prop_assert_eq!(*lives.last().unwrap().steps.end(), recipe.stages.len());
    Ok(())
}

/// Checks that decoded weights lie above everything else of a step, whose scratch ends at `end`, and that the table is neither
/// among them nor in the maps.
#[cfg(feature = "coded")]
fn check_window(window: &Window, maps: usize, end: usize, stage: Stage) -> Result<(), TestCaseError> {
    let [first, second] = &window.weights;
    prop_assert!(apart(&[&(0..end), first, second]));
    prop_assert!(apart(&[&(0..maps), &window.table, first]));
    let words = stage.codecs.map(Codec::table_words);
    prop_assert_eq!(window.table.len(), 4 * words[0].max(words[1]));
    let StageShape::Layer { bottleneck, .. } = stage.shape else {
        prop_assert!(first.is_empty());
        prop_assert_eq!(stage.codecs[1] == Codec::Raw, second.is_empty());
        return Ok(());
    };
    prop_assert_eq!(
        stage.codecs[0] == Codec::Raw || bottleneck.is_none(),
        first.is_empty()
    );
    prop_assert_eq!(stage.codecs[1] == Codec::Raw, second.is_empty());
    Ok(())
}

#[cfg(not(feature = "coded"))]
fn check_window(_: &Window, _: usize, _: usize, _: Stage) -> Result<(), TestCaseError> {
    Ok(())
}
