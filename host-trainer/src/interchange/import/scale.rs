//! Decides how bytes become what the network takes: given, read from the file, told by reference vectors or by the data set, or
//! assumed. After `structure`, before `assemble`.

use super::Options;
use super::error::Problem;
use super::graph::{Affine, Graph};
use super::npz::Vectors;
use super::preprocess::Preprocess;
use crate::data::Encoding;
use core::ops::RangeInclusive;

/// What was decided.
#[derive(Debug)]
pub(super) struct Scale {
    pub(super) preprocess: Preprocess,
    /// Whether something determines it; otherwise it is a guess.
    pub(super) is_known: bool,
    /// What determines it, or why it was assumed.
    pub(super) reason: String,
}

/// Different inputs that it takes to see a grid of bytes in them.
const ENOUGH: usize = 16;
/// How far an input may be from a byte, in bytes.
const NEAR: f64 = 0.01;
/// Bytes end here, with half a byte for rounding.
const LOWEST: f64 = -0.5;
const HIGHEST: f64 = 255.5;
/// Deviations of bytes.
const WIDTHS: RangeInclusive<f64> = 4.0..=512.0;

/// Decides for a network whose file scales its input by `own` before the first convolution.
pub(super) fn decide(options: &Options, graph: &Graph, own: Option<&Affine>) -> Result<Scale, Problem> {
    let channels = graph.nodes[0].map.channels;
    if let Some(preprocess) = &options.preprocess {
        return Ok(known(preprocess.clone(), "as --preprocess says"));
    }
    if graph.takes_bytes {
        return Ok(known(Preprocess::bytes(), "an export of denselet takes bytes"));
    }
    let is_unit = |encoding: &Encoding| *encoding == Encoding::unit(channels);
    // Bytes as values from 0 to 1 are bytes to a network that scales bytes itself.
    let are_bytes = |encoding: &Encoding| is_unit(encoding) && own.is_some_and(takes_bytes);
    if let Some(encoding) = options.encoding.as_ref().filter(|encoding| !are_bytes(encoding)) {
        if is_unit(encoding) {
            return Ok(assumed(
                Preprocess::unit(),
                "the values of --data lie between 0 and 1".into(),
            ));
        }
        let preprocess = measured(encoding, channels)?;
        return Ok(assumed(
            preprocess,
            "the values of --data are taken as what the network takes".into(),
        ));
    }
    let vectors = options.vectors.as_deref();
    let told = vectors.and_then(|vectors| on_a_grid(vectors, channels));
    if let Some(preprocess) = told {
        return Ok(known(preprocess, "the inputs of --check are bytes, scaled so"));
    }
    let range = vectors.map(range);
    match own {
        Some(own) if takes_bytes(own) => Ok(match range {
            Some((low, high)) if low < LOWEST as f32 || high > HIGHEST as f32 => assumed(
                in_range(range).unwrap_or_else(|| centred(own)),
                format!(
                    "the file scales its input by numbers that fit bytes, but the inputs of --check, from {low} to {high}, are not bytes"
                ),
            ),
            Some((_, high)) if high <= 1.0 => assumed(
                Preprocess::bytes(),
                "the file scales bytes, but the inputs of --check never pass 1".into(),
            ),
            _ => known(Preprocess::bytes(), "the file scales bytes"),
        }),
        Some(own) => {
            let preprocess = in_range(range).unwrap_or_else(|| centred(own));
            let reason = "the file scales its input, but by numbers that fit other values, not bytes";
            Ok(assumed(preprocess, reason.into()))
        }
        None => Ok(match (in_range(range), range) {
            (Some(preprocess), _) => assumed(preprocess, "the inputs of --check lie in this range".into()),
            (None, Some((low, high))) => assumed(
                Preprocess::unit(),
                format!(
                    "the file does not say, and the inputs of --check, from {low} to {high}, do not tell"
                ),
            ),
            (None, None) => assumed(Preprocess::unit(), "the file does not say".into()),
        }),
    }
}

