//! The page itself: one HTML text, its style and pictures inside it; belongs to `report`.

use super::{Facts, arena, curves, picture};
use crate::evaluate::Confusion;
use crate::inspect::grouped;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Mistakes that are shown with pictures, the most frequent first, and pictures of each.
const MISTAKES: usize = 10;
const EXAMPLES: usize = 6;
/// Classes up to which the confusion matrix has numbers in its cells.
const NUMBERED: usize = 20;

const STYLE: &str = "
body { font: 15px/1.5 system-ui, sans-serif; color: #18202c; background: #fff; max-width: 1200px; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.2rem; border-bottom: 1px solid #e0e4ea; }
.lead { color: #546070; margin-top: .2rem; }
.facts { display: flex; flex-wrap: wrap; gap: .8rem; }
.facts div { background: #f3f6fa; border-radius: 6px; padding: .5rem .9rem; }
.facts b { display: block; font-size: 1.25rem; }
.side { display: flex; flex-wrap: wrap; gap: 1rem; }
svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; } td, th { padding: .15rem .5rem; text-align: right; }
th:first-child, td:first-child { text-align: left; } tr:nth-child(even) td { background: #f8fafc; }
.matrix td { text-align: center; min-width: 1.2rem; } .matrix th.top { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; padding: .4rem 0; }
.bar { display: inline-block; height: .7rem; background: #3468b4; }
img.example { height: 56px; min-width: 40px; max-width: 160px; image-rendering: pixelated; margin: 2px; border: 1px solid #e0e4ea; }
pre { background: #f3f6fa; padding: .8rem; overflow-x: auto; }
";

pub(super) fn page(facts: &Facts<'_>) -> anyhow::Result<String> {
    let (meta, spec) = (&facts.run.meta, &facts.run.network.spec);
    let title = format!("{} on {}", spec.name, facts.data.name);
    let recipe = toml::to_string_pretty(&meta.recipe)?;
    let curves = [curves::loss(&meta.history)?, curves::accuracy(&meta.history)?];
    let map = arena::map(&facts.geometry, &facts.sizes)?;
    let mistakes = mistakes(facts)?;
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
                p.lead { (meta.epoch) " of " (meta.recipe.epochs) " epochs, seed " (meta.recipe.seed) ", "
                    (facts.data.train.len()) " training and " (facts.data.test.len()) " test inputs of "
                    (facts.data.height) "x" (facts.data.width) "x" (facts.data.channels) "." }
                (summary(facts))
                @if !meta.history.is_empty() {
                    h2 { "Training" }
                    div.side { @for curve in &curves { div { (PreEscaped(curve)) } } }
                }
                h2 { "What it gets right" }
                p { "On the test split, with the device's bits. Rows are what an input is, columns what the network says." }
                (matrix(&facts.int8, &facts.data.classes))
                h2 { "Class by class" }
                (classes(&facts.int8, &facts.data.classes))
                h2 { "What it gets wrong" }
                (mistakes)
                h2 { "The arena" }
                p { "Which of the " (grouped(facts.sizes.arena_bytes as u64)) " bytes hold what while each stage runs. "
                    "A block buffer is drawn as wide as its channels are many: a layer writes its slot in place." }
                div { (PreEscaped(map)) }
                h2 { "The network" }
                (stages(facts))
                h2 { "How it was made" }
                @if let Some(command) = &meta.command { pre { (command) } }
                pre { (recipe) }
            }
        }
    };
    Ok(markup.into_string())
}

fn summary(facts: &Facts<'_>) -> Markup {
    let sizes = &facts.sizes;
    let shown = [
        ("test accuracy, float", percent(facts.float.accuracy())),
        ("test accuracy, int8", percent(facts.int8.accuracy())),
        ("parameters", grouped(sizes.params)),
        ("multiply-accumulates", grouped(sizes.macs_executed)),
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
        table.matrix {
            tr { th {} @for name in names { th.top { (name) } } }
            @for (label, (name, counts)) in names.iter().zip(&confusion.counts).enumerate() {
                tr {
                    th { (name) }
                    @for (said, &count) in counts.iter().take(names.len()).enumerate() {
                        td style=(shade(count, counts.iter().sum(), label == said))
                            title={ (count) " of " (name) " called " (names[said]) } {
                            @if has_numbers && count > 0 { (count) }
                        }
                    }
                }
            }
        }
    }
}

fn classes(confusion: &Confusion, names: &[String]) -> Markup {
    let said = |class: usize| {
        confusion
            .counts
            .iter()
            .filter_map(|row| row.get(class))
            .sum::<usize>()
    };
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    html! {
        table {
            tr { th { "class" } th { "inputs" } th { "found" } th {} th { "of those called so" } }
            @for (class, (name, counts)) in names.iter().zip(&confusion.counts).enumerate() {
                @let all = counts.iter().sum::<usize>();
                @let found = share(counts[class], all);
                tr {
                    td { (name) } td { (all) } td { (percent(found)) }
                    td style="text-align: left" { span.bar style={ "width:" (format!("{:.0}", 160.0 * found)) "px" } {} }
                    td { (percent(share(counts[class], said(class)))) }
                }
            }
        }
    }
}

fn mistakes(facts: &Facts<'_>) -> anyhow::Result<Markup> {
    let names = &facts.data.classes;
    let mut pairs: Vec<(usize, usize, usize)> = Vec::new();
    for (label, counts) in facts.int8.counts.iter().enumerate() {
        let wrong = counts
            .iter()
            .enumerate()
            .filter(|(said, count)| *said != label && **count > 0);
        pairs.extend(wrong.map(|(said, &count)| (count, label, said)));
    }
    pairs.sort_by_key(|&(count, ..)| core::cmp::Reverse(count));
    pairs.truncate(MISTAKES);
    let mut shown = Vec::with_capacity(pairs.len());
    for (count, label, said) in pairs {
        let addresses = facts
            .mistaken(label, said)
            .take(EXAMPLES)
            .map(|at| picture::address(facts.data, at));
        shown.push((count, label, said, addresses.collect::<anyhow::Result<Vec<_>>>()?));
    }
    let name = |class: usize| names.get(class).map_or("?", String::as_str);
    Ok(html! {
        @if shown.is_empty() { p { "Nothing." } }
        table {
            @for (count, label, said, addresses) in &shown {
                tr {
                    td { (name(*label)) " called " (name(*said)) } td { (count) }
                    td style="text-align: left" { @for address in addresses { img.example src=(address) alt=(name(*label)); } }
                }
            }
        }
    })
}

fn stages(facts: &Facts<'_>) -> Markup {
    let shape = |sides: [usize; 3]| format!("{}x{}x{}", sides[0], sides[1], sides[2]);
    html! {
        table {
            tr { th { "stage" } th { "computes" } th { "reads" } th { "leaves" } th { "MACs" } th { "blob bytes" } th { "arena bytes" } }
            @for row in &facts.sizes.layers {
                tr {
                    td { (row.name) } td { (row.what) } td { (shape(row.input)) } td { (shape(row.output)) }
                    td { (grouped(row.macs)) } td { (grouped(row.bytes as u64)) } td { (grouped(row.arena_bytes as u64)) }
                }
            }
        }
    }
}
