//! The arena map as SVG: which bytes hold what while each stage runs.
//!
//! From left to right the stages, from the bottom to the top the arena. A block buffer is as wide as its channels are
//! many: what is there already, the slot that this stage writes, what later layers will write.

use super::palette::{GREEN, GREY, GRID, INK, ORANGE, PALE, PALE_BLUE, PAPER, PURPLE, RED, finish};
use crate::export::Geometry;
use crate::inspect::{self, grouped};
use anyhow::Context;
use core::ops::Range;
use denselet::plan::{HeadStep, LayerStep, Map, Output, Stage, StemStep, Step, TransitionStep, Window};
use denselet::shape::StageShape;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const COLUMN: i32 = 58;
const GAP: i32 = 6;
const LEFT: i32 = 84;
const TOP: i32 = 44;
const HEIGHT: i32 = 340;
const NAMES: i32 = 112;
const MOST_WIDTH: i32 = 1200;

/// Bytes of channels that are there, of the slot that is written, of slots for later layers.
const THERE: RGBColor = PALE_BLUE;
const NEW: RGBColor = GREEN;
const LATER: RGBColor = PALE;
const LINE: RGBColor = ORANGE;
const RING: RGBColor = PURPLE;
const SUMS: RGBColor = GREY;
const WEIGHTS: RGBColor = RED;

type Area<'s> = DrawingArea<SVGBackend<'s>, Shift>;

/// Draws the map of a network whose stages `sizes` names.
pub(crate) fn map(geometry: &Geometry, sizes: &inspect::Sizes) -> anyhow::Result<String> {
    let plan = geometry
        .plan()
        .context("a network of this size has no plan here")?;
    let steps = geometry
        .steps(&plan)
        .context("a network of this size has no plan here")?;
    let steps: Vec<Step> = steps.collect();
    let column = COLUMN
        .min((MOST_WIDTH - LEFT) / steps.len().max(1) as i32)
        .max(10);
    let width = (LEFT + column * steps.len() as i32 + 16).max(620);
    let mut svg = String::new();
    {
        let size = (width as u32, (TOP + HEIGHT + NAMES) as u32);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&PAPER)?;
        legend(&area)?;
        let scale = Scale {
            arena: plan.arena_len,
        };
        for quarter in 0..=4 {
            let bytes = plan.arena_len * quarter / 4;
            let style = ("sans-serif", 13)
                .into_font()
                .color(&INK)
                .pos(Pos::new(HPos::Right, VPos::Center));
            let y = scale.y(bytes);
            area.draw(&Text::new(grouped(bytes as u64), (LEFT - 8, y), style))?;
            area.draw(&PathElement::new([(LEFT - 4, y), (width - 12, y)], GRID))?;
        }
        let mut written = geometry.stem.filters;
        for (index, step) in steps.iter().enumerate() {
            let x = LEFT + column * index as i32;
            let columns = x..x + column - GAP.min(column / 3);
            let growth = match index.checked_sub(1).and_then(|stage| geometry.stages.get(stage)) {
                Some(Stage {
                    shape: StageShape::Layer { growth, .. },
                    ..
                }) => *growth,
                _ => 0,
            };
            draw(&area, &scale, step, &columns, (&mut written, growth))?;
            name(
                &area,
                (x + column / 2, TOP + HEIGHT + 8),
                &sizes.layers[index].name,
            )?;
        }
        area.present()?;
    }
    let peak = sizes.layers.get(sizes.peak).map_or("", |row| row.name.as_str());
    let words = format!(
        "{} stages from left to right; bytes of the arena from the bottom to the top, {} in all; {peak} needs the most",
        steps.len(),
        grouped(plan.arena_len as u64)
    );
    Ok(finish(&svg, "bytes of the arena, stage by stage", &words))
}

/// Bytes of arena to heights on paper.
struct Scale {
    arena: usize,
}

impl Scale {
    fn y(&self, bytes: usize) -> i32 {
        TOP + HEIGHT - (bytes as f64 / self.arena.max(1) as f64 * f64::from(HEIGHT)).round() as i32
    }
}