fn known(preprocess: Preprocess, reason: &str) -> Scale {
    Scale {
        preprocess,
        is_known: true,
        reason: reason.to_owned(),
    }
}

fn assumed(preprocess: Preprocess, reason: String) -> Scale {
    Scale {
        preprocess,
        is_known: false,
        reason,
    }
}

/// From a data set's bytes back to its measurements.
fn measured(encoding: &Encoding, channels: usize) -> Result<Preprocess, Problem> {
    if encoding.low.len() != channels || encoding.high.len() != channels {
        return Err(Problem::field(
            "--data",
            format!("measurements of {channels} channels"),
            encoding.low.len(),
        ));
    }
    Ok(Preprocess::of(encoding))
}

/// Whether what a file scales by fits bytes: the mean is a byte, and all bytes together are as wide as half a deviation, or wider,
/// but not hundreds of deviations, unless only a mean above 1 is subtracted. Standardised values have a mean of about 0 and a
/// deviation of about 1, values from 0 to 1 have a deviation below 0.5.
fn takes_bytes(own: &Affine) -> bool {
    own.scale.iter().zip(&own.shift).all(|(scale, shift)| {
        let (mean, deviation) = (-shift / scale, 1.0 / scale.abs());
        let is_wide = WIDTHS.contains(&deviation) || (1.0..4.0).contains(&deviation) && mean > 1.0;
        is_wide && (LOWEST..=HIGHEST).contains(&mean)
    })
}

/// Values around what a file subtracts: from -1 to 1 if it is negative, else from 0 to 1.
fn centred(own: &Affine) -> Preprocess {
    let means = own
        .scale
        .iter()
        .zip(&own.shift)
        .map(|(scale, shift)| -shift / scale);
    if means.fold(0.0, |sum, mean| sum + mean) < 0.0 {
        Preprocess::centred()
    } else {
        Preprocess::unit()
    }
}

