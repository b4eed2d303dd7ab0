//! Sizes, stage by stage, of a network or of the blob it became. Beside the main path: reads, changes nothing.

use crate::blob::Blob;
use crate::board::{Ram, Table, order_name};
use crate::spec::{self, Geometry, Macs, Spec};
use denselet::codec::Codec;
use denselet::format::{self, Kind, Section, StageBytes};
use denselet::layout::{Order, TILE};
use denselet::plan::{HeadStep, LayerStep, Step, TransitionStep};
use denselet::shape::{Shape, StageShape, StemPool};
use serde::Serialize;

/// The sizes of a network, and what its blob holds about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sizes {
    /// Preset, file or blob.
    pub name: String,
    /// Trained parameters: weights, biases, batch-norm scales and offsets. Absent of a blob, which has no batch norms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<u64>,
    /// Weights and biases of the blob, whose batch norms are folded.
    pub folded_params: u64,
    /// Multiply-accumulates of one image as trained: [`Macs::as_trained`].
    pub macs: u64,
    /// Multiply-accumulates of one image as executed: [`Macs::as_executed`].
    pub macs_executed: u64,
    /// Bytes of RAM of a program that runs whole images, part by part.
    pub ram: Ram,
    /// Bytes of RAM an inference needs, input rows and all activations included.
    pub arena_bytes: usize,
    /// Bytes of flash of the blob.
    pub blob_bytes: usize,
    /// Order of the weights, in a blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<&'static str>,
    /// Bytes of these that an inference does not read.
    pub metadata_bytes: usize,
    /// Bytes of all arrays of weights, as they are stored.
    pub weight_bytes: usize,
    /// Bits that a weight takes of them on average.
    pub bits_per_weight: f64,
    /// Most bytes of arena that a stage's decoded weights take while it runs.
    pub window_bytes: usize,
    /// Most bytes of arena that a table to decode with takes, before the stage runs.
    pub table_bytes: usize,
    /// Names of the classes in the order of the logits; empty if they are not known.
    pub labels: Vec<String>,
    /// What the input's bytes are; empty if it is not known, as the texts that follow.
    pub input: String,
    /// Name of the network in a blob.
    pub network: String,
    /// How the blob was made.
    pub provenance: String,
    /// The accuracy that was measured when it was made.
    pub accuracy: String,
    /// The stage that needs the whole arena, by number.
    pub peak: usize,
    /// Stem, layers, transitions, head, in the order they run.
    pub layers: Vec<Row>,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Block and place in it, such as `block 1 layer 2`.
    pub name: String,
    /// What it computes.
    pub what: String,
    /// Height, width, channels of the map it reads.
    pub input: [usize; 3],
    /// Height, width, channels of the map after it.
    pub output: [usize; 3],
    /// Multiply-accumulates as executed.
    pub macs_executed: u64,
    /// Bytes of its parameters in a blob.
    pub bytes: usize,
    /// Bytes of these that are weights.
    pub weight_bytes: usize,
    /// Bits that a weight takes of them on average.
    pub bits_per_weight: f64,
    /// How its weights are stored: the bottleneck's, if it has one, and the others.
    pub codecs: Vec<&'static str>,
    /// Bytes of parameters that an inference reads from flash here: filters, biases and multipliers once for each tile
    /// of pixels, the clamp once for each pixel.
    pub flash_bytes_read: u64,
    /// Bytes of arena in use while it runs, from the bottom to the top.
    pub arena_bytes: usize,
}

/// A network as it would be exported in `order`; `None` if it is too large for this machine.
pub fn network(spec: &Spec, order: Order) -> Option<Sizes> {
    let geometry = Geometry::of(spec);
    let params = u64::try_from(spec.parameters()).ok()?;
    sizes(&spec.name, &Geometry { order, ..geometry }, Some(params), None)
}

/// A blob; `None` if it is too large for this machine.
pub fn blob(name: &str, blob: &Blob) -> Option<Sizes> {
    let model = blob.model().ok()?;
    let mut sizes = sizes(
        name,
        &Geometry::of_model(&model),
        None,
        Some(&format::Blob::read(blob.bytes()).ok()?),
    )?;
    let about = blob.about();
    sizes.blob_bytes = model.blob_len();
    sizes.metadata_bytes = model.metadata_len();
    sizes.labels = about.classes;
    sizes.input = about.input;
    sizes.network = about.name;
    sizes.provenance = about.provenance;
    sizes.accuracy = about.accuracy;
    Some(sizes)
}

