//! Errors of a network description.

use super::{Maps, Spec};
use denselet::layout::stride;
use denselet::limits;
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

fn count(field: impl Into<String>, value: usize, most: usize) -> Result<(), SpecError> {
    if (1..=most).contains(&value) {
        return Ok(());
    }
    Err(SpecError::field(
        field,
        format!("a whole number from 1 to {most}"),
        value,
    ))
}

/// What blocks of so many layers have to offer: checked before anything is made of them.
pub(super) fn check_stages(blocks: usize, layers: usize) -> Result<(), SpecError> {
    // A transition for each block, and the head.
    if blocks.saturating_add(layers) < limits::STAGES {
        return Ok(());
    }
    Err(SpecError::field(
        "blocks",
        format!("fewer than {} layers and blocks in all", limits::STAGES),
        format!("{layers} layers in {blocks} blocks"),
    ))
}

/// A map of an image, channels as they lie in memory.
fn check_map(field: impl Into<String>, pixels: usize, channels: usize) -> Result<(), SpecError> {
    if pixels.saturating_mul(stride(channels)) <= limits::MAP {
        return Ok(());
    }
    Err(SpecError::field(
        field,
        format!(
            "a map of at most {} values, its channels rounded up to a multiple of 4",
            limits::MAP
        ),
        format!("{pixels} pixels of {channels} channels"),
    ))
}

pub(super) fn check(spec: &Spec) -> Result<(), SpecError> {
    check_stages(
        spec.blocks.len(),
        spec.blocks.iter().map(|block| block.layers.len()).sum(),
    )?;
    count("input.height", spec.input.height, limits::SIDE)?;
    count("input.width", spec.input.width, limits::SIDE)?;
    count("input.channels", spec.input.channels, limits::SIDE)?;
    check_map("input", spec.input.height * spec.input.width, spec.input.channels)?;
    count("classes", spec.classes, limits::CHANNELS)?;
    if spec.classes < 2 {
        return Err(SpecError::field("classes", "at least 2", spec.classes));
    }
    let stem = &spec.stem;
    count("stem.kernel_height", stem.kernel_height, limits::STEM_KERNEL)?;
    count("stem.kernel_width", stem.kernel_width, limits::STEM_KERNEL)?;
    count("stem.stride", stem.stride, limits::STEM_STRIDE)?;
    count("stem.filters", stem.filters, limits::CHANNELS)?;
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
        return Err(SpecError::field("stem.norm", "true before the max pool", false));
    }
    if stem.pool_same && !stem.pool {
        return Err(SpecError::field(
            "stem.pool_same",
            "false without a max pool",
            true,
        ));
    }
    if spec.blocks.is_empty() {
        return Err(SpecError::field("blocks", "at least one dense block", "none"));
    }
    let mut channels = stem.filters;
    for (b, block) in spec.blocks.iter().enumerate() {
        for (l, layer) in block.layers.iter().enumerate() {
            count(format!("blocks[{b}].widths[{l}]"), layer.growth, limits::CHANNELS)?;
            if let Some(bottleneck) = layer.bottleneck {
                count(
                    format!("blocks[{b}].bottlenecks[{l}]"),
                    bottleneck,
                    limits::CHANNELS,
                )?;
            }
            channels += layer.growth;
        }
        count(
            format!("blocks[{b}] (channels at its end)"),
            channels,
            limits::CHANNELS,
        )?;
        if let Some(outputs) = block.transition {
            count(format!("blocks[{b}].transition"), outputs, limits::CHANNELS)?;
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
                "none if the feature map has a side of one pixel",
                format!("a map of {}x{}", map.height, map.width),
            ));
        }
    }
    check_products(spec, &maps)
}

/// Products of sides that are in range: what is reserved and computed for one image.
fn check_products(spec: &Spec, maps: &Maps) -> Result<(), SpecError> {
    check_map("stem", maps.stem.pixels(), maps.stem.channels)?;
    for (b, (block, map)) in spec.blocks.iter().zip(&maps.blocks).enumerate() {
        check_map(format!("blocks[{b}]"), map.pixels(), map.channels)?;
        let widest = block.layers.iter().filter_map(|layer| layer.bottleneck).max();
        check_map(
            format!("blocks[{b}].bottlenecks"),
            map.pixels(),
            widest.unwrap_or(0),
        )?;
    }
    let counts = [
        ("multiply-accumulates", spec.macs(), limits::MACS),
        ("parameters", spec.parameters() as u64, limits::PARAMETERS),
    ];
    for (what, found, most) in counts {
        if found > most {
            return Err(SpecError::field(
                format!("blocks ({what} in all)"),
                format!("at most {most}"),
                found,
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
    fn sides_and_their_products_are_bounded() {
        assert!(
            message(|s| s.input.height = 65_536)
                .contains("`input.height`: expected a whole number from 1 to 4096")
        );
        assert!(message(|s| s.stem.kernel_height = 16).contains("`stem.kernel_height`"));
        assert!(message(|s| s.stem.stride = 5).contains("`stem.stride`"));
        assert!(message(|s| s.classes = 65_536).contains("`classes`"));
        let large = |s: &mut Spec, channels| {
            s.input.height = 4096;
            s.input.width = 4096;
            s.input.channels = channels;
        };
        assert!(message(|s| large(s, 5)).contains("`input`: expected a map of at most"));
        assert!(message(|s| large(s, 1)).contains("`stem`: expected a map"));
        let many = |s: &mut Spec| s.blocks = vec![s.blocks[1].clone(); 5000];
        assert!(message(many).contains("`blocks`: expected fewer than 4096"));
        let wide = |s: &mut Spec| {
            for layer in s.blocks.iter_mut().flat_map(|block| &mut block.layers) {
                layer.bottleneck = Some(65_535);
                layer.growth = 500;
            }
        };
        assert!(message(wide).contains("`blocks (parameters in all)`"));
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
