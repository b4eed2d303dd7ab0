//! Compares an imported network with reference answers and with the file's own graph.

use super::import_report::Check;
use crate::data::Dataset;
use crate::interchange::import::check::Comparison;
use crate::interchange::import::{Assumed, Imported, Options, Precision, Structure, Vectors, import};
use anyhow::Context;
use std::path::Path;

/// Multiply-accumulates that a comparison with the file's graph may take.
const MOST_MACS: u64 = 20_000_000_000;
/// Values of feature maps that a comparison with the file's graph may hold.
const MOST_VALUES: usize = 1 << 26;
/// Images that are compared with the file's graph.
const COMPARED: usize = 16;

/// Compares the network with the reference answers, if there are any, and with the file's graph.
pub(super) fn checks(
    check_file: Option<&Path>,
    imported: &Imported,
    options: &Options,
    data: Option<&Dataset>,
) -> anyhow::Result<Vec<Check>> {
    let check = |against: String, comparison: Comparison| Check {
        against,
        comparison,
        passes: comparison.passes(),
        is_saturated: comparison.is_saturated(),
    };
    let mut checks = Vec::new();
    if let (Some(path), Some(vectors)) = (check_file, &options.vectors) {
        let comparison = imported.against(vectors);
        let comparison = comparison.with_context(|| path.display().to_string())?;
        checks.push(check(
            format!("{} (reference answers)", path.display()),
            comparison,
        ));
    }
    let (images, what) = match data {
        Some(data) if !data.test.is_empty() => (data.test.sample(compared(imported)).images, "test images"),
        _ => (imported.noise(compared(imported), 1), "random inputs"),
    };
    let comparison = imported.against_graph(&images);
    checks.push(check(
        format!("{}, on {what}", imported.graph_is_of()),
        comparison,
    ));
    Ok(checks)
}

/// Returns the number of images that are compared with the file's graph: fewer for a large network.
fn compared(imported: &Imported) -> usize {
    let spec = &imported.network.spec;
    let values: usize = spec
        .maps()
        .blocks
        .iter()
        .map(|map| map.pixels() * map.channels)
        .sum();
    let most = usize::try_from(MOST_MACS / spec.macs().max(1)).unwrap_or(COMPARED);
    most.min(MOST_VALUES / values.max(1)).clamp(1, COMPARED)
}

/// Returns the likely cause of a difference from the reference answers, as the end of a message.
pub(super) fn advice(file: &Path, imported: &Imported, options: &Options, failed: &Comparison) -> String {
    if imported.structure == Structure::Assumed
        && let Some(flags) = options
            .vectors
            .as_ref()
            .and_then(|vectors| agreeing(file, options, vectors))
    {
        return format!(". With {flags} they agree");
    }
    let is_close = failed.share() <= Precision::BFloat16.bar();
    if is_close && options.tolerance.is_none() && failed.precision == Precision::Float32 {
        return ". If the answers were computed in TF32 (a GPU's default) or in half precision, --tolerance 1e-2 allows for it"
            .into();
    }
    if failed.share() > Precision::Float16.bar() && options.vectors.is_some() {
        return ". The usual causes: answers of a network in training mode (PyTorch: call eval()), or `x` before its preprocessing"
            .into();
    }
    String::new()
}

/// A value of a flag, and the function that sets it.
type Choice = (&'static str, fn(&mut Assumed));

/// Returns the shortest flags with which a state dict agrees with the reference answers, if there are any.
fn agreeing(file: &Path, options: &Options, vectors: &Vectors) -> Option<String> {
    let given = options.assumed;
    let mut others: Vec<(String, Assumed)> = vec![(String::new(), given)];
    let mut vary = |name: &str, values: &[Choice]| {
        for (text, known) in others.clone() {
            for (value, set) in values {
                let mut other = known;
                set(&mut other);
                others.push((format!("{text} {name} {value}").trim_start().to_owned(), other));
            }
        }
    };
    if given.stem_pool.is_none() {
        vary("--stem-pool", &[("none", |other| other.stem_pool = Some(false))]);
    }
    if given.stem_stride.is_none() {
        let strides: [Choice; 2] = [
            ("1", |other| other.stem_stride = Some(1)),
            ("2", |other| other.stem_stride = Some(2)),
        ];
        vary("--stem-stride", &strides);
    }
    if given.epsilon.is_none() {
        vary("--epsilon", &[("1e-3", |other| other.epsilon = Some(1e-3))]);
    }
    if given.transition_relu.is_none() {
        vary(
            "--transition-relu",
            &[("no", |other| other.transition_relu = Some(false))],
        );
    }
    if given.head_relu.is_none() {
        vary("--head-relu", &[("no", |other| other.head_relu = Some(false))]);
    }
    others.sort_by_key(|(text, _)| text.len());
    let agrees = |assumed: Assumed| {
        let options = Options {
            assumed,
            ..options.clone()
        };
        let found = import(file, &options).ok()?.against(vectors).ok()?;
        Some(found.passes() && !found.is_saturated())
    };
    let found = others
        .into_iter()
        .skip(1)
        .find(|(_, assumed)| agrees(*assumed) == Some(true));
    found.map(|(text, _)| text)
}
