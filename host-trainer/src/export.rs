//! A quantised network into a blob: sections in the format's order, then the plan's arena length. After packing; what comes
//! out is what flash holds.

use crate::about::About;
use crate::blob::Blob;
use crate::calibrate::{Ranges, calibrate};
use crate::code::{self, Coding};
pub use crate::export_error::ExportError;
use crate::fold::{Folded, fold};
use crate::grid::Precision;
use crate::means::Means;
use crate::metadata::fields;
use crate::net::Network;
use crate::pack::{Taps, pack};
use crate::quantise::{QuantiseError, Quantised, QuantisedConv, QuantisedGate, Scale, fit, quantise};
pub use crate::spec::Geometry;
use crate::stages::Stage;
use denselet::format::{self, Codec, Field, Header, Kind, Section, StageBytes};
use denselet::layout::Order;
use denselet::shape::Shape;
use half::f16;
use std::collections::BTreeMap;

/// Folds, calibrates on `images` (NHWC bytes of the training split, whole images), quantises, packs and writes.
///
/// # Errors
/// Returns an error if the network has parameters that are not finite, or is too large for the format.
pub fn export(
    network: &Network,
    images: &[u8],
    order: Order,
    about: Option<&About>,
) -> Result<Vec<u8>, ExportError> {
    write(&quantised(network, images)?, order.into(), about)
}

/// Folds, calibrates and quantises: [`export`] without the blob.
///
/// # Errors
/// Returns an error if the network has parameters that are not finite.
pub fn quantised(network: &Network, images: &[u8]) -> Result<Quantised, QuantiseError> {
    quantise(&fold(network), &calibrate(network, images))
}

/// [`quantised`] with weights of so many bits, their steps fitted and biases corrected.
///
/// # Errors
/// Returns an error if the network has parameters that are not finite.
pub fn quantised_to(bits: u8, network: &Network, images: &[u8]) -> Result<Quantised, QuantiseError> {
    Calibrated::new(network, images).quantise(bits.into())
}

/// A network between calibration and rounding.
#[derive(Debug)]
pub struct Calibrated {
    folded: Folded,
    ranges: Ranges,
    means: Means,
}

/// Bits of the integers whose steps are made coarser: the most that codes take.
const FINEST: u8 = 7;
/// Powers of two that a step grows by at most.
const COARSEST: f32 = 6.0;
/// Halvings of the interval in which the step is searched.
const HALVINGS: usize = 12;

impl Calibrated {
    /// Folds and calibrates on `images` (NHWC bytes of the training split, whole images).
    pub fn new(network: &Network, images: &[u8]) -> Self {
        let folded = fold(network);
        Self {
            ranges: calibrate(network, images),
            means: Means::of(network, &folded, images),
            folded,
        }
    }

    /// The integers of a precision, biases corrected.
    ///
    /// # Errors
    /// Returns an error if the network has parameters that are not finite.
    pub fn quantise(&self, precision: Precision) -> Result<Quantised, QuantiseError> {
        let mut folded = self.folded.clone();
        fit(&mut folded, &self.ranges, &self.means, precision)?;
        quantise(&folded, &self.ranges)
    }

    /// The finest integers whose stripped blob has at most `bytes` bytes: one factor makes the steps of all filters coarser.
    /// Without such integers, the bytes of the coarsest ones.
    ///
    /// # Errors
    /// As [`quantise`](Self::quantise) and [`write`](fn@write).
    pub fn within(&self, bytes: usize, form: Form) -> Result<Result<Quantised, usize>, ExportError> {
        let at = |power: f32| -> Result<(Quantised, usize), ExportError> {
            let quantised = self.quantise(Precision {
                bits: FINEST,
                coarser: power.exp2(),
            })?;
            let len = write(&quantised, form, None)?.len();
            Ok((quantised, len))
        };
        let (finest, len) = at(0.0)?;
        if len <= bytes {
            return Ok(Ok(finest));
        }
        let (mut best, len) = at(COARSEST)?;
        if len > bytes {
            return Ok(Err(len));
        }
        let (mut fine, mut coarse) = (0.0, COARSEST);
        for _ in 0..HALVINGS {
            let middle = (fine + coarse) / 2.0;
            let (found, len) = at(middle)?;
            if len <= bytes {
                (best, coarse) = (found, middle);
            } else {
                fine = middle;
            }
        }
        Ok(Ok(best))
    }
}

/// How a blob stores its weights.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// Their order.
    pub order: Order,
    /// Their code.
    pub coding: Coding,
}

impl From<Order> for Form {
    /// In the code that suits each array.
    fn from(order: Order) -> Self {
        Self {
            order,
            coding: Coding::Auto,
        }
    }
}