fn sizes(
    name: &str,
    geometry: &Geometry,
    params: Option<u64>,
    blob: Option<&format::Blob<'_>>,
) -> Option<Sizes> {
    let order = geometry.order;
    let plan = geometry.plan()?;
    let steps = geometry.steps(&plan)?;
    let mut stored = blob.map(format::Blob::stages);
    let stack = Table::load().ok()?.stack_reserve;
    let mut sizes = Sizes {
        name: name.to_owned(),
        params,
        folded_params: 0,
        macs: 0,
        macs_executed: 0,
        ram: Ram::new(
            plan.arena_len,
            geometry.input.pixels() * geometry.input.channels,
            stack,
        ),
        arena_bytes: plan.arena_len,
        blob_bytes: format::HEADER_LEN + geometry.stages.len() * format::RECORD_LEN,
        order: blob.map(|_| order_name(order)),
        metadata_bytes: 0,
        weight_bytes: 0,
        bits_per_weight: 0.0,
        window_bytes: 0,
        table_bytes: 0,
        labels: Vec::new(),
        input: String::new(),
        network: String::new(),
        provenance: String::new(),
        accuracy: String::new(),
        peak: plan.peak,
        layers: Vec::new(),
    };
    let (mut block, mut layer) = (1, 0);
    let mut zeros = 0;
    let mut weights = 0;
    for ((kind, input), step) in geometry.walk().into_iter().zip(steps) {
        layer += 1;
        let mut bytes = 0;
        let stored = stored.as_mut().and_then(Iterator::next);
        let arrays = arrays(kind, input, order, stored.as_ref())?;
        // Masks are hardly ever stored: one run of zeros stands for them.
        for section in Section::ALL
            .into_iter()
            .filter(|section| *section != Section::Mask)
        {
            let len = match section {
                Section::BottleneckWeights | Section::Weights => 0,
                _ => format::section_len(section, order, kind, input)?,
            };
            bytes += len.next_multiple_of(format::ALIGN);
        }
        bytes += arrays.bytes;
        weights += arrays.weights;
        sizes.weight_bytes += arrays.bytes;
        if let Step::Layer(LayerStep { window, .. })
        | Step::Transition(TransitionStep { window, .. })
        | Step::Head(HeadStep { window, .. }) = &step
        {
            let [first, second] = &window.weights;
            sizes.window_bytes = sizes.window_bytes.max(first.len() + second.len());
            sizes.table_bytes = sizes.table_bytes.max(window.table.len());
        }
        zeros = zeros.max(format::section_len(Section::Mask, order, kind, input)?);
        let macs = Macs::of(kind, input);
        sizes.macs += macs.as_trained;
        sizes.macs_executed += macs.as_executed;
        sizes.folded_params += spec::folded_parameters(kind, input);
        sizes.blob_bytes += bytes;
        sizes.layers.push(Row {
            name: match kind {
                Kind::Stem(_) => "stem".to_owned(),
                Kind::Stage(StageShape::Layer { .. }) => format!("block {block} layer {layer}"),
                Kind::Stage(StageShape::Transition { .. }) => format!("transition {block}"),
                Kind::Stage(StageShape::Head { .. }) => "head".to_owned(),
            },
            what: what(kind, input),
            input: sides(input),
            output: sides(format::next_shape(kind, input)?),
            macs_executed: macs.as_executed,
            bytes,
            weight_bytes: arrays.bytes,
            bits_per_weight: bits(arrays.bytes, arrays.weights),
            codecs: arrays.codecs,
            flash_bytes_read: flash_bytes_read(order, kind, input, stored.as_ref())?,
            arena_bytes: step.end() - start(&step),
        });
        match kind {
            Kind::Stem(_) => layer = 0,
            Kind::Stage(StageShape::Transition { .. }) => (block, layer) = (block + 1, 0),
            _ => {}
        }
    }
    sizes.blob_bytes += zeros;
    sizes.bits_per_weight = bits(sizes.weight_bytes, weights);
    Some(sizes)
}

/// The weights of a stage.
struct Arrays {
    /// Bytes as they are stored.
    bytes: usize,
    /// Weights that meet a value.
    weights: usize,
    codecs: Vec<&'static str>,
}

fn arrays(kind: Kind, input: Shape, order: Order, stored: Option<&StageBytes<'_>>) -> Option<Arrays> {
    let mut arrays = Arrays {
        bytes: 0,
        weights: 0,
        codecs: Vec::new(),
    };
    for section in [Section::BottleneckWeights, Section::Weights] {
        let filters = format::filters(section, kind, input)?;
        if filters.outputs == 0 {
            continue;
        }
        let taps = filters.length / filters.depth;
        // The stem has one long tap, with its padding at the end.
        arrays.weights += filters.outputs * taps * filters.inputs;
        arrays.bytes += match stored {
            Some(stage) => stage.section(section).len(),
            None => format::section_len(section, order, kind, input)?,
        };
        arrays.codecs.push(codec_name(
            stored.map_or(Codec::Raw, |stage| stage.codec(section)),
        ));
    }
    Some(arrays)
}

