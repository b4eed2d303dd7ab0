//! The gallery of a result: test images with the class that the network predicts for each, as SVG. Beside the main path: reads,
//! draws.

use super::palette::{FRAME, GREEN, INK, PAPER, RED, SOFT_INK, apart, finish};
use crate::data::Split;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Images in a row of the gallery.
const COLUMNS: usize = 12;
/// Rows of the gallery.
const ROWS: usize = 4;
/// Side of one image on paper, and the room around it.
const SIDE: i32 = 56;
const PITCH: i32 = 74;
const MARGIN: i32 = 24;

/// What the gallery shows.
#[derive(Clone, Copy, Debug)]
pub struct Gallery<'g> {
    /// Large print.
    pub title: &'g str,
    /// Small print under it.
    pub lines: &'g [String],
    /// Images and labels.
    pub split: &'g Split,
    /// Height, width, channels of an image.
    pub shape: [usize; 3],
    /// Largest value of a byte: 16 for the digits.
    pub white: u8,
    /// Class names.
    pub classes: &'g [String],
    /// What the network says, one class per image.
    pub predictions: &'g [usize],
}

/// Draws the gallery: as many right ones as there is room for, the first wrong ones among them, in red.
///
/// # Errors
/// Returns an error if the drawing library fails; it draws into memory.
pub fn gallery(gallery: &Gallery<'_>) -> anyhow::Result<String> {
    let text_height = 64 + 24 * gallery.lines.len() as i32;
    let width = 2 * MARGIN + PITCH * COLUMNS as i32;
    let height = text_height + (PITCH + 18) * ROWS as i32 + MARGIN;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (width as u32, height as u32)).into_drawing_area();
        area.fill(&PAPER)?;
        let title = ("sans-serif", 26).into_font().color(&INK);
        area.draw(&Text::new(gallery.title.to_owned(), (MARGIN, 18), title))?;
        for (row, line) in gallery.lines.iter().enumerate() {
            let style = ("sans-serif", 15).into_font().color(&SOFT_INK);
            area.draw(&Text::new(line.clone(), (MARGIN, 54 + 24 * row as i32), style))?;
        }
        for (place, index) in chosen(gallery).into_iter().enumerate() {
            let x = MARGIN + PITCH * (place % COLUMNS) as i32;
            let y = text_height + (PITCH + 18) * (place / COLUMNS) as i32;
            image(&area, gallery, index, (x, y))?;
            let (label, predicted) = (
                usize::from(gallery.split.labels[index]),
                gallery.predictions[index],
            );
            let name = |class: usize| gallery.classes.get(class).map_or("?", String::as_str);
            let (text, colour) = if label == predicted {
                (name(predicted).to_owned(), GREEN)
            } else {
                (format!("{} (is {})", name(predicted), name(label)), RED)
            };
            let style = ("sans-serif", 15).into_font().color(&colour);
            let style = style.pos(Pos::new(HPos::Center, VPos::Top));
            area.draw(&Text::new(text, (x + SIDE / 2, y + SIDE + 4), style))?;
        }
        area.present()?;
    }
    Ok(finish(&svg, gallery.title, &gallery.lines.join(". ")))
}

/// The first images, with up to a quarter of them wrong ones, in order.
fn chosen(gallery: &Gallery<'_>) -> Vec<usize> {
    let is_right = |&index: &usize| usize::from(gallery.split.labels[index]) == gallery.predictions[index];
    let count = gallery.predictions.len();
    let wrong: Vec<usize> = (0..count)
        .filter(|index| !is_right(index))
        .take(COLUMNS * ROWS / 4)
        .collect();
    let right = (0..count).filter(is_right).take(COLUMNS * ROWS - wrong.len());
    let mut all: Vec<usize> = right.chain(wrong).collect();
    all.sort_unstable();
    all
}

fn image(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    gallery: &Gallery<'_>,
    index: usize,
    (left, top): (i32, i32),
) -> anyhow::Result<()> {
    let [height, width, channels] = gallery.shape;
    let pixels = &gallery.split.images[index * height * width * channels..][..height * width * channels];
    let edge = |at: usize, count: usize| SIDE * at as i32 / count as i32;
    // White once for all pixels that are white: an image keeps its colours on a dark background.
    let whole = [(left, top), (left + SIDE, top + SIDE)];
    area.draw(&Rectangle::new(whole, apart(PAPER).filled()))?;
    for row in 0..height {
        for column in 0..width {
            let at = (row * width + column) * channels;
            let shade = |c: usize| {
                let value = pixels[at + c];
                (u32::from(value) * 255 / u32::from(gallery.white.max(1))).min(255) as u8
            };
            let colour = if channels == 3 {
                RGBColor(shade(0), shade(1), shade(2))
            } else {
                let grey = 255 - shade(0);
                RGBColor(grey, grey, grey)
            };
            if colour == PAPER {
                continue;
            }
            let corner = |row: usize, column: usize| (left + edge(column, width), top + edge(row, height));
            area.draw(&Rectangle::new(
                [corner(row, column), corner(row + 1, column + 1)],
                apart(colour).filled(),
            ))?;
        }
    }
    area.draw(&Rectangle::new(whole, FRAME.stroke_width(1)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_ones_are_red_and_say_what_they_are() {
        let split = Split {
            images: vec![0, 16, 8, 4],
            labels: vec![0, 1, 0, 1],
        };
        let classes = ["zero".to_owned(), "one".to_owned()];
        let svg = gallery(&Gallery {
            title: "title",
            lines: &["line".to_owned()],
            split: &split,
            shape: [1, 1, 1],
            white: 16,
            classes: &classes,
            predictions: &[0, 1, 1, 1],
        })
        .unwrap();
        assert!(svg.contains("one (is zero)"));
        assert_eq!(svg.matches("fill=\"#C82828\">").count(), 1);
        // White pixels stay white on a dark background: the page's white is another colour.
        assert_eq!(svg.matches("fill=\"#FFFFFF\" stroke").count(), 1);
        assert!(svg.contains("fill=\"#FFFFFE\""), "{svg}");
    }
}
