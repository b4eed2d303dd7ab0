//! The short TOML form of a network, resolved to a [`Spec`].

use super::error::check_stages;
use super::{Block, Input, Layer, Spec, SpecError, Stem};
use serde::Deserialize;
use serde::de::{self, MapAccess, Visitor};
use std::fmt;

/// The text as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    pub(super) name: Option<String>,
    /// Absent: the data's.
    pub(super) input: Option<Input>,
    /// Absent: the data's.
    pub(super) classes: Option<usize>,
    #[serde(default)]
    stem: StemForm,
    blocks: Vec<BlockForm>,
    growth: Option<usize>,
    #[serde(default)]
    bottleneck: bool,
    bottleneck_multiple: Option<usize>,
    theta: Option<f64>,
    #[serde(default = "yes")]
    final_norm: bool,
    #[serde(default)]
    dropout: f32,
    epsilon: Option<f32>,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct StemForm {
    kernel: Option<usize>,
    stride: Option<usize>,
    filters: Option<usize>,
    padding: Option<bool>,
    max_pool: Option<PoolForm>,
}

/// Whether a max pool follows the stem: if so, padded on every side or as `same`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected true, false or \"same\"")]
enum PoolForm {
    Is(bool),
    Named(PoolName),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PoolName {
    Same,
}

/// A number of layers, or every width of one block.
#[derive(Debug)]
enum BlockForm {
    Layers(usize),
    Widths(WidthsForm),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WidthsForm {
    widths: Vec<usize>,
    bottlenecks: Option<Vec<usize>>,
    /// Output channels of the transition; 0: none; absent: the ordinary rule.
    transition: Option<usize>,
    /// Whether the transition has no batch norm and no ReLU.
    #[serde(default)]
    linear: bool,
}

impl<'de> Deserialize<'de> for BlockForm {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = BlockForm;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of layers or a table with `widths`")
            }

