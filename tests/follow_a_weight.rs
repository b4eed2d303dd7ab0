//! Follows one weight from the quantised network to the logits. Only its byte in the blob changes, and the logits change
//! as the arithmetic defines.

#![allow(clippy::unwrap_used)]

use denselet::format::{HEADER_LEN, RECORD_LEN, Section, StageBytes};
use denselet::layout::Order;
use denselet::model::{Model, Stage};
use denselet_tests::tiny;
use denselet_train::blob::Blob;
use denselet_train::calibrate::calibrate;
use denselet_train::evaluate;
use denselet_train::export::write;
use denselet_train::fold::fold;
use denselet_train::quantise::{Quantised, quantise};
use denselet_train::stages;

/// The weight: block 1, layer 2, its 3x3 convolution, output 2, tap (0, 1), input 5.
const STAGE: usize = 2;
const O: usize = 2;
const KY: usize = 0;
const KX: usize = 1;
const I: usize = 5;

fn quantised() -> Quantised {
    let network = tiny::network();
    quantise(&fold(&network), &calibrate(&network, &tiny::images(16))).unwrap()
}

/// Returns the offset of a section of a stage in the blob: the sum of all lengths before it, as FORMAT.md describes.
fn start_of(blob: &Blob, stage: usize, section: Section) -> usize {
    let stages: Vec<StageBytes<'_>> = denselet::format::Blob::read(blob.bytes())
        .unwrap()
        .stages()
        .collect();
    // One run of zeros serves all stages whose masks are not stored.
    let has_masks = |stage: &StageBytes<'_>| stage.section(Section::Mask).contains(&0xff);
    let without = stages.iter().filter(|stage| !has_masks(stage));
    let zeros = without
        .map(|stage| stage.section(Section::Mask).len())
        .max()
        .unwrap_or(0);
    let mut at = HEADER_LEN + (stages.len() - 1) * RECORD_LEN + zeros;
    for (index, bytes) in stages.iter().enumerate() {
        let stored = |name: &Section| *name != Section::Mask || has_masks(bytes);
        for name in Section::ALL.into_iter().filter(stored) {
            if (index, name) == (stage, section) {
                return at;
            }
            at += bytes.section(name).len().next_multiple_of(4);
        }
    }
    panic!("no such section");
}

#[test]
fn a_weight_is_one_byte_of_the_blob_at_the_offset_of_the_layout() {
    for order in [Order::Plain, Order::Pairs, Order::Quads] {
        let before = quantised();
        let mut after = before.clone();
        let stages::Stage::Layer { conv, .. } = &mut after.stages[STAGE] else {
            panic!("a dense layer")
        };
        let (inputs, columns) = (conv.inputs, conv.columns);
        let index = ((O * conv.rows + KY) * columns + KX) * inputs + I;
        let old = conv.weight[index];
        conv.weight[index] = if old > 0 { old - 1 } else { old + 1 };

        let before = Blob::new(&write(&before, order.into(), None).unwrap()).unwrap();
        let after = Blob::new(&write(&after, order.into(), None).unwrap()).unwrap();
        let changed: Vec<usize> = (16..before.bytes().len())
            .filter(|&at| before.bytes()[at] != after.bytes()[at])
            .collect();
        let position = denselet::layout::tap_position(columns, inputs, KY, KX, I);
        let depth = denselet::layout::stride(inputs);
        let offset = order.weight_offset(9 * depth, depth, O, position);
        let expected = start_of(&before, STAGE, Section::Weights) + offset;
        assert_eq!(changed, [expected], "{order:?}");

        // The reader returns it at the same offset.
        let model = Model::read(after.bytes()).unwrap();
        let stage = model.stages().nth(STAGE).map(|(stage, _)| stage);
        let Some(Stage::Layer(layer)) = stage else {
            panic!("a dense layer")
        };
        let conv = &layer.conv;
        let at = conv.order.weight_offset(conv.length, conv.depth, O, position);
        assert_eq!((conv.weights.bytes[at].cast_signed() - old).abs(), 1);
    }
}

#[test]
fn a_head_weight_moves_its_logit_as_the_arithmetic_defines() {
    let before = quantised();
    let mut after = before.clone();
    let head = after.stages.len() - 1;
    let stages::Stage::Head { conv, .. } = &mut after.stages[head] else {
        panic!("a head")
    };
    let (class, channel) = (1, 3);
    let old = conv.weight[class * conv.inputs + channel];
    let step: i8 = if old > 0 { -1 } else { 1 };
    conv.weight[class * conv.inputs + channel] = old + step;
    let multiplier = f64::from(conv.multiplier[class]) / 4_294_967_296.0;

    let image = tiny::images(1);
    let run = |quantised: &Quantised| {
        let blob = Blob::new(&write(quantised, Order::Plain.into(), None).unwrap()).unwrap();
        evaluate::logits(&blob, &image, &|_| {}).unwrap()
    };
    let (logits, moved) = (run(&before), run(&after));
    assert_eq!((logits[0], logits[2]), (moved[0], moved[2]), "only one class");
    // The change is the sum of the channel times the multiplier: from 0 to the sum with every pixel at 255.
    let change = f64::from((moved[1] - logits[1]) * i32::from(step));
    assert!(
        (-1.0..=16.0 * 255.0 * multiplier + 1.0).contains(&change),
        "{change}"
    );
}
