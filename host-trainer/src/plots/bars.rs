//! Bar charts as SVG. Beside the main path: reads numbers, draws.

use super::palette::{BLUE, INK, PAPER, SOFT_INK, finish};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const BAR: i32 = 20;
const PITCH: i32 = 28;
const LABELS: i32 = 170;
const WIDTH: i32 = 860;
const TOP: i32 = 64;

/// A bar per name, from the top, as long as its value; each with its share of the sum.
///
/// # Errors
/// Returns an error if the drawing library fails; it draws into memory.
pub fn bars(title: &str, bars: &[(String, f64)]) -> anyhow::Result<String> {
    let height = TOP + PITCH * bars.len() as i32 + 16;
    // Only a finite share of a finite sum has a length.
    let bars: Vec<(&str, f64)> = bars
        .iter()
        .map(|(name, value)| {
            (
                name.as_str(),
                if value.is_finite() { value.max(0.0) } else { 0.0 },
            )
        })
        .collect();
    let largest = bars
        .iter()
        .fold(f64::MIN_POSITIVE, |largest, (_, value)| largest.max(*value));
    let sum: f64 = bars.iter().map(|(_, value)| value / largest).sum();
    let share = |value: f64| {
        if sum > 0.0 {
            100.0 * (value / largest) / sum
        } else {
            0.0
        }
    };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH as u32, height as u32)).into_drawing_area();
        area.fill(&PAPER)?;
        area.draw(&Text::new(
            title.to_owned(),
            (20, 18),
            ("sans-serif", 22).into_font().color(&INK),
        ))?;
        for (row, (name, value)) in bars.iter().enumerate() {
            let y = TOP + PITCH * row as i32;
            let length = (f64::from(WIDTH - LABELS - 110) * (value / largest)).round() as i32;
            let label = ("sans-serif", 15).into_font().color(&INK);
            let label = label.pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new((*name).to_owned(), (LABELS - 10, y + BAR / 2), label))?;
            let corners = [(LABELS, y), (LABELS + length.max(1), y + BAR)];
            area.draw(&Rectangle::new(corners, BLUE.filled()))?;
            let style = ("sans-serif", 15).into_font().color(&SOFT_INK);
            let style = style.pos(Pos::new(HPos::Left, VPos::Center));
            let text = format!("{:.1} %", share(*value));
            area.draw(&Text::new(text, (LABELS + length + 8, y + BAR / 2), style))?;
        }
        area.present()?;
    }
    let words: Vec<String> = bars
        .iter()
        .map(|(name, value)| format!("{name} {:.1} %", share(*value)))
        .collect();
    Ok(finish(&svg, title, &words.join(", ")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_without_a_share_have_no_bar() {
        for values in [
            &[][..],
            &[0.0, 0.0],
            &[f64::NAN, f64::INFINITY, 1.0],
            &[f64::MAX, f64::MAX],
        ] {
            let values: Vec<(String, f64)> =
                values.iter().map(|&value| ("stage".to_owned(), value)).collect();
            let svg = super::bars("title", &values).unwrap();
            assert!(
                svg.contains("</svg>") && !svg.contains("NaN") && !svg.contains("inf"),
                "{values:?}"
            );
        }
    }

    #[test]
    fn bars_have_names_and_shares() {
        let svg = super::bars("title", &[("stem".to_owned(), 1.0), ("head".to_owned(), 3.0)]).unwrap();
        for text in ["title", "stem", "head", "25.0 %", "75.0 %"] {
            assert!(svg.contains(text), "{text}");
        }
    }
}
