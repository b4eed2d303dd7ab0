//! The page itself: one HTML text, its style and images inside it.

use super::facts::Facts;
use super::input_image;
use crate::evaluate::Confusion;
use crate::inspect::grouped;
use crate::plots::{arena, curves};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Mistakes that are shown with images, the most frequent first, and images of each.
const MISTAKES: usize = 10;
const EXAMPLES: usize = 6;
/// Classes up to which the confusion matrix has numbers in its cells.
const NUMBERED: usize = 20;
/// Points of accuracy that int8 may lose against float before the page warns.
const MOST_LOST: f64 = 2.0;
/// The page warns of a network that is not right this much more often than a guess, or does not remove this share of a guess's errors.
const BETTER_THAN_A_GUESS: (f64, f64) = (1.5, 0.1);

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #18202c; --soft: #546070; --paper: #fff; --box: #f3f6fa; --stripe: #f8fafc; --line: #e0e4ea; --bar: #3468b4; --warn: #fff4e0; --warn-line: #d67820; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e8ef; --soft: #a3afbd; --paper: #14181f; --box: #1e252f; --stripe: #191f27; --line: #2c3440; --bar: #6ea8ff; --warn: #33270f; --warn-line: #f09a4a; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1200px; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { margin-bottom: 0; line-height: 1.2; } h2 { margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
.lead { color: var(--soft); margin-top: .2rem; }
.facts { display: flex; flex-wrap: wrap; gap: .8rem; }
.facts div { background: var(--box); border-radius: 6px; padding: .5rem .9rem; }
.facts b { display: block; font-size: 1.25rem; }
.warning { background: var(--warn); border-left: 4px solid var(--warn-line); border-radius: 4px; padding: .6rem .9rem; margin: 1rem 0; }
.side { display: flex; flex-wrap: wrap; gap: 1rem; } .side > div { flex: 0 1 520px; }
svg { display: block; } .side svg { max-width: 100%; height: auto; } .scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; overflow-wrap: normal; } td, th { padding: .15rem .5rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } tr:nth-child(even) td { background: var(--stripe); }
.matrix td { text-align: center; min-width: 1.2rem; } .matrix th.top { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; padding: .4rem 0; }
.many td { min-width: .5rem; height: .5rem; padding: 0; } .many th { font-size: .55rem; line-height: .6rem; padding: 0 .2rem 0 0; white-space: nowrap; font-weight: normal; }
.many th.top { padding: .2rem 0; } .examples { text-align: left !important; white-space: normal; min-width: 130px; }
@media (max-width: 600px) { td, th { padding: .15rem .3rem; } .matrix td { min-width: 1rem; } }
.bar { display: inline-block; height: .7rem; background: var(--bar); }
img.example { height: 56px; min-width: 40px; max-width: 160px; image-rendering: pixelated; margin: 2px; border: 1px solid var(--line); }
pre { background: var(--box); padding: .8rem; overflow-x: auto; white-space: pre-wrap; }
";

impl Facts<'_> {
    /// The page.
    ///
    /// # Errors
    /// Returns an error if the drawing library fails; it draws into memory.
    pub fn page(&self) -> anyhow::Result<String> {
        page(self)
    }

    /// Test images of class `label` that the device took for `predicted`, by number.
    pub(super) fn mistaken(&self, label: usize, predicted: usize) -> impl Iterator<Item = usize> + '_ {
        let labels = self.data.test.labels.iter().map(|&label| usize::from(label));
        labels
            .zip(&self.predicted)
            .enumerate()
            .filter(move |(_, pair)| *pair == (label, &predicted))
            .map(|(at, _)| at)
    }
}

