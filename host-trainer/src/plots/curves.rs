//! Loss and accuracy, epoch by epoch, as SVG.
//!
//! A value that is not finite has no place on an axis: it is left out. A chart without any value is not drawn.

use super::palette::{BLUE, GRID, INK, ORANGE, PAPER, finish};
use crate::train::Epoch;
use plotters::prelude::*;

/// Small enough to stay readable if a narrow page shrinks it.
const SIZE: (u32, u32) = (520, 300);
/// Largest value that is drawn: axes lose their steps to rounding far beyond it.
const LARGEST: f64 = 1e9;
/// Epochs up to which each has a dot.
const DOTTED: usize = 40;

/// Mean training loss and, if images are held out, the loss on those.
pub(crate) fn loss(history: &[Epoch]) -> anyhow::Result<Option<String>> {
    let line = |of: fn(&Epoch) -> Option<f64>| line(history, of);
    let lines = [
        ("training", BLUE, line(|epoch| Some(epoch.loss))),
        ("held out", ORANGE, line(|epoch| epoch.held_out_loss)),
    ];
    chart("loss", &lines, SeriesLabelPosition::UpperRight)
}

/// Accuracy while training and, if images are held out, on those; in per cent.
pub(crate) fn accuracy(history: &[Epoch]) -> anyhow::Result<Option<String>> {
    let line = |of: fn(&Epoch) -> Option<f64>| line(history, of);
    let lines = [
        ("training", BLUE, line(|epoch| Some(100.0 * epoch.accuracy))),
        (
            "held out",
            ORANGE,
            line(|epoch| epoch.held_out_accuracy.map(|share| 100.0 * share)),
        ),
    ];
    chart("accuracy, %", &lines, SeriesLabelPosition::LowerRight)
}

/// Epoch and value.
type Points = Vec<(i32, f64)>;

fn line(history: &[Epoch], of: fn(&Epoch) -> Option<f64>) -> Points {
    history
        .iter()
        .filter_map(|epoch| Some((i32::try_from(epoch.number).ok()?, of(epoch)?)))
        .filter(|(_, value)| value.abs() <= LARGEST)
        .collect()
}

/// The chart; `None` without a point.
fn chart(
    title: &str,
    lines: &[(&'static str, RGBColor, Points)],
    legend: SeriesLabelPosition,
) -> anyhow::Result<Option<String>> {
    let lines: Vec<_> = lines.iter().filter(|(.., points)| !points.is_empty()).collect();
    let points = || lines.iter().flat_map(|(.., points)| points);
    let Some(last) = points().map(|&(epoch, _)| epoch).max() else {
        return Ok(None);
    };
    let values = || points().map(|&(_, value)| value);
    let (low, high) = (
        values().fold(f64::INFINITY, f64::min),
        values().fold(f64::NEG_INFINITY, f64::max),
    );
    // Equal values still need a height: one that rounding does not remove.
    let room = ((high - low) * 0.05).max(high.abs() * 0.01).max(1e-3);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&PAPER)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 18).into_font().color(&INK))
            .margin(10)
            .margin_right(20)
            .x_label_area_size(42)
            .y_label_area_size(56)
            .build_cartesian_2d(1..last.max(2), low - room..high + room)?;
        chart
            .configure_mesh()
            .axis_style(INK)
            .light_line_style(PAPER)
            .bold_line_style(GRID)
            .x_desc("epoch")
            // A run of one epoch still has an axis from 1 to 2.
            .x_label_formatter(&|&epoch| {
                if epoch > last {
                    String::new()
                } else {
                    epoch.to_string()
                }
            })
            .x_labels(10)
            .y_labels(7)
            .label_style(("sans-serif", 14).into_font().color(&INK))
            .draw()?;
        for (name, colour, points) in lines.iter().copied() {
            let colour = *colour;
            chart
                .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
                .label(*name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)));
            if points.len() <= DOTTED {
                chart.draw_series(points.iter().map(|&at| Circle::new(at, 3, colour.filled())))?;
            }
        }
        if lines.len() > 1 {
            chart
                .configure_series_labels()
                .position(legend)
                .background_style(PAPER.mix(0.8))
                .label_font(("sans-serif", 14).into_font().color(&INK))
                .draw()?;
        }
        area.present()?;
    }
    let told: Vec<String> = lines
        .iter()
        .map(|(name, _, points)| words(name, points))
        .collect();
    Ok(Some(finish(&svg, &format!("{title} by epoch"), &told.join("; "))))
}

/// A line in words: its ends.
fn words(name: &str, points: &Points) -> String {
    match (points.first(), points.last()) {
        (Some((first, from)), Some((last, to))) if first != last => {
            format!("{name}: {from:.3} in epoch {first}, {to:.3} in epoch {last}")
        }
        (Some((only, value)), _) => format!("{name}: {value:.3} in epoch {only}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(losses: &[f64]) -> Vec<Epoch> {
        let epoch = |(at, &loss): (usize, &f64)| Epoch {
            number: at + 1,
            loss,
            accuracy: 0.5,
            held_out_accuracy: None,
            held_out_loss: Some(2.0 * loss),
            bits_per_weight: None,
            blob_bytes: None,
            rate: 0.1,
            images_per_second: 0.0,
            seconds: 0.0,
        };
        losses.iter().enumerate().map(epoch).collect()
    }

    #[test]
    fn a_chart_without_a_value_is_not_drawn() {
        assert_eq!(loss(&[]).unwrap(), None);
        assert_eq!(accuracy(&[]).unwrap(), None);
        assert_eq!(loss(&history(&[f64::NAN, f64::INFINITY])).unwrap(), None);
    }

    #[test]
    fn every_history_ends_in_a_chart() {
        for losses in [
            &[0.7][..],
            &[0.7, 0.7, 0.7],
            &[0.0, 0.0],
            &[f64::NAN, 0.5, f64::INFINITY, 0.25],
            &[1e300, 0.1],
            &[1e9, 1e9],
            &[1e9, -1e9],
            &[1e-300, 0.0],
            &[f64::MIN_POSITIVE],
        ] {
            let svg = loss(&history(losses)).unwrap().unwrap();
            assert!(svg.contains("training") && svg.contains("</svg>"), "{losses:?}");
            accuracy(&history(losses)).unwrap().unwrap();
        }
    }

    /// The labels of the epoch axis: what is written lower than the chart, but for the axis's own name.
    fn under(svg: &str) -> Vec<&str> {
        let texts = svg.split("<text ").skip(1).filter_map(|text| {
            let y: u32 = text.split_once(" y=\"")?.1.split_once('"')?.0.parse().ok()?;
            let words = text.split_once('>')?.1.split_once('<')?.0.trim();
            (y > SIZE.1 - 50 && words != "epoch" && !words.is_empty() && !words.contains('.'))
                .then_some(words)
        });
        texts.collect()
    }

    #[test]
    fn epochs_are_whole_numbers() {
        for count in [1, 2, 3, 4, 7, 150] {
            let svg = loss(&history(&vec![0.5; count])).unwrap().unwrap();
            let labels = under(&svg);
            let numbers: Option<Vec<usize>> = labels.iter().map(|label| label.parse().ok()).collect();
            let numbers = numbers.unwrap_or_else(|| panic!("{count}: {labels:?}"));
            assert!(numbers.contains(&1) || count > 10, "{count}: {numbers:?}");
            assert!(
                numbers.iter().all(|&number| 1 <= number && number <= count),
                "{count}: {numbers:?}"
            );
        }
    }
}
