//! The colours of every chart, in light and in dark, and what a screen reader reads of it. Beside the main path.
//!
//! Charts are drawn in the light colours. [`finish`] adds a style that replaces each of them if the reader's system is dark, so
//! that one file is readable in both, alone and inside a page.

use core::fmt::Write as _;
use maud::html;
use plotters::style::RGBColor;

/// Background.
pub(crate) const PAPER: RGBColor = RGBColor(255, 255, 255);
/// Text and axes.
pub(crate) const INK: RGBColor = RGBColor(24, 32, 44);
/// Text of less weight.
pub(crate) const SOFT_INK: RGBColor = RGBColor(84, 96, 112);
/// Lines of a grid.
pub(crate) const GRID: RGBColor = RGBColor(224, 228, 234);
/// Frames of images.
pub(crate) const FRAME: RGBColor = RGBColor(200, 206, 214);
/// First series, bars.
pub(crate) const BLUE: RGBColor = RGBColor(52, 104, 180);
/// Second series.
pub(crate) const ORANGE: RGBColor = RGBColor(214, 120, 32);
/// What is right, what is written.
pub(crate) const GREEN: RGBColor = RGBColor(32, 122, 84);
/// What is wrong.
pub(crate) const RED: RGBColor = RGBColor(200, 40, 40);
/// Bytes that hold channels.
pub(crate) const PALE_BLUE: RGBColor = RGBColor(126, 164, 214);
/// Bytes that are reserved.
pub(crate) const PALE: RGBColor = RGBColor(228, 234, 242);
/// Rings of rows.
pub(crate) const PURPLE: RGBColor = RGBColor(168, 96, 160);
/// Sums.
pub(crate) const GREY: RGBColor = RGBColor(110, 110, 118);

/// Each colour with its replacement on a dark background.
const DARK: [(RGBColor, &str); 13] = [
    (PAPER, "#14181f"),
    (INK, "#e3e8ef"),
    (SOFT_INK, "#a3afbd"),
    (GRID, "#2c3440"),
    (FRAME, "#4a5462"),
    (BLUE, "#6ea8ff"),
    (ORANGE, "#f09a4a"),
    (GREEN, "#4cc38a"),
    (RED, "#ff7b72"),
    (PALE_BLUE, "#4f78ae"),
    (PALE, "#2a3341"),
    (PURPLE, "#c98ac2"),
    (GREY, "#9498a3"),
];

/// The colour of an image's pixel: itself, or its neighbour if it is a colour of the charts, which a dark background replaces.
pub(crate) fn apart(colour: RGBColor) -> RGBColor {
    let RGBColor(r, g, b) = colour;
    match DARK.iter().any(|(light, _)| *light == colour) {
        true => RGBColor(r, g, b ^ 1),
        false => colour,
    }
}

/// Adds to a drawn SVG its name, its description in words and its dark colours.
pub(crate) fn finish(svg: &str, name: &str, description: &str) -> String {
    let mut style = String::from("@media (prefers-color-scheme: dark) {");
    for (RGBColor(r, g, b), dark) in DARK {
        for property in ["fill", "stroke"] {
            // Writing to a string does not fail.
            let _ = write!(
                style,
                " .plot [{property}=\"#{r:02X}{g:02X}{b:02X}\"] {{ {property}: {dark} }}"
            );
        }
    }
    style.push_str(" }");
    let head = html! {
        title { (name) }
        desc { (description) }
        style { (maud::PreEscaped(&style)) }
    };
    let attributes =
        html! { a class="plot" role="img" aria-label={ (name) ". " (description) } {} }.into_string();
    let attributes = attributes.trim_start_matches("<a ").trim_end_matches("></a>");
    let opened = svg.replacen("<svg ", &format!("<svg {attributes} "), 1);
    match opened.split_once(">\n") {
        Some((tag, rest)) => format!("{tag}>\n{}\n{rest}", head.into_string()),
        None => opened,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plotters::prelude::*;

    #[test]
    fn a_finished_chart_has_a_name_and_two_palettes() {
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, (8, 8)).into_drawing_area();
            area.fill(&PAPER).unwrap();
            area.present().unwrap();
        }
        assert!(svg.contains("fill=\"#FFFFFF\""), "{svg}");
        let svg = finish(&svg, "loss <1>", "falls");
        for part in [
            "role=\"img\"",
            "aria-label=\"loss &lt;1&gt;. falls\"",
            "<title>loss &lt;1&gt;</title>",
            "<desc>falls</desc>",
            "[fill=\"#FFFFFF\"] { fill: #14181f }",
            "xmlns=",
        ] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
    }
}
