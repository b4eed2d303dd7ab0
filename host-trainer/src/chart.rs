//! Bar charts as SVG. Beside the main path: reads numbers, draws.

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
/// Where the drawing library fails; it draws into memory.
pub fn bars(title: &str, bars: &[(String, f64)]) -> anyhow::Result<String> {
    let height = TOP + PITCH * bars.len() as i32 + 16;
    let largest = bars
        .iter()
        .fold(f64::MIN_POSITIVE, |largest, (_, value)| largest.max(*value));
    let sum: f64 = bars.iter().map(|(_, value)| value).sum();
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH as u32, height as u32)).into_drawing_area();
        area.fill(&WHITE)?;
        let ink = RGBColor(24, 32, 44);
        area.draw(&Text::new(
            title.to_owned(),
            (20, 18),
            ("sans-serif", 22).into_font().color(&ink),
        ))?;
        for (row, (name, value)) in bars.iter().enumerate() {
            let y = TOP + PITCH * row as i32;
            let length = (f64::from(WIDTH - LABELS - 110) * value / largest).round() as i32;
            let label = ("sans-serif", 15).into_font().color(&ink);
            let label = label.pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(name.clone(), (LABELS - 10, y + BAR / 2), label))?;
            let corners = [(LABELS, y), (LABELS + length.max(1), y + BAR)];
            area.draw(&Rectangle::new(corners, RGBColor(52, 104, 180).filled()))?;
            let share = ("sans-serif", 15).into_font().color(&RGBColor(84, 96, 112));
            let share = share.pos(Pos::new(HPos::Left, VPos::Center));
            let text = format!("{:.1} %", 100.0 * value / sum);
            area.draw(&Text::new(text, (LABELS + length + 8, y + BAR / 2), share))?;
        }
        area.present()?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    #[test]
    fn bars_have_names_and_shares() {
        let svg = super::bars("title", &[("stem".to_owned(), 1.0), ("head".to_owned(), 3.0)]).unwrap();
        for text in ["title", "stem", "head", "25.0 %", "75.0 %"] {
            assert!(svg.contains(text), "{text}");
        }
    }
}
