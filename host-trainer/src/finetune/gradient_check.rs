//! What fine-tuning computes, held against `core` and against finite differences. Tests only.
#![cfg(test)]

use super::Parameters;
use super::integers::{Conv, Finish, Gate, Integers, Size};
use super::pass::{Job, Pass};
use crate::blob::Blob;
use crate::calibrate::calibrate;
use crate::export::{images, write};
use crate::fold::{FoldedConv, Gate as FoldedGate, fold};
use crate::net::{Loss, Network, Normalisation, Score};
use crate::quantise::{Quantised, QuantisedConv, QuantisedGate, tap_is_inside};
use crate::spec::{Map, Spec};
use crate::stages::{Location, Stage};
use core::cell::RefCell;
use denselet::layout::{BORDERS, Order};

const BC: &str = "classes = 3\ngrowth = 3\nblocks = [2, 2]\nbottleneck = true\ntheta = 0.5\n\
    [input]\nheight = 7\nwidth = 9\nchannels = 2\n[stem]\nfilters = 5\n";
const IMAGENET: &str = "classes = 3\ngrowth = 3\nblocks = [2, 2]\nbottleneck = true\ntheta = 0.5\n\
    [input]\nheight = 21\nwidth = 18\nchannels = 3\n[stem]\nkernel = 7\nstride = 2\nmax_pool = true\nfilters = 5\n";
const ARTICLE: &str = "classes = 3\nfinal_norm = false\n\
    blocks = [{ widths = [2, 3], transition = 4 }, { widths = [3, 2], bottlenecks = [5, 0], transition = 6 }]\n\
    [input]\nheight = 11\nwidth = 12\nchannels = 1\n[stem]\npadding = false\nfilters = 4\n";

/// One of each kind of network there is.
fn kinds() -> Vec<(&'static str, String)> {
    vec![
        ("bc", BC.into()),
        ("plain", BC.replace("bottleneck = true\n", "")),
        ("line", BC.replace("height = 7", "height = 1")),
        (
            "plain line",
            BC.replace("bottleneck = true\n", "")
                .replace("height = 7", "height = 1"),
        ),
        (
            "narrow",
            BC.replace("bottleneck = true\n", "")
                .replace("width = 9", "width = 2"),
        ),
        ("imagenet", IMAGENET.into()),
        (
            "pool as same",
            IMAGENET.replace("max_pool = true", "max_pool = \"same\""),
        ),
        (
            "pool as same on even sides",
            IMAGENET
                .replace("max_pool = true", "max_pool = \"same\"")
                .replace("height = 21", "height = 20")
                .replace("width = 18", "width = 19"),
        ),
        ("article", ARTICLE.into()),
        (
            "wide",
            BC.replace("growth = 3\n", "growth = 3\nbottleneck_multiple = 44\n"),
        ),
    ]
}

fn network(text: &str, seed: u64) -> Network {
    let spec = Spec::parse(text, "small").unwrap();
    let channels = spec.input.channels;
    let input = Normalisation {
        mean: vec![120.0; channels],
        std: vec![70.0; channels],
    };
    let mut network = Network::new(&spec, input, seed);
    network.head.weight.iter_mut().for_each(|weight| *weight *= 4.0);
    // An untrained network's batch norms do nothing; theirs have slopes of both signs, and gates that are always open or shut.
    for tensor in network.tensors() {
        let is = |part: &str| tensor.name.ends_with(part);
        for (c, value) in tensor.values.iter_mut().enumerate() {
            if is("gamma") {
                *value = [1.1, 0.7, -0.8][(c + tensor.name.len()) % 3];
            } else if is("beta") {
                *value = [0.4, -0.3, 6.0, 0.1, -6.0][c % 5];
            }
        }
    }
    network
}

fn parameters(network: &Network, images: &[u8]) -> Parameters {
    Parameters::new(fold(network), &calibrate(network, images))
}

fn image_len(spec: &Spec) -> usize {
    spec.input.height * spec.input.width * spec.input.channels
}

/// Every stage's map as `core` leaves it.
#[derive(Default)]
struct Maps(Vec<(Vec<u8>, usize)>);