/// Smallest and largest input.
fn range(vectors: &Vectors) -> (f32, f32) {
    let values = vectors.x.values.iter().copied();
    values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// The preprocessing whose range inputs fill: values that never pass 1 are not bytes.
fn in_range(range: Option<(f32, f32)>) -> Option<Preprocess> {
    let (low, high) = range?;
    let fills = |from: f32, to: f32| low >= from && high <= to && high > 0.5 * to;
    if fills(0.0, 1.0) {
        Some(Preprocess::unit())
    } else if fills(-1.0, 1.0) {
        Some(Preprocess::centred())
    } else if fills(0.0, 255.0) && high > 2.0 {
        Some(Preprocess::bytes())
    } else {
        None
    }
}

/// The preprocessing that makes every input of some byte.
fn on_a_grid(vectors: &Vectors, channels: usize) -> Option<Preprocess> {
    let x = &vectors.x;
    // Channels lie last or first; a scale per channel must fit one of the two.
    let pixels: usize = x.shape.get(1..)?.iter().product::<usize>() / channels.max(1);
    let channel_of = |index: usize, is_last: bool| {
        if is_last {
            index % channels
        } else {
            index / pixels.max(1) % channels
        }
    };
    let mut distinct: Vec<u32> = x.values.iter().map(|value| value.to_bits()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < ENOUGH {
        return None;
    }
    let is_last = x.shape.last() == Some(&channels);
    let names = Preprocess::NAMES
        .iter()
        .filter_map(|(name, _)| name.parse::<Preprocess>().ok());
    names.into_iter().find(|preprocess| {
        let Ok(affine) = preprocess.affine(channels) else {
            return false;
        };
        x.values.iter().enumerate().all(|(index, value)| {
            let c = channel_of(index, is_last);
            let byte = (f64::from(*value) - affine.shift[c]) / affine.scale[c];
            (-NEAR..=255.0 + NEAR).contains(&byte) && (byte - byte.round()).abs() <= NEAR
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::graph::Axes;
    use super::super::tensor::Tensor;
    use super::*;
    use crate::spec::Map;
    use std::rc::Rc;

    fn vectors(values: Vec<f32>) -> Vectors {
        let tensor = Tensor {
            shape: vec![1, values.len(), 1, 1],
            values,
        };
        Vectors {
            x: tensor.clone(),
            y: tensor,
        }
    }

    fn graph() -> Graph {
        let map = Map {
            height: 4,
            width: 4,
            channels: 1,
        };
        Graph::new("image", map, Axes::Nhwc).unwrap()
    }

    fn affine(mean: f64, std: f64) -> Affine {
        Affine {
            scale: vec![1.0 / std],
            shift: vec![-mean / std],
        }
    }

    #[test]
    fn numbers_that_fit_bytes_are_told_from_numbers_that_do_not() {
        assert!(takes_bytes(&affine(0.0, 255.0)) && takes_bytes(&affine(127.5, 127.5)));
        assert!(takes_bytes(&affine(103.9, 1.0)) && takes_bytes(&affine(33.0, 78.0)));
        assert!(
            !takes_bytes(&affine(0.3, 0.37))
                && !takes_bytes(&affine(0.5, 0.5))
                && !takes_bytes(&affine(0.5, 1.0))
        );
        // Measurements: standardised, of another range, of more bits.
        assert!(
            !takes_bytes(&affine(0.001, 1.003))
                && !takes_bytes(&affine(980.0, 200.0))
                && !takes_bytes(&affine(-40.0, 20.0))
                && !takes_bytes(&affine(0.0, 4095.0))
        );
    }

    #[test]
    fn inputs_that_are_not_bytes_contradict_a_file_that_scales_bytes() {
        let decided = |x: &[f32]| {
            let options = Options {
                vectors: Some(Rc::new(vectors(x.to_vec()))),
                ..Options::default()
            };
            let found = decide(&options, &graph(), Some(&affine(33.0, 78.0))).unwrap();
            (found.preprocess.to_string(), found.is_known, found.reason)
        };
        let (preprocess, is_known, _) = decided(&[0.5, 17.25, 254.1]);
        assert!(is_known && preprocess == "bytes");
        let (preprocess, is_known, reason) = decided(&[0.1, 0.52, 0.97]);
        assert!(!is_known && preprocess == "bytes" && reason.contains("never pass 1"));
        let (_, is_known, reason) = decided(&[-2.5, 0.3, 1.7]);
        assert!(!is_known && reason.contains("from -2.5 to 1.7"), "{reason}");
        assert!(!decided(&[0.0, 700.0]).1);
    }

    #[test]
    fn inputs_on_the_grid_of_bytes_tell_their_scale() {
        let bytes = (0..40u8).map(|n| f32::from(6 * n));
        let told = |scale: fn(f32) -> f32| {
            let found = on_a_grid(&vectors(bytes.clone().map(scale).collect()), 1);
            found.map(|found| found.to_string())
        };
        assert_eq!(told(|byte| byte).as_deref(), Some("bytes"));
        assert_eq!(told(|byte| byte / 255.0).as_deref(), Some("0..1"));
        assert_eq!(told(|byte| byte / 127.5 - 1.0).as_deref(), Some("-1..1"));
        assert_eq!(told(|byte| (byte / 255.0).sqrt()), None);
    }

    #[test]
    fn a_scale_of_the_file_is_believed_only_where_it_fits_bytes() {
        let scale = decide(&Options::default(), &graph(), Some(&affine(0.3, 0.37))).unwrap();
        assert!(!scale.is_known && scale.preprocess.to_string() == "0..1");
        let scale = decide(&Options::default(), &graph(), Some(&affine(0.0, 255.0))).unwrap();
        assert!(scale.is_known && scale.preprocess.to_string() == "bytes");
        let encoding = Encoding {
            low: vec![-2.0],
            high: vec![3.0],
        };
        let options = Options {
            encoding: Some(encoding),
            ..Options::default()
        };
        let found = decide(&options, &graph(), None)
            .unwrap()
            .preprocess
            .affine(1)
            .unwrap();
        assert!((found.shift[0] + 2.0).abs() < 1e-9 && (255.0 * found.scale[0] - 5.0).abs() < 1e-9);
    }
}