fn bits(bytes: usize, weights: usize) -> f64 {
    8.0 * bytes as f64 / weights.max(1) as f64
}

fn codec_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Raw => "raw",
        Codec::Nibbles => "4 bits",
        Codec::Planes => "3 bits",
        Codec::Huffman => "huffman",
    }
}

/// A number with its thousands apart.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn start(step: &Step) -> usize {
    let maps = [step.reads(), step.writes()].into_iter().flatten();
    maps.map(|map| map.offset).min().unwrap_or(0)
}

fn sides(shape: Shape) -> [usize; 3] {
    [shape.height, shape.width, shape.channels]
}

fn what(kind: Kind, input: Shape) -> String {
    match kind {
        Kind::Stem(stem) => {
            let pool = match stem.pool {
                StemPool::None => "",
                StemPool::Centred => ", 3x3 max pool",
                StemPool::Same => ", 3x3 max pool padded as `same`",
            };
            format!(
                "{}x{} stride {}{pool}",
                stem.kernel_height, stem.kernel_width, stem.stride_x
            )
        }
        Kind::Stage(StageShape::Layer { bottleneck, .. }) => match bottleneck {
            Some(width) => format!("1x1 to {width}, {}x3", input.tap_rows()),
            None => format!("{}x3", input.tap_rows()),
        },
        Kind::Stage(StageShape::Transition { .. }) => format!("{}x2 average, 1x1", input.pool_rows()),
        Kind::Stage(StageShape::Head { .. }) => "average, linear".to_owned(),
    }
}

/// See [`Row::flash_bytes_read`].
fn flash_bytes_read(order: Order, kind: Kind, input: Shape, stored: Option<&StageBytes<'_>>) -> Option<u64> {
    let codec = |section| stored.map_or(Codec::Raw, |stage| stage.codec(section));
    // Coded weights are read once, to be decoded.
    let mut once = 0;
    let len = |section| format::section_len(section, order, kind, input).map(|len| len as u64);
    let mut weights = |section| match codec(section) {
        Codec::Raw => len(section),
        _ => {
            once += stored.map_or(0, |stage| stage.section(section).len()) as u64;
            Some(0)
        }
    };
    let main = weights(Section::Weights)? + len(Section::Multiplier)?;
    let bias = match kind {
        // Of a plain layer's nine kinds of border, each pixel meets one.
        Kind::Stage(StageShape::Layer {
            bottleneck: None,
            growth,
        }) => 4 * growth as u64,
        _ => len(Section::Bias)?,
    };
    let bottleneck = weights(Section::BottleneckWeights)?
        + len(Section::BottleneckBias)?
        + len(Section::BottleneckMultiplier)?;
    let clamp = len(Section::Mask)? + len(Section::Threshold)?;
    let tiles = |map: Shape| (map.height * map.width.div_ceil(TILE)) as u64;
    let pixels = input.pixels() as u64;
    Some(
        once + match kind {
            Kind::Stem(stem) => tiles(stem.convolved(input)?) * (main + bias),
            Kind::Stage(StageShape::Layer { .. }) => {
                tiles(input) * (main + bias + bottleneck) + pixels * clamp
            }
            Kind::Stage(StageShape::Transition { filters }) => {
                tiles(input.pooled(filters)) * (main + bias) + pixels * clamp
            }
            Kind::Stage(StageShape::Head { .. }) => main + bias + pixels * clamp,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_is_the_same_on_every_road() {
        for name in spec::presets() {
            let spec = Spec::load(name).unwrap();
            let sizes = network(&spec, Order::Plain).unwrap();
            assert_eq!(sizes.params, Some(spec.parameters() as u64), "{name}");
            assert_eq!(sizes.macs, spec.macs(), "{name}");
            let rows = sizes.layers.iter().map(|row| row.macs_executed).sum::<u64>();
            assert_eq!(sizes.macs_executed, rows, "{name}");
            assert!(sizes.macs_executed <= sizes.macs, "{name}");
        }
    }

    #[test]
    fn a_preset_named_after_a_size_fits_it() {
        let mut count = 0;
        for name in spec::presets() {
            let size = name.rsplit('-').next().and_then(|last| last.strip_suffix('k'));
            let Some(kib) = size.and_then(|size| size.parse::<usize>().ok()) else {
                continue;
            };
            count += 1;
            let ram = network(&Spec::load(name).unwrap(), Order::Plain).unwrap().ram;
            assert!(ram.total_bytes <= kib * 1024, "{name}: {ram:?}");
        }
        assert!(count >= 4);
    }
}