impl denselet::tap::Tap for Maps {
    fn done(&mut self, _: usize, map: &[u8], stride: usize) {
        self.0.push((map.to_vec(), stride));
    }
}

#[test]
fn the_forward_pass_is_the_device_bit_for_bit() {
    for (name, text) in kinds() {
        let mut network = network(&text, 5);
        if name == "wide" {
            // Every weight as large as it can be.
            let conv = &mut network.blocks[0].layers[0].conv2;
            conv.weight.iter_mut().for_each(|w| *w = 0.01f32.copysign(*w));
        }
        let spec = &network.spec;
        let images = images(6, image_len(spec));
        let parameters = parameters(&network, &images[..2 * image_len(spec)]);
        let quantised = parameters.quantise().unwrap();
        let integers = Integers::new(&parameters.folded, &quantised).unwrap();
        let is_wide = |stage: &Stage<Gate, Conv>| matches!(stage, Stage::Layer { conv, .. } if conv.is_wide);
        assert_eq!(integers.stages.iter().any(is_wide), name == "wide", "{name}");
        let blob = Blob::new(&write(&quantised, Order::Plain.into(), None).unwrap()).unwrap();
        let mut memory = vec![0xA5; denselet::arena_len(blob.bytes()) + 16];
        let mut device = denselet::Network::in_bytes(blob.bytes(), &mut memory).unwrap();
        let mut job = Job::new(spec, &integers);
        for image in images.chunks_exact(image_len(spec)) {
            let mut maps = Maps::default();
            let expected: Vec<i32> = device.run_tapped(image, &mut maps).unwrap().as_slice().to_vec();
            job.forward(spec, &integers, image);
            // All but the head's.
            let positions = Location::all(spec);
            let written = positions[..positions.len() - 1].iter().zip(&maps.0);
            for (index, (at, (map, stride))) in written.enumerate() {
                let channels = at.output.channels;
                let features = &job.features[at.block];
                let found = features.bytes.u.chunks_exact(features.map.channels);
                for (pixel, (found, expected)) in found.zip(map.chunks_exact(*stride)).enumerate() {
                    let found: Vec<u8> = found[..channels].iter().map(|&u| u as u8).collect();
                    assert_eq!(
                        found,
                        expected[..channels],
                        "{name}, stage {index}, pixel {pixel}"
                    );
                }
            }
            let found: Vec<i32> = job
                .logits
                .iter()
                .map(|logit| (logit / integers.scale).round() as i32)
                .collect();
            assert_eq!(found, expected, "{name}");
        }
    }
}

/// A network whose values are rounded nowhere: a smooth function of the parameters but for its corners. Beside it the
/// factors that belong to it.
fn smooth(parameters: &Parameters) -> (Integers, Quantised) {
    let mut quantised = parameters.quantise().unwrap();
    let folded = &parameters.folded;
    let mut stored: Vec<(f32, f32)> = Vec::new();
    let mut stages = Vec::new();
    let positions = Location::all(&folded.spec);
    for ((stage, integers), at) in folded.stages.iter().zip(&mut quantised.stages).zip(&positions) {
        let (is_stem, is_layer) = (
            matches!(stage, Stage::Stem { .. }),
            matches!(stage, Stage::Layer { .. }),
        );
        let ranges = &parameters.stored[at.block];
        let before = if is_layer { stored.clone() } else { Vec::new() };
        let outputs = stage.conv().outputs;
        let own: Vec<(f32, f32)> = match stage {
            Stage::Head { .. } => vec![(integers.conv().scales[0].scale, 0.0); outputs],
            _ => (before.len()..before.len() + outputs)
                .map(|channel| {
                    let is_relu = is_stem && folded.spec.stem.norm;
                    let low = if is_relu { 0.0 } else { ranges.low[channel] };
                    let scale = (ranges.high[channel] - low) / 255.0;
                    (scale, -low / scale)
                })
                .collect(),
        };
        let divisor = match stage {
            Stage::Stem { .. } | Stage::Layer { .. } => 1.0,
            Stage::Transition { .. } if at.input.height == 1 => 2.0,
            Stage::Transition { .. } => 4.0,
            Stage::Head { .. } => at.input.pixels() as f32,
        };
        let map = if matches!(stage, Stage::Head { .. }) {
            at.input
        } else {
            at.output
        };
        let pairs = stage
            .as_ref()
            .zip(integers.as_mut())
            .expect("stages of one network");
        // What the values that the next convolution reads stand for.
        let read = RefCell::new(match stage {
            Stage::Stem { conv } => vec![(1.0, 0.0); conv.inputs],
            _ => Vec::new(),
        });
        let mut has_ring = matches!(
            stage,
            Stage::Layer {
                bottleneck: Some(_),
                ..
            }
        );
        let ring = ranges
            .bottlenecks
            .get(at.layer)
            .map_or(0.0, |largest| largest / 255.0);
        stages.push(pairs.map(
            |(gate, clamp)| {
                let made = smooth_gate(gate, &stored, clamp);
                *read.borrow_mut() = meanings(clamp);
                made
            },
            |(conv, integers)| {
                let to = match core::mem::take(&mut has_ring) {
                    true => vec![(ring, 0.0); conv.outputs],
                    false => own.clone(),
                };
                let made = smooth_conv(conv, map, (&read.borrow(), &to), divisor, integers);
                *read.borrow_mut() = to;
                made
            },
        ));
        stored = before;
        stored.extend(own);
    }
    let integers = Integers {
        padding: folded.zero.iter().map(|zero| zero.round()).collect(),
        scale: quantised.stages.last().unwrap().conv().scales[0].scale,
        stages,
    };
    (integers, quantised)
}