            fn visit_i64<E: de::Error>(self, layers: i64) -> Result<BlockForm, E> {
                usize::try_from(layers)
                    .map(BlockForm::Layers)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(layers), &self))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<BlockForm, A::Error> {
                WidthsForm::deserialize(de::value::MapAccessDeserializer::new(map)).map(BlockForm::Widths)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Reads the text.
pub(super) fn read(text: &str) -> Result<Form, SpecError> {
    Ok(toml::from_str(text)?)
}

/// Works out every width of a network with this input and as many classes.
pub(super) fn resolve(form: &Form, name: &str, input: Input, classes: usize) -> Result<Spec, SpecError> {
    let theta = form.theta.unwrap_or(1.0);
    if !(theta > 0.0 && theta <= 1.0) {
        return Err(SpecError::field("theta", "above 0 and at most 1", theta));
    }
    if let (false, Some(multiple)) = (form.bottleneck, form.bottleneck_multiple) {
        return Err(SpecError::field(
            "bottleneck_multiple",
            "absent where `bottleneck` is off",
            multiple,
        ));
    }
    let stem = stem(form, input)?;

    let written = form.blocks.iter().map(|block| match block {
        BlockForm::Layers(count) => *count,
        BlockForm::Widths(widths) => widths.widths.len(),
    });
    check_stages(form.blocks.len(), written.fold(0, usize::saturating_add))?;
    let mut channels = stem.filters;
    let mut blocks = Vec::with_capacity(form.blocks.len());
    for (b, written) in form.blocks.iter().enumerate() {
        let layers = layers(form, b, written)?;
        channels = layers
            .iter()
            .fold(channels, |sum, l| sum.saturating_add(l.growth));
        let last = b + 1 == form.blocks.len();
        let transition = match written {
            BlockForm::Widths(WidthsForm {
                transition: Some(outputs),
                ..
            }) => (*outputs > 0).then_some(*outputs),
            _ => (!last).then(|| compress(theta, channels)),
        };
        channels = transition.unwrap_or(channels);
        let linear = matches!(written, BlockForm::Widths(WidthsForm { linear: true, .. }));
        if linear && transition.is_none() {
            return Err(SpecError::field(
                format!("blocks[{b}].linear"),
                "absent without a transition",
                linear,
            ));
        }
        blocks.push(Block {
            layers,
            transition,
            linear,
        });
    }
    Ok(Spec {
        name: form.name.clone().unwrap_or_else(|| name.to_owned()),
        input,
        classes,
        stem,
        blocks,
        final_norm: form.final_norm,
        dropout: form.dropout,
        epsilon: form.epsilon.unwrap_or(1e-5),
    })
}

/// floor(theta * channels); the small allowance keeps 0.1 * 30 at 3.
fn compress(theta: f64, channels: usize) -> usize {
    (theta * channels as f64 + 1e-9).floor() as usize
}

fn stem(form: &Form, input: Input) -> Result<Stem, SpecError> {
    let written = &form.stem;
    let kernel = written.kernel.unwrap_or(3);
    let stride = written.stride.unwrap_or(1);
    let max_pool = written
        .max_pool
        .map_or(kernel == 7, |pool| pool != PoolForm::Is(false));
    match (kernel, stride, max_pool) {
        (3, 1 | 2, false) | (7, 2, true) => {}
        (3, 1 | 2, true) => {
            return Err(SpecError::field("stem.max_pool", "false with a 3x3 stem", true));
        }
        (7, 2, false) => {
            return Err(SpecError::field("stem.max_pool", "true with a 7x7 stem", false));
        }
        (3, ..) => return Err(SpecError::field("stem.stride", "1 or 2", stride)),
        (7, ..) => return Err(SpecError::field("stem.stride", "2 with a 7x7 stem", stride)),
        _ => return Err(SpecError::field("stem.kernel", "3 or 7", kernel)),
    }
    let filters = match (written.filters, form.growth) {
        (Some(filters), _) => filters,
        (None, Some(growth)) if form.bottleneck => growth.saturating_mul(2),
        (None, _) => 16,
    };
    let pad = if written.padding.unwrap_or(true) {
        kernel / 2
    } else {
        0
    };
    let flat = input.height == 1;
    Ok(Stem {
        kernel_height: if flat { 1 } else { kernel },
        kernel_width: kernel,
        stride,
        pad_top: if flat { 0 } else { pad },
        pad_left: pad,
        pad_bottom: if flat { 0 } else { pad },
        pad_right: pad,
        filters,
        norm: max_pool,
        pool: max_pool,
        pool_same: written.max_pool == Some(PoolForm::Named(PoolName::Same)),
    })
}

fn layers(form: &Form, b: usize, written: &BlockForm) -> Result<Vec<Layer>, SpecError> {
    let multiple = form.bottleneck_multiple.unwrap_or(4);
    let bottleneck = |growth: usize| form.bottleneck.then(|| growth.saturating_mul(multiple));
    match written {
        BlockForm::Layers(count) => {
            if *count == 0 {
                return Err(SpecError::field(
                    format!("blocks[{b}]"),
                    "at least 1 layer",
                    count,
                ));
            }
            let growth = form
                .growth
                .ok_or_else(|| SpecError::field("growth", "the growth rate of counted layers", "nothing"))?;
            Ok(vec![
                Layer {
                    growth,
                    bottleneck: bottleneck(growth)
                };
                *count
            ])
        }
        BlockForm::Widths(WidthsForm {
            widths,
            bottlenecks: None,
            ..
        }) => Ok(widths
            .iter()
            .map(|&g| Layer {
                growth: g,
                bottleneck: bottleneck(g),
            })
            .collect()),
        BlockForm::Widths(WidthsForm {
            widths,
            bottlenecks: Some(bottlenecks),
            ..
        }) => {
            if widths.len() != bottlenecks.len() {
                return Err(SpecError::field(
                    format!("blocks[{b}].bottlenecks"),
                    format!("one for each of the {} widths", widths.len()),
                    bottlenecks.len(),
                ));
            }
            // Zero means that this layer has none.
            let pair = |(&growth, &b): (&usize, &usize)| Layer {
                growth,
                bottleneck: (b > 0).then_some(b),
            };
            Ok(widths.iter().zip(bottlenecks).map(pair).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "classes = 3\ngrowth = 4\nblocks = [2, { widths = [3, 5], bottlenecks = [0, 7] }]\n\
        bottleneck = true\ntheta = 0.5\n[input]\nheight = 9\nwidth = 9\nchannels = 2\n";

    #[test]
    fn short_and_general_form_mix() {
        let spec = Spec::parse(SMALL, "small").unwrap();
        assert_eq!(spec.name, "small");
        assert_eq!(spec.stem.filters, 8);
        assert_eq!(
            spec.blocks[0].layers[1],
            Layer {
                growth: 4,
                bottleneck: Some(16)
            }
        );
        assert_eq!(spec.blocks[0].transition, Some(8));
        assert_eq!(
            spec.blocks[1].layers[0],
            Layer {
                growth: 3,
                bottleneck: None
            }
        );
        assert_eq!(
            spec.blocks[1].layers[1],
            Layer {
                growth: 5,
                bottleneck: Some(7)
            }
        );
        assert_eq!(spec.blocks[1].transition, None);
    }

    #[test]
    fn height_one_makes_a_one_dimensional_network() {
        let spec = Spec::parse(&SMALL.replace("height = 9", "height = 1"), "flat").unwrap();
        assert_eq!(
            (spec.stem.kernel_height, spec.stem.pad_top, spec.stem.pad_left),
            (1, 0, 1)
        );
        assert_eq!(spec.maps().blocks[1].height, 1);
        assert_eq!(spec.maps().blocks[1].width, 4);
    }

    #[test]
    fn mistakes_name_their_field() {
        let message = |from: &str, to: &str| {
            let text = SMALL.replace(from, to);
            assert_ne!(text, SMALL);
            Spec::parse(&text, "bad").unwrap_err().to_string()
        };
        assert!(message("theta = 0.5", "theta = 1.5").contains("`theta`: expected above 0"));
        assert!(message("growth = 4", "").contains("`growth`"));
        assert!(message("growth = 4", "grwoth = 4").contains("grwoth"));
        assert!(message("[2,", "[-2,").contains("-2"));
        assert!(message("[2,", "[9999999,").contains("`blocks`: expected fewer than"));
        assert!(message("[2,", &format!("[{}", "9223372036854775807, ".repeat(9))).contains("`blocks`"));
        let many = message("[2,", &format!("[{}", "1024, ".repeat(150_000)));
        assert!(many.contains("153600002 layers in 150001 blocks"), "{many}");
        assert!(message("[0, 7]", "[7]").contains("`blocks[1].bottlenecks`"));
        assert!(message("[input]", "stem = { kernel = 5 }\n[input]").contains("`stem.kernel`"));
        assert!(message("[input]", "stem = { stride = 3 }\n[input]").contains("`stem.stride`"));
        assert!(message("classes = 3", "classes = \"many\"").contains("classes"));
    }

    #[test]
    fn compression_floors_without_losing_a_whole_number() {
        assert_eq!(compress(0.1, 30), 3);
        assert_eq!(compress(0.5, 97), 48);
        assert_eq!(compress(1.0, 97), 97);
    }
}
