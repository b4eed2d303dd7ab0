//! Loss and accuracy, epoch by epoch, as SVG; belongs to `report`.

use crate::train::Epoch;
use plotters::prelude::*;

const SIZE: (u32, u32) = (560, 300);
const BLUE: RGBColor = RGBColor(52, 104, 180);
const ORANGE: RGBColor = RGBColor(214, 120, 32);
const INK: RGBColor = RGBColor(24, 32, 44);

/// Mean training loss.
pub(super) fn loss(history: &[Epoch]) -> anyhow::Result<String> {
    let points = history
        .iter()
        .map(|epoch| (epoch.number as f64, epoch.loss))
        .collect();
    chart("loss", &[("training", BLUE, points)])
}

/// Accuracy while training and, where pictures are held out, on those; in per cent.
pub(super) fn accuracy(history: &[Epoch]) -> anyhow::Result<String> {
    let at = |epoch: &Epoch, share: f64| (epoch.number as f64, 100.0 * share);
    let training = history.iter().map(|epoch| at(epoch, epoch.accuracy)).collect();
    let kept = history
        .iter()
        .filter_map(|epoch| Some(at(epoch, epoch.held_out_accuracy?)))
        .collect();
    chart(
        "accuracy, %",
        &[("training", BLUE, training), ("held out", ORANGE, kept)],
    )
}

type Line = (&'static str, RGBColor, Vec<(f64, f64)>);

fn chart(title: &str, lines: &[Line]) -> anyhow::Result<String> {
    let points = || lines.iter().flat_map(|(_, _, points)| points);
    let bound = |pick: fn(f64, f64) -> f64, from: f64| points().map(|&(_, y)| y).fold(from, pick);
    let (low, high) = (bound(f64::min, f64::INFINITY), bound(f64::max, f64::NEG_INFINITY));
    let last = points().map(|&(x, _)| x).fold(1.0, f64::max);
    let room = ((high - low) * 0.05).max(1e-3);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 16).into_font().color(&INK))
            .margin(8)
            .x_label_area_size(34)
            .y_label_area_size(48)
            .build_cartesian_2d(1.0..last.max(2.0), low - room..high + room)?;
        chart
            .configure_mesh()
            .light_line_style(RGBColor(240, 242, 245))
            .bold_line_style(RGBColor(224, 228, 234))
            .x_desc("epoch")
            .x_label_formatter(&|x| format!("{x:.0}"))
            .label_style(("sans-serif", 12))
            .draw()?;
        for (name, colour, points) in lines.iter().filter(|(_, _, points)| !points.is_empty()) {
            let colour = *colour;
            chart
                .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
                .label(*name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        if lines.iter().filter(|(_, _, points)| !points.is_empty()).count() > 1 {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::LowerRight)
                .background_style(WHITE.mix(0.8))
                .label_font(("sans-serif", 13))
                .draw()?;
        }
        area.present()?;
    }
    Ok(svg)
}