/// `(factor, constant)` per channel.
fn meanings(gate: &QuantisedGate) -> Vec<(f32, f32)> {
    gate.factor
        .iter()
        .copied()
        .zip(gate.constant.iter().copied())
        .collect()
}

fn smooth_gate(gate: &FoldedGate, stored: &[(f32, f32)], clamp: &mut QuantisedGate) -> Gate {
    let mut out = Gate {
        sign: Vec::new(),
        offset: Vec::new(),
        shut: Vec::new(),
    };
    for (c, &(scale, zero)) in stored.iter().enumerate() {
        let (sign, offset, constant, is_open) = match gate {
            FoldedGate::Pass => (1.0, 0.0, -scale * zero, true),
            FoldedGate::Relu { slope, offset } => {
                let opening = zero - offset[c] / (slope[c] * scale);
                let beyond = if slope[c] > 0.0 { -opening } else { opening - 255.0 };
                let offset = -slope[c].signum() * opening.clamp(0.0, 255.0);
                (
                    slope[c].signum(),
                    offset,
                    slope[c].abs() * scale * beyond.max(0.0),
                    beyond > 0.0,
                )
            }
        };
        out.sign.push(sign);
        out.offset.push(offset);
        out.shut.push(if is_open { -1.0 } else { 0.0 });
        clamp.factor[c] = scale;
        clamp.constant[c] = constant;
    }
    out
}

/// `(factor, constant)` per channel.
type Meanings<'m> = &'m [(f32, f32)];

fn smooth_conv(
    conv: &FoldedConv,
    map: Map,
    (read, made): (Meanings<'_>, Meanings<'_>),
    divisor: f32,
    integers: &mut QuantisedConv,
) -> Conv {
    let length = conv.rows * conv.columns * conv.inputs;
    let kinds = integers.bias.len() / conv.outputs;
    let weight = conv
        .weight
        .iter()
        .enumerate()
        .map(|(at, w)| w * read[at % conv.inputs].0);
    let ratio: Vec<f32> = made.iter().map(|(scale, _)| 1.0 / (divisor * scale)).collect();
    let mut bias = Vec::new();
    for kind in 0..kinds {
        for (o, filter) in conv.weight.chunks_exact(length).enumerate() {
            let constant: f32 = (filter.iter().enumerate())
                .filter(|(k, _)| kinds < BORDERS || tap_is_inside(conv, map, k / conv.inputs, kind))
                .map(|(k, weight)| weight * read[k % conv.inputs].1)
                .sum();
            let (scale, zero) = made[o];
            bias.push(((conv.bias[o] + constant) / scale + zero) / ratio[o]);
        }
    }
    for (scale, (own, _)) in integers.scales.iter_mut().zip(made) {
        scale.scale = *own;
    }
    let size = Size {
        outputs: conv.outputs,
        rows: conv.rows,
        columns: conv.columns,
        inputs: conv.inputs,
    };
    Conv::of(size, weight.collect(), ratio, Finish::Smooth { bias })
}