/// Writes a quantised network as a blob with metadata; as a stripped one without `about`.
///
/// # Errors
/// Returns an error if a number does not fit the format, or `about` has other classes or channels than the network.
pub fn write(quantised: &Quantised, form: Form, about: Option<&About>) -> Result<Vec<u8>, ExportError> {
    let Form { order, coding } = form;
    let mut geometry = Geometry::of(&quantised.spec);
    geometry.order = order;
    let walk = geometry.walk();
    let mut stages = Vec::new();
    for (index, (stage, (kind, input))) in quantised.stages.iter().zip(walk).enumerate() {
        check_scales(index, stage)?;
        let mut arrays = sections(stage, kind, input, order);
        let mut codecs = [Codec::Raw; 2];
        match index.checked_sub(1) {
            // The stem's weights stay raw.
            None => put(&mut arrays, Section::Padding, quantised.padding.clone()),
            Some(nth) => {
                codecs = encode(&mut arrays, coding);
                geometry.stages[nth].codecs = codecs;
            }
        }
        stages.push((kind, input, codecs, arrays));
    }
    let views = stages.iter().map(|(kind, input, codecs, arrays)| StageBytes {
        kind: *kind,
        input: *input,
        codecs: *codecs,
        sections: Section::ALL
            .map(|section| arrays.get(&(section as u8)).map_or(&[] as &[u8], Vec::as_slice)),
    });
    let header = Header {
        order,
        arena_len: 0,
        input: geometry.input,
        stem: geometry.stem,
        stages: geometry.stages.len(),
        scale: quantised
            .stages
            .last()
            .and_then(|stage| stage.conv().scales.first())
            .map_or(f16::ONE, half),
    };
    let metadata = match about {
        Some(about) => fields(about, &quantised.spec, scales(quantised))?,
        None => BTreeMap::new(),
    };
    let fields: Vec<_> = metadata
        .iter()
        .map(|(&tag, bytes)| Field { tag, bytes })
        .collect();
    let mut blob = vec![0; format::len(views.clone(), &fields)?];
    format::write(&header, views, &fields, &mut blob)?;
    let plan = geometry.plan().ok_or(denselet::FormatError::TooLarge)?;
    format::set_arena_len(&mut blob, plan.arena_len)?;
    Blob::new(&blob)?;
    Ok(blob)
}

/// Codes a stage's arrays of weights, and returns how.
fn encode(arrays: &mut Arrays, coding: Coding) -> [Codec; 2] {
    [Section::BottleneckWeights, Section::Weights].map(|section| {
        let Some(array) = arrays.get_mut(&(section as u8)) else {
            return Codec::Raw;
        };
        let weights: Vec<i8> = array.iter().map(|byte| byte.cast_signed()).collect();
        let (codec, bytes) = code::code(coding, &weights);
        *array = bytes;
        codec
    })
}

/// Whether every scale of a stage can be written.
fn check_scales(index: usize, stage: &QuantisedStage) -> Result<(), ExportError> {
    let mut scales = stage
        .convs()
        .flat_map(|conv| &conv.scales)
        .map(|scale| scale.scale);
    match scales.find(|scale| !f16::from_f32(*scale).is_finite()) {
        Some(scale) => Err(ExportError::Scale { stage: index, scale }),
        None => Ok(()),
    }
}

type Arrays = BTreeMap<u8, Vec<u8>>;
type QuantisedStage = Stage<QuantisedGate, QuantisedConv>;

/// A stage's arrays by section.
fn sections(stage: &QuantisedStage, kind: Kind, input: Shape, order: Order) -> Arrays {
    let mut arrays = Arrays::new();
    let (gate, bottleneck, conv) = stage.as_ref().into_parts();
    let taps = match gate {
        Some(gate) => {
            put_gate(&mut arrays, gate);
            Taps::Strided
        }
        None => Taps::Close,
    };
    if let Some(first) = bottleneck {
        let length = denselet::layout::stride(input.channels);
        let weights = pack(first, Taps::Strided, order, length);
        put(&mut arrays, Section::BottleneckWeights, weights);
        put(&mut arrays, Section::BottleneckBias, words(&first.bias));
        put(
            &mut arrays,
            Section::BottleneckMultiplier,
            words(&first.multiplier),
        );
    }
    let length = format::filter_len(kind, input).unwrap_or(0);
    put(&mut arrays, Section::Weights, pack(conv, taps, order, length));
    put(&mut arrays, Section::Bias, words(&conv.bias));
    put(&mut arrays, Section::Multiplier, words(&conv.multiplier));
    arrays
}

fn put(arrays: &mut Arrays, section: Section, bytes: Vec<u8>) {
    arrays.insert(section as u8, bytes);
}

/// Channels that only fill up a group are always off.
fn put_gate(arrays: &mut Arrays, gate: &QuantisedGate) {
    let stride = denselet::layout::stride(gate.mask.len());
    let filled = |values: &[u8], filling| {
        let mut values = values.to_vec();
        values.resize(stride, filling);
        values
    };
    put(arrays, Section::Mask, filled(&gate.mask, 0));
    put(arrays, Section::Threshold, filled(&gate.threshold, 255));
}