fn page(facts: &Facts<'_>) -> anyhow::Result<String> {
    let (meta, spec) = (&facts.run.meta, &facts.run.network.spec);
    let title = format!("{} on {}", spec.name, facts.data.name);
    let recipe = toml::to_string_pretty(&meta.recipe)?;
    let curves = [curves::loss(&meta.history)?, curves::accuracy(&meta.history)?];
    let curves: Vec<String> = curves.into_iter().flatten().collect();
    let map = arena::map(&facts.geometry, &facts.sizes)?;
    let mistakes = mistakes(facts)?;
    let is_tested = facts.int8.images() > 0;
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                p.lead { (how_long(facts)) " Tested on " (grouped(facts.data.test.len() as u64)) " images of "
                    (facts.data.height) "x" (facts.data.width) "x" (facts.data.channels) "." }
                @for warning in warnings(facts) { p.warning role="note" { (warning) } }
                (summary(facts))
                @if !curves.is_empty() {
                    h2 { "Training" }
                    div.side { @for curve in &curves { div { (PreEscaped(curve)) } } }
                }
                @if is_tested {
                    h2 { "Confusion matrix" }
                    p { "On the test split, in int8, bit-exact with the device. A row is the label of an image, a column is the class that the network predicts." }
                    (matrix(&facts.int8, &facts.data.classes))
                    h2 { "Class by class" }
                    (classes(&facts.int8, &facts.data.classes))
                    h2 { "Most frequent mistakes" }
                    (mistakes)
                }
                h2 { "The arena" }
                p { "What the " (grouped(facts.sizes.arena_bytes as u64)) " bytes hold while each stage runs. "
                    "The width of a block buffer stands for its channels: a layer writes its slot in place." }
                div.scroll tabindex="0" { (PreEscaped(map)) }
                h2 { "The network" }
                (stages(facts))
                h2 { "How it was made" }
                @if let Some(command) = &meta.command { pre { (command) } }
                @if !meta.history.is_empty() { pre { (recipe) } }
            }
        }
    };
    Ok(markup.into_string())
}

/// How far training came, and why it ended.
fn how_long(facts: &Facts<'_>) -> String {
    let meta = &facts.run.meta;
    let (done, planned) = (meta.epoch, meta.recipe.epochs);
    if meta.history.is_empty() {
        return "Trained elsewhere: there is no history of its training.".to_owned();
    }
    let seen = format!(
        "seed {}, {} training images.",
        meta.recipe.seed,
        grouped(facts.data.train.len() as u64)
    );
    match meta.recipe.stopped_early(&meta.history) {
        Some(best) if done < planned => format!(
            "Stopped early after epoch {done} of {planned}: no better held-out accuracy in {} epochs, the best is that of epoch \
             {best}; {seen}",
            done - best
        ),
        _ => format!("{done} of {planned} epochs, {seen}"),
    }
}

/// What a reader must know before the numbers.
fn warnings(facts: &Facts<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    if facts.int8.images() == 0 {
        warnings.push(
            "The data set has no test images, so no accuracy is measured. Name one that has some: denselet report RUN --data DATA"
                .to_owned(),
        );
        return warnings;
    }
    let (float, int8) = (facts.float.accuracy(), facts.int8.accuracy());
    if 100.0 * (float - int8) > MOST_LOST + 1e-9 {
        warnings.push(format!(
            "int8 loses {:.2} points against float: {} in float, {} in int8. Try `denselet finetune`, which trains the integers, or \
             export with more calibration images.",
            100.0 * (float - int8),
            percent(float),
            percent(int8)
        ));
    }
    // Always naming the most frequent class is the best guess.
    let largest = facts
        .int8
        .counts
        .iter()
        .map(|row| row.iter().sum::<usize>())
        .max();
    let guess = largest.unwrap_or(0) as f64 / facts.int8.images() as f64;
    let (times, share) = BETTER_THAN_A_GUESS;
    if float < (times * guess).min(guess + share * (1.0 - guess)) {
        warnings.push(format!(
            "The float network is hardly better than a guess: {} of the test images are right, and always naming the most frequent \
             class would be right for {}. Train for more epochs, or check the labels, the learning rate and the size of the network.",
            percent(float),
            percent(guess)
        ));
    }
    warnings
}

