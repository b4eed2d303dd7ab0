//! Tables, progress and warnings for a terminal.

use super::output::tell;
use super::verbosity::is_quiet;
use crate::board::{Board, order_name};
use denselet::layout::Order;

/// Warns if the order of a blob's weights is slow on a board, with the factor and the command that exports the other order.
pub fn warn_of_order(order: Order, board: &Board) {
    if let Some(text) = order_warning(order, board) {
        tell(format_args!("warning: {text}"));
    }
}

/// Returns the warning, if the order costs at least one per cent.
fn order_warning(order: Order, board: &Board) -> Option<String> {
    let times = board.times(order);
    (times >= 1.01).then(|| {
        format!(
            "the weights are in {} order, and {name} reads {}: an inference takes {times:.1} times the instructions. A blob in its \
             order: `denselet export RUN --board {name}`",
            order_name(order),
            order_name(board.order()),
            name = board.name
        )
    })
}

/// Returns a table with numbers aligned to the right.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table
        .load_preset(comfy_table::presets::UTF8_FULL_CONDENSED)
        .set_header(header);
    for row in rows {
        table.add_row(row.into_iter().map(|text| {
            let is_number = text.starts_with(|first: char| first.is_ascii_digit());
            let cell = comfy_table::Cell::new(&text);
            if is_number {
                cell.set_alignment(comfy_table::CellAlignment::Right)
            } else {
                cell
            }
        }));
    }
    table
}

/// Returns a progress bar over `count` items on standard error; it is hidden if `quiet`, with `--quiet`, or without a terminal.
pub fn progress(count: usize, what: &str, quiet: bool) -> indicatif::ProgressBar {
    if quiet || is_quiet() {
        return indicatif::ProgressBar::hidden();
    }
    let template = format!("{{bar:32}} {{pos}}/{{len}} {what}, {{elapsed}} so far, {{eta}} left");
    let style = indicatif::ProgressStyle::with_template(&template)
        .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar());
    indicatif::ProgressBar::new(count as u64).with_style(style)
}

/// Returns a spinner on standard error; it is hidden if `quiet`, with `--quiet`, or without a terminal.
pub fn spinner(message: impl Into<std::borrow::Cow<'static, str>>, quiet: bool) -> indicatif::ProgressBar {
    if quiet || is_quiet() {
        return indicatif::ProgressBar::hidden();
    }
    let spinner = indicatif::ProgressBar::new_spinner().with_message(message);
    spinner.enable_steady_tick(core::time::Duration::from_millis(120));
    spinner
}
