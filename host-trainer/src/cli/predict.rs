//! `denselet predict`: what a network makes of image files.

use super::data_flags::print_all_notes;
use super::model::Model;
use super::output::{print_json, say};
use crate::data::{self, Reading};
use serde::Serialize;
use std::path::PathBuf;

/// Options of `denselet predict`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  denselet predict model.dlt photo.png
  denselet predict runs/fashion images/*.jpg --resize --top 1
  denselet predict runs/fashion-int8 photo.png --json")]
pub struct Args {
    /// A blob or a fine-tuned network (runs in int8), or a run's folder or checkpoint (runs in float)
    #[arg(value_name = "MODEL|DIR")]
    model: PathBuf,
    /// Image files
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
    /// Classes to print for each image, the most probable first
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    top: u16,
    /// Resize images to the network's input
    #[arg(long)]
    resize: bool,
    /// Use the last network of a run's folder, not the one with the highest held-out accuracy
    #[arg(long)]
    last: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What was predicted.
#[derive(Debug, Serialize)]
struct Summary {
    model: PathBuf,
    arithmetic: &'static str,
    images: Vec<Image>,
    notes: Vec<String>,
}

/// One image.
#[derive(Debug, Serialize)]
struct Image {
    file: PathBuf,
    classes: Vec<Class>,
}

/// One class of an image.
#[derive(Debug, Serialize)]
struct Class {
    number: usize,
    name: String,
    probability: f64,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let model = Model::open(&args.model, args.last)?;
    let takes = &model.takes;
    let reading = Reading {
        input: Some(takes.input),
        resize: args.resize,
        encoding: takes.about.encoding.clone(),
        ..Reading::default()
    };
    let (pixels, notes) = data::image_files(&args.images, takes.input, &reading)?;
    print_all_notes(&notes);
    let logits = model.logits(&pixels, &|_| ())?;
    let unit = model.logit_unit()?;
    let images = args.images.iter().zip(logits.chunks_exact(takes.classes));
    let summary = Summary {
        images: images
            .map(|(file, logits)| Image {
                file: file.clone(),
                classes: classes(logits, unit, &takes.about.classes, args.top.into()),
            })
            .collect(),
        arithmetic: model.arithmetic(),
        model: model.file,
        notes,
    };
    if args.json {
        return print_json(&summary);
    }
    for image in &summary.images {
        let classes = image
            .classes
            .iter()
            .map(|class| format!("{} {:.2} %", class.name, 100.0 * class.probability));
        let classes: Vec<String> = classes.collect();
        say(format_args!("{}: {}", image.file.display(), classes.join(", ")));
    }
    Ok(())
}

/// The most probable classes; of equal ones the first, as on the device.
fn classes(logits: &[f64], unit: f64, names: &[String], count: usize) -> Vec<Class> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let shares: Vec<f64> = logits
        .iter()
        .map(|logit| ((logit - largest) * unit).exp())
        .collect();
    let sum: f64 = shares.iter().sum();
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    let best = order.into_iter().take(count);
    best.map(|number| Class {
        number,
        name: names
            .get(number)
            .cloned()
            .unwrap_or_else(|| format!("class {number}")),
        probability: shares[number] / sum,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_follow_the_logits_and_sum_to_one() {
        let names = ["a", "b", "c"].map(String::from);
        let found = classes(&[1.0, 3.0, 3.0], 0.5, &names, 3);
        let order: Vec<&str> = found.iter().map(|class| class.name.as_str()).collect();
        assert_eq!(order, ["b", "c", "a"]);
        let sum: f64 = found.iter().map(|class| class.probability).sum();
        assert!((sum - 1.0).abs() < 1e-12 && found[0].probability == found[1].probability);
        assert_eq!(classes(&[1.0, 3.0], 0.5, &[], 1)[0].name, "class 1");
    }
}