fn summary(facts: &Facts<'_>) -> Markup {
    let sizes = &facts.sizes;
    let accuracy = |confusion: &Confusion| match confusion.images() {
        0 => "not measured".to_owned(),
        _ => percent(confusion.accuracy()),
    };
    let shown = [
        ("test accuracy, float", accuracy(&facts.float)),
        ("test accuracy, int8", accuracy(&facts.int8)),
        ("parameters", sizes.params.map_or_else(String::new, grouped)),
        ("MACs as trained", grouped(sizes.macs)),
        ("MACs as executed", grouped(sizes.macs_executed)),
        ("arena, bytes of RAM", grouped(sizes.arena_bytes as u64)),
        ("blob, bytes of flash", grouped(sizes.blob_bytes as u64)),
    ];
    html! { div.facts { @for (name, value) in shown { div { b { (value) } (name) } } } }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// The background of a cell that holds `count` of `all`.
fn shade(count: usize, all: usize, right: bool) -> String {
    let share = count as f64 / all.max(1) as f64;
    let (colour, strength) = if right {
        ("32,122,84", 0.7 * share)
    } else {
        ("200,40,40", (3.0 * share).min(0.9))
    };
    format!("background: rgba({colour},{strength:.3})")
}

fn matrix(confusion: &Confusion, names: &[String]) -> Markup {
    let has_numbers = names.len() <= NUMBERED;
    html! {
        div.scroll tabindex="0" { table.matrix.many[!has_numbers] {
            tr { th { "label \\ predicted" } @for name in names { th.top { (name) } } }
            @for (label, (name, counts)) in names.iter().zip(&confusion.counts).enumerate() {
                tr {
                    th { (name) }
                    @for (predicted, &count) in counts.iter().take(names.len()).enumerate() {
                        td style=(shade(count, counts.iter().sum(), label == predicted))
                            title={ (count) " images of " (name) " predicted as " (names[predicted]) } {
                            @if has_numbers && count > 0 { (count) }
                        }
                    }
                }
            }
        } }
    }
}

fn classes(confusion: &Confusion, names: &[String]) -> Markup {
    let predicted = |class: usize| {
        confusion
            .counts
            .iter()
            .filter_map(|row| row.get(class))
            .sum::<usize>()
    };
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    html! {
        div.scroll tabindex="0" { table {
            tr { th { "class" } th { "images" } th { "recall" } th {} th { "precision" } }
            @for (class, (name, counts)) in names.iter().zip(&confusion.counts).enumerate() {
                @let all = counts.iter().sum::<usize>();
                @let found = share(counts[class], all);
                tr {
                    td { (name) } td { (all) } td { @if all == 0 { "no images" } @else { (percent(found)) } }
                    td style="text-align: left" { span.bar style={ "width: calc(" (format!("{found:.3}")) " * min(160px, 20vw))" } {} }
                    td { @if predicted(class) == 0 { "never predicted" } @else { (percent(share(counts[class], predicted(class)))) } }
                }
            }
        } }
    }
}

fn mistakes(facts: &Facts<'_>) -> anyhow::Result<Markup> {
    let names = &facts.data.classes;
    let mut pairs: Vec<(usize, usize, usize)> = Vec::new();
    for (label, counts) in facts.int8.counts.iter().enumerate() {
        let wrong = counts
            .iter()
            .enumerate()
            .filter(|(predicted, count)| *predicted != label && **count > 0);
        pairs.extend(wrong.map(|(predicted, &count)| (count, label, predicted)));
    }
    pairs.sort_by_key(|&(count, ..)| core::cmp::Reverse(count));
    pairs.truncate(MISTAKES);
    let mut shown = Vec::with_capacity(pairs.len());
    for (count, label, predicted) in pairs {
        let addresses = facts
            .mistaken(label, predicted)
            .take(EXAMPLES)
            .map(|at| input_image::address(facts.data, at));
        shown.push((
            count,
            label,
            predicted,
            addresses.collect::<anyhow::Result<Vec<_>>>()?,
        ));
    }
    let name = |class: usize| names.get(class).map_or("?", String::as_str);
    Ok(html! {
        @if shown.is_empty() { p { "No test image is classified wrongly." } }
        div.scroll tabindex="0" { table {
            @for (count, label, predicted, addresses) in &shown {
                tr {
                    td { (name(*label)) " predicted as " (name(*predicted)) } td { (count) }
                    td.examples { @for address in addresses { img.example src=(address) alt={ "a test image of " (name(*label)) }; } }
                }
            }
        } }
    })
}

fn stages(facts: &Facts<'_>) -> Markup {
    let shape = |sides: [usize; 3]| format!("{}x{}x{}", sides[0], sides[1], sides[2]);
    html! {
        div.scroll tabindex="0" { table {
            tr { th { "stage" } th { "computes" } th { "reads" } th { "writes" } th { "MACs as executed" } th { "blob bytes" } th { "arena bytes" } }
            @for row in &facts.sizes.layers {
                tr {
                    td { (row.name) } td { (row.what) } td { (shape(row.input)) } td { (shape(row.output)) }
                    td { (grouped(row.macs_executed)) } td { (grouped(row.bytes as u64)) } td { (grouped(row.arena_bytes as u64)) }
                }
            }
        } }
    }
}