/// One stage's column. `written` counts the channels of the current block buffer.
fn draw(
    area: &Area<'_>,
    scale: &Scale,
    step: &Step,
    columns: &Range<i32>,
    (written, growth): (&mut usize, usize),
) -> anyhow::Result<()> {
    let bar = |bytes: &Range<usize>, colour: RGBColor| fill(area, scale, bytes, columns, colour);
    let decoded = |window: &Window| window.weights.iter().try_for_each(|place| bar(place, WEIGHTS));
    match step {
        Step::Stem(StemStep {
            to, line, pool, ring, ..
        }) => {
            block(area, scale, to, columns, 0..*written)?;
            bar(line, LINE)?;
            bar(pool, RING)?;
            bar(ring, RING)
        }
        Step::Layer(LayerStep {
            map,
            channels,
            line,
            ring,
            window,
        }) => {
            block(area, scale, map, columns, *channels..channels + growth)?;
            *written = channels + growth;
            bar(line, LINE)?;
            bar(ring, RING)?;
            decoded(window)
        }
        Step::Transition(TransitionStep {
            from,
            to,
            line,
            window,
        }) => {
            // The next block's map overlaps the last one's: the left half shows one, the right half the other.
            let middle = columns.start + (columns.end - columns.start) / 2;
            block(area, scale, from, &(columns.start..middle), 0..0)?;
            block(area, scale, to, &(middle..columns.end), 0..to.shape.channels)?;
            bar(line, LINE)?;
            decoded(window)
        }
        Step::Head(HeadStep {
            from,
            sums,
            output: Output::Logits(logits),
            window,
        }) => {
            let channels = from.shape.channels;
            block(area, scale, from, columns, channels..channels)?;
            bar(sums, SUMS)?;
            bar(logits, NEW)?;
            decoded(window)
        }
    }
}

/// A block's map: the channels before `slot` exist, those in it are written now, those after it later.
fn block(
    area: &Area<'_>,
    scale: &Scale,
    map: &Map,
    columns: &Range<i32>,
    slot: Range<usize>,
) -> anyhow::Result<()> {
    let bytes = map.range();
    let channels = map.shape.channels;
    let width = f64::from(columns.end - columns.start);
    let x = |channel: usize| columns.start + (width * channel as f64 / channels.max(1) as f64).round() as i32;
    let slot = slot.start.min(channels)..slot.end.min(channels);
    // A transition's source is complete.
    let slot = if slot == (0..0) { channels..channels } else { slot };
    fill(area, scale, &bytes, &(x(0)..x(slot.start)), THERE)?;
    fill(area, scale, &bytes, &(x(slot.start)..x(slot.end)), NEW)?;
    fill(area, scale, &bytes, &(x(slot.end)..x(channels)), LATER)
}

fn fill(
    area: &Area<'_>,
    scale: &Scale,
    bytes: &Range<usize>,
    columns: &Range<i32>,
    colour: RGBColor,
) -> anyhow::Result<()> {
    if bytes.is_empty() || columns.is_empty() {
        return Ok(());
    }
    let corners = [
        (columns.start, scale.y(bytes.end).min(scale.y(bytes.start) - 1)),
        (columns.end, scale.y(bytes.start)),
    ];
    area.draw(&Rectangle::new(corners, colour.filled()))?;
    Ok(())
}

/// A stage's name, from the bottom to the top.
fn name(area: &Area<'_>, place: (i32, i32), name: &str) -> anyhow::Result<()> {
    let style = ("sans-serif", 13)
        .into_font()
        .transform(FontTransform::Rotate270)
        .color(&INK)
        .pos(Pos::new(HPos::Right, VPos::Center));
    area.draw(&Text::new(name.to_owned(), place, style))?;
    Ok(())
}

fn legend(area: &Area<'_>) -> anyhow::Result<()> {
    let entries = [
        ("channels there", THERE),
        ("written now", NEW),
        ("later", LATER),
        ("ring", RING),
        ("line buffer", LINE),
        ("sums", SUMS),
        ("decoded weights", WEIGHTS),
    ];
    let mut x = LEFT;
    for (text, colour) in entries {
        area.draw(&Rectangle::new([(x, 14), (x + 12, 26)], colour.filled()))?;
        let style = ("sans-serif", 13).into_font().color(&INK);
        area.draw(&Text::new(text, (x + 17, 14), style))?;
        x += 30 + 7 * text.len() as i32;
    }
    Ok(())
}
