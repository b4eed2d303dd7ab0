//! The report of `denselet import`, as text and as JSON.

use super::output::say;
use super::terminal::table;
use crate::data::Sample;
use crate::inspect::grouped;
use crate::interchange::import::check::Comparison;
use crate::interchange::import::{Assumption, Ending, Part, Preprocess};
use crate::spec::Input;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Report of an import.
#[derive(Debug, Serialize)]
pub(super) struct ImportReport {
    pub(super) file: PathBuf,
    pub(super) format: &'static str,
    pub(super) input: Input,
    pub(super) preprocess: String,
    pub(super) preprocess_is_known: bool,
    pub(super) preprocess_reason: String,
    pub(super) assumptions: Vec<Assumption>,
    pub(super) ending: Ending,
    pub(super) parameters: usize,
    pub(super) macs: u64,
    pub(super) parts: Vec<Part>,
    pub(super) checks: Vec<Check>,
    pub(super) test_images: Option<usize>,
    pub(super) sample: Option<Sample>,
    pub(super) notes: Vec<String>,
    pub(super) test_accuracy: Option<f64>,
    pub(super) checkpoint: Option<PathBuf>,
}

/// One comparison of logits.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) against: String,
    #[serde(flatten)]
    pub(super) comparison: Comparison,
    pub(super) passes: bool,
    /// Whether the answers are too saturated for a meaningful comparison.
    pub(super) is_saturated: bool,
}

pub(super) fn print_found(report: &ImportReport) {
    let Input {
        height,
        width,
        channels,
    } = report.input;
    say(format_args!("{}: {}", report.file.display(), report.format));
    let rows = report.parts.iter().map(|part| {
        let [height, width, channels] = part.leaves;
        vec![
            part.name.clone(),
            part.what.clone(),
            format!("{height}x{width}x{channels}"),
            grouped(part.params as u64),
            grouped(part.macs),
        ]
    });
    say(table(
        &["part", "made of", "output", "parameters", "MACs as trained"],
        rows,
    ));
    let (parameters, macs) = (grouped(report.parameters as u64), grouped(report.macs));
    say(format_args!(
        "  input            {height}x{width}x{channels}, {}",
        preprocess_text(report)
    ));
    say(format_args!("  parameters       {parameters}"));
    say(format_args!("  MACs as trained  {macs}"));
    match report.ending {
        Ending::Logits => {}
        Ending::Sigmoid => say("  the file's sigmoid is omitted: blobs output logits"),
        Ending::Softmax | Ending::LogSoftmax => say("  the file's softmax is omitted: blobs output logits"),
    }
    for Assumption { what, flag } in &report.assumptions {
        let flag = flag
            .as_ref()
            .map_or_else(String::new, |flag| format!(" [{flag}]"));
        say(format_args!("  assumed          {what}{flag}"));
    }
}

fn preprocess_text(report: &ImportReport) -> String {
    let known = Preprocess::NAMES
        .iter()
        .find(|(name, _)| *name == report.preprocess);
    let text = known.map_or(report.preprocess.as_str(), |(_, meaning)| meaning);
    let guess = if report.preprocess_is_known {
        ""
    } else {
        "a guess: "
    };
    format!("{text} ({guess}{})", report.preprocess_reason)
}

pub(super) fn print_check(check: &Check) {
    let Comparison {
        images,
        difference,
        range,
        allowed,
        precision,
        compared,
    } = check.comparison;
    say(format_args!(
        "  check            {images} inputs against {}: largest difference of the logits {difference:.2e}, {:.1e} of the range \
         {range:.3}, {allowed:.0e} allowed ({}): {}",
        check.against,
        check.comparison.share(),
        precision.name(),
        if check.passes { "passed" } else { "FAILED" }
    ));
    if check.is_saturated {
        say(format_args!(
            "  WARNING          {:.0} % of these answers are saturated probabilities: the check is weak. Compare logits, or inputs with \
             less certain answers",
            100.0 * (1.0 - compared)
        ));
    }
}

pub(super) fn print_end(data: Option<&str>, out: &Path, report: &ImportReport) {
    if let (Some(accuracy), Some(images), Some(data)) = (report.test_accuracy, report.test_images, data) {
        say(format_args!(
            "  accuracy         {:.2} % of {images} test images of {data} (float)",
            100.0 * accuracy
        ));
    }
    let out = out.display();
    // Without data, the checkpoint names no data set for the calibration.
    let flag = if data.is_some() { "" } else { " --data DATA" };
    say(format_args!("next: `denselet export {out}{flag}`"));
}