/// Sum of the losses of images, labels in turn.
fn loss(integers: &Integers, spec: &Spec, images: &[u8]) -> f64 {
    let mut job = Job::new(spec, integers);
    let each = images.chunks_exact(image_len(spec)).enumerate();
    each.map(|(n, image)| {
        job.forward(spec, integers, image);
        judge(spec.classes, n, &mut job.logits.clone()).loss
    })
    .sum()
}

fn judge(classes: usize, n: usize, logits: &mut [f32]) -> Score {
    Loss::default().take(logits, &[(n % classes) as u16])
}

fn gradient(
    parameters: &Parameters,
    integers: &Integers,
    quantised: &Quantised,
    images: &[u8],
) -> Parameters {
    let spec = &parameters.folded.spec;
    let mut pass = Pass::new(spec, integers);
    let (_, sums) = pass.step(integers, images, &|n, logits, gradient| {
        gradient.copy_from_slice(logits);
        judge(spec.classes, n, gradient)
    });
    parameters.gradient(quantised, sums)
}

/// Signs that differ from tensor to tensor.
fn sign(tensor: usize, at: usize) -> f32 {
    if (((at + 1) * 7919 + tensor * 104_729) / 64).is_multiple_of(2) {
        1.0
    } else {
        -1.0
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let mut shares = Vec::new();
    for (name, text) in kinds() {
        let network = network(&text, 3);
        let spec = &network.spec;
        let images = images(12, image_len(spec));
        let mut parameters = parameters(&network, &images);
        // Ranges that cut something off have gradients; none is empty.
        for stored in &mut parameters.stored {
            stored
                .low
                .iter_mut()
                .chain(&mut stored.high)
                .for_each(|end| *end *= 0.7);
            for (low, high) in stored.low.iter().zip(&mut stored.high) {
                *high = high.max(low.max(0.0) + 0.1);
            }
            stored
                .bottlenecks
                .iter_mut()
                .for_each(|end| *end = 0.1 + *end * 0.6);
        }
        let (integers, quantised) = smooth(&parameters);
        let mut gradient = gradient(&parameters, &integers, &quantised, &images);
        let mut units = parameters.units(&parameters.quantise().unwrap());
        let units: Vec<Vec<f32>> = units.tensors().iter().map(|unit| unit.values.to_vec()).collect();
        for (at, tensor) in gradient.tensors().into_iter().enumerate() {
            if !tensor.is_trained() {
                continue;
            }
            let moved = |by: f32| {
                let mut other = parameters.clone();
                let tensor = &mut other.tensors()[at];
                for (n, (value, unit)) in tensor.values.iter_mut().zip(&units[at]).enumerate() {
                    *value += by * unit * sign(at, n);
                }
                loss(&smooth(&other).0, spec, &images)
            };
            let expected = (moved(STEP) - moved(-STEP)) / f64::from(2.0 * STEP);
            let parts = tensor.values.iter().zip(&units[at]).enumerate();
            let parts = parts.map(|(n, (g, unit))| f64::from(g * unit * sign(at, n)));
            let (found, size) = parts.fold((0.0, 0.0), |(sum, size), part| (sum + part, size + part.abs()));
            if size == 0.0 {
                assert_eq!(expected, 0.0, "{name}, {}", tensor.name);
                continue;
            }
            let share = (found - expected).abs() / size;
            // A step of many parameters goes over a corner here and there, and the loss is known to about 1e-5.
            assert!(
                share < 0.05 || share * size < 8e-4,
                "{name}, {}: {found} for {expected}",
                tensor.name
            );
            shares.push(share);
        }
    }
    shares.sort_by(f64::total_cmp);
    assert!(
        shares.len() > 150 && shares[shares.len() / 2] < 4e-3,
        "{shares:?}"
    );
}

/// How far parameters are moved, in their units.
const STEP: f32 = 0.03;