fn words(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A scale as the blob holds it. A channel that is always 0 has a step below the smallest of a half.
fn half(scale: &Scale) -> f16 {
    f16::from_f32(scale.scale).max(f16::MIN_POSITIVE_SUBNORMAL)
}

/// Scale and zero point of every stored channel, in the order of the metadata's field.
fn scales(quantised: &Quantised) -> Vec<u8> {
    let pairs = quantised.stages.iter().flat_map(|stage| {
        let (_, first, conv) = stage.as_ref().into_parts();
        let first = first.into_iter().flat_map(|conv| &conv.scales[..1]);
        let head = matches!(stage, Stage::Head { .. });
        first
            .chain(if head { &[][..] } else { &conv.scales })
            .collect::<Vec<_>>()
    });
    let bytes = pairs.flat_map(|scale| {
        let zero = scale.zero.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        [half(scale).to_le_bytes(), zero.to_le_bytes()].concat()
    });
    bytes.collect()
}

/// Seeded bytes with some structure: neighbouring pixels are alike.
#[cfg(test)]
pub(crate) fn images(count: usize, len: usize) -> Vec<u8> {
    (0..count * len)
        .map(|n| ((n / 3) * 37 % 251) as u8 ^ (n / len * 29) as u8)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate;
    use crate::net::Normalisation;
    use crate::spec::Spec;
    use denselet::limits::STEM_KERNEL;

    /// Largest difference of int8 from float logits, as a part of the float logits' range.
    fn difference(mut spec: Spec, order: Order) -> f32 {
        spec.dropout = 0.0;
        let channels = spec.input.channels;
        let input = Normalisation {
            mean: vec![120.0; channels],
            std: vec![70.0; channels],
        };
        let mut network = Network::new(&spec, input, 3);
        // Statistics of an untrained network say nothing; give its batch norms slopes and offsets of both signs.
        for (index, block) in network.blocks.iter_mut().enumerate() {
            for (layer, norm) in block.layers.iter_mut().map(|layer| &mut layer.norm1).enumerate() {
                for (c, (gamma, beta)) in norm.gamma.iter_mut().zip(&mut norm.beta).enumerate() {
                    *gamma = if (c + layer + index).is_multiple_of(3) {
                        -0.8
                    } else {
                        1.1
                    };
                    *beta = [0.4, -0.3, 6.0, 0.0][(c + layer) % 4];
                }
            }
        }
        let images = images(24, spec.input.height * spec.input.width * channels);
        let blob = Blob::new(&export(&network, &images, order, None).unwrap()).unwrap();
        let float = network.logits(&images, 24);
        let integers = evaluate::logits(&blob, &images, &|_| {}).unwrap();
        let scale = blob.model().unwrap().header().scale.to_f32();
        let (min, max) = float
            .iter()
            .fold((f32::MAX, f32::MIN), |(min, max), &x| (min.min(x), max.max(x)));
        let differences = float
            .iter()
            .zip(&integers)
            .map(|(x, &n)| (x - n as f32 * scale).abs());
        differences.fold(0.0, f32::max) / (max - min)
    }

    #[test]
    fn integers_stay_close_to_floats_with_bottlenecks_and_without() {
        let text = "name = \"plain\"\nclasses = 5\nblocks = [3, 3]\ngrowth = 6\nbottleneck = false\ntheta = 1.0\n\
                    [input]\nheight = 12\nwidth = 12\nchannels = 3\n[stem]\nfilters = 10\n";
        let plain = Spec::parse(text, "plain").unwrap();
        // The largest stem that the format holds.
        let mut tall = plain.clone();
        (tall.stem.kernel_height, tall.stem.kernel_width) = (STEM_KERNEL, STEM_KERNEL);
        (tall.stem.pad_top, tall.stem.pad_left) = (7, 7);
        (tall.stem.pad_bottom, tall.stem.pad_right) = (7, 7);
        // A block without layers, and a transition at the end.
        let mut bare = plain.clone();
        bare.blocks[0].layers.clear();
        bare.blocks[1].transition = Some(7);
        bare.final_norm = false;
        bare.check().unwrap();
        let preset = |name| Spec::load(name).unwrap();
        for (spec, order) in [
            (preset("d4"), Order::Plain),
            (preset("d4"), Order::Pairs),
            (preset("d1"), Order::Plain),
            (plain, Order::Plain),
            (bare, Order::Plain),
            (tall.clone(), Order::Plain),
            (tall, Order::Quads),
        ] {
            let name = spec.name.clone();
            let difference = difference(spec, order);
            assert!(difference < 0.05, "{name} {order:?}: {difference}");
        }
    }
}
