//! What can be wrong with a network description; belongs to the first stage.

use super::Spec;
use std::path::PathBuf;

/// Why a network description is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// A field has a value that makes no network.
    #[error("network field `{field}`: expected {expected}, found {found}")]
    Field {
        /// Path of the field, as written in TOML.
        field: String,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The text is not the TOML that was expected; the message names the line and the field.
    #[error("network description: {0}")]
    Syntax(#[from] toml::de::Error),
    /// A network's file holds something else than a network.
    #[error("{}: {error}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: Box<SpecError>,
    },
    /// Neither a preset nor a file.
    #[error("network `{name}`: expected a TOML file or one of {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// All presets.
        known: String,
    },
    /// The file cannot be read.
    #[error("network file {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl SpecError {
    pub(super) fn field(field: impl Into<String>, expected: impl Into<String>, found: impl ToString) -> Self {
        Self::Field {
            field: field.into(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }
}

/// Largest count of anything: sizes stay far from overflow in every later product.
const LARGEST: usize = 1 << 16;

fn count(field: impl Into<String>, value: usize) -> Result<(), SpecError> {
    if (1..=LARGEST).contains(&value) {
        return Ok(());
    }
    Err(SpecError::field(
        field,
        format!("a whole number from 1 to {LARGEST}"),
        value,
    ))
}

pub(super) fn check(spec: &Spec) -> Result<(), SpecError> {
    count("input.height", spec.input.height)?;
    count("input.width", spec.input.width)?;
    count("input.channels", spec.input.channels)?;
    count("classes", spec.classes)?;
    if spec.classes < 2 {
        return Err(SpecError::field("classes", "at least 2", spec.classes));
    }
    let stem = &spec.stem;
    count("stem.kernel_height", stem.kernel_height)?;
    count("stem.kernel_width", stem.kernel_width)?;
    count("stem.stride", stem.stride)?;
    count("stem.filters", stem.filters)?;
    for (name, pad, kernel) in [
        ("pad_top", stem.pad_top, stem.kernel_height),
        ("pad_bottom", stem.pad_bottom, stem.kernel_height),
        ("pad_left", stem.pad_left, stem.kernel_width),
        ("pad_right", stem.pad_right, stem.kernel_width),
    ] {
        if pad >= kernel {
            return Err(SpecError::field(
                format!("stem.{name}"),
                format!("less than the kernel's {kernel}"),
                pad,
            ));
        }
    }
    if stem.pool && !stem.norm {
        return Err(SpecError::field(
            "stem.norm",
            "true in front of the max pool",
            false,
        ));
    }
    if spec.blocks.is_empty() {
        return Err(SpecError::field("blocks", "at least one dense block", "none"));
    }
    let mut channels = stem.filters;
    for (b, block) in spec.blocks.iter().enumerate() {
        for (l, layer) in block.layers.iter().enumerate() {
            count(format!("blocks[{b}].widths[{l}]"), layer.growth)?;
            if let Some(bottleneck) = layer.bottleneck {
                count(format!("blocks[{b}].bottlenecks[{l}]"), bottleneck)?;
            }
            channels += layer.growth;
        }
        count(format!("blocks[{b}] (channels at its end)"), channels)?;
        if let Some(outputs) = block.transition {
            count(format!("blocks[{b}].transition"), outputs)?;
            channels = outputs;
        }
    }
    if !(0.0..1.0).contains(&spec.dropout) {
        return Err(SpecError::field(
            "dropout",
            "a probability from 0 to below 1",
            spec.dropout,
        ));
    }
    if !(spec.epsilon > 0.0 && spec.epsilon <= 1.0) {
        return Err(SpecError::field("epsilon", "above 0 and at most 1", spec.epsilon));
    }
    let rows = spec.input.height + stem.pad_top + stem.pad_bottom;
    if rows < stem.kernel_height {
        return Err(SpecError::field(
            "input.height",
            format!("at least the stem's {} rows", stem.kernel_height),
            spec.input.height,
        ));
    }
    let columns = spec.input.width + stem.pad_left + stem.pad_right;
    if columns < stem.kernel_width {
        return Err(SpecError::field(
            "input.width",
            format!("at least the stem's {} columns", stem.kernel_width),
            spec.input.width,
        ));
    }
    let maps = spec.maps();
    for (b, (block, map)) in spec.blocks.iter().zip(&maps.blocks).enumerate() {
        let shrinks = block.transition.is_some();
        if shrinks && (map.width < 2 || (spec.input.height > 1 && map.height < 2)) {
            return Err(SpecError::field(
                format!("blocks[{b}].transition"),
                "none where the feature map has a side of one pixel",
                format!("a map of {}x{}", map.height, map.width),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(change: impl Fn(&mut Spec)) -> String {
        let mut spec = Spec::load("digits").unwrap();
        change(&mut spec);
        spec.check().unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_field() {
        assert_eq!(
            message(|s| s.classes = 1),
            "network field `classes`: expected at least 2, found 1"
        );
        assert!(message(|s| s.blocks[1].layers[2].growth = 0).contains("`blocks[1].widths[2]`"));
        assert!(message(|s| s.dropout = 1.0).contains("`dropout`"));
        assert!(message(|s| s.epsilon = f32::NAN).contains("`epsilon`"));
        assert!(message(|s| s.stem.pad_left = 3).contains("`stem.pad_left`"));
        assert!(message(|s| s.input.height = usize::MAX).contains("`input.height`"));
        assert!(message(|s| s.input.width = 1).contains("`blocks[0].transition`"));
        assert!(message(|s| s.blocks.clear()).contains("`blocks`"));
    }

    #[test]
    fn unknown_names_list_the_presets() {
        let error = Spec::load("nosuch").unwrap_err().to_string();
        assert!(
            error.contains("densenet-121") && error.contains("digits"),
            "{error}"
        );
        assert!(matches!(Spec::load("/nosuch.toml"), Err(SpecError::Read { .. })));
    }
}
