//! How bytes become what a network made elsewhere takes, where its file does not say.

use super::graph::Affine;
use crate::data::Encoding;
use core::str::FromStr;

/// What a user says about the numbers a network was trained on. Written as one of the names of [`Preprocess::NAMES`], or as
/// `mean=M,M,M;std=S,S,S`: x = (byte - mean) / std, in bytes; with `unit:` in front, x = (byte / 255 - mean) / std.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    written: String,
    /// Divides bytes first.
    unit: f64,
    /// One for all channels, or one per channel.
    mean: Vec<f64>,
    /// The same.
    std: Vec<f64>,
}

/// Means and deviations of ImageNet's images, as torchvision and keras.applications' DenseNets take them.
const IMAGENET: ([f64; 3], [f64; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

impl Preprocess {
    /// The names, and what each makes of a byte.
    pub const NAMES: [(&'static str, &'static str); 4] = [
        ("bytes", "x = byte"),
        ("0..1", "x = byte / 255"),
        ("-1..1", "x = byte / 127.5 - 1"),
        (
            "imagenet",
            "x = (byte / 255 - mean) / std of ImageNet, per channel",
        ),
    ];

    /// Bytes as they are.
    pub fn bytes() -> Self {
        Self::named("bytes", 1.0, &[0.0], &[1.0])
    }

    /// Bytes from 0 to 1.
    pub fn unit() -> Self {
        Self::named("0..1", 255.0, &[0.0], &[1.0])
    }

    /// What makes measurements of their bytes again: x = low + byte * (high - low) / 255, per channel.
    pub fn of(encoding: &Encoding) -> Self {
        let ends = || encoding.low.iter().zip(&encoding.high);
        let step = |(low, high): (&f32, &f32)| (f64::from(*high) - f64::from(*low)) / 255.0;
        Self {
            written: "x = low + byte * (high - low) / 255, by the data's encoding".into(),
            unit: 1.0,
            mean: ends().map(|ends| -f64::from(*ends.0) / step(ends)).collect(),
            std: ends().map(|ends| 1.0 / step(ends)).collect(),
        }
    }

    /// Bytes from -1 to 1.
    pub fn centred() -> Self {
        Self::named("-1..1", 127.5, &[1.0], &[1.0])
    }

    fn named(name: &str, unit: f64, mean: &[f64], std: &[f64]) -> Self {
        Self {
            written: name.to_owned(),
            unit,
            mean: mean.to_vec(),
            std: std.to_vec(),
        }
    }

    /// As scale and shift of bytes, for images of `channels` channels.
    ///
    /// # Errors
    ///
    /// How many channels it is meant for, when they are others.
    pub fn affine(&self, channels: usize) -> Result<Affine, String> {
        let spread = |values: &[f64]| match values {
            [one] => Ok(vec![*one; channels]),
            _ if values.len() == channels => Ok(values.to_vec()),
            _ => Err(format!(
                "`{self}` is for {} channels, the network takes {channels}",
                values.len()
            )),
        };
        let (mean, std) = (spread(&self.mean)?, spread(&self.std)?);
        Ok(Affine {
            scale: std.iter().map(|std| 1.0 / (self.unit * std)).collect(),
            shift: mean.iter().zip(&std).map(|(mean, std)| -mean / std).collect(),
        })
    }
}

impl core::fmt::Display for Preprocess {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.written)
    }
}

impl FromStr for Preprocess {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = match text {
            "bytes" | "none" => Self::bytes(),
            "0..1" => Self::unit(),
            "-1..1" | "keras-tf" => Self::centred(),
            "imagenet" | "torchvision" | "keras-torch" => {
                Self::named("imagenet", 255.0, &IMAGENET.0, &IMAGENET.1)
            }
            _ => return parse(text),
        };
        Ok(found)
    }
}

fn parse(text: &str) -> Result<Preprocess, String> {
    let (unit, rest) = match text.strip_prefix("unit:") {
        Some(rest) => (255.0, rest),
        None => (1.0, text),
    };
    let (mut mean, mut std) = (None, None);
    for part in rest.split(';') {
        let numbers = |list: &str| -> Option<Vec<f64>> {
            let numbers = list.split(',').map(|number| number.trim().parse().ok());
            numbers.collect()
        };
        match part.trim().split_once('=') {
            Some(("mean", list)) => mean = numbers(list),
            Some(("std", list)) => std = numbers(list),
            _ => {}
        }
    }
    let (Some(mean), Some(std)) = (mean, std) else {
        let names: Vec<&str> = Preprocess::NAMES.iter().map(|(name, _)| *name).collect();
        return Err(format!(
            "expected {}, `mean=M,..;std=S,..` or `unit:mean=M,..;std=S,..`, found `{text}`",
            names.join(", ")
        ));
    };
    if let Some(bad) = mean.iter().chain(&std).find(|value| !value.is_finite()) {
        return Err(format!("expected finite numbers, found {bad}"));
    }
    if let Some(bad) = std.iter().find(|std| **std <= 0.0) {
        return Err(format!("expected a std above 0, found {bad}"));
    }
    Ok(Preprocess {
        written: text.to_owned(),
        unit,
        mean,
        std,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(text: &str, channels: usize) -> Vec<(f64, f64)> {
        let affine = text.parse::<Preprocess>().unwrap().affine(channels).unwrap();
        let ends = affine.scale.iter().zip(&affine.shift);
        ends.map(|(scale, shift)| (*shift, 255.0 * scale + shift))
            .collect()
    }

    #[test]
    fn names_mean_what_they_say() {
        assert_eq!(ends("bytes", 2), [(0.0, 255.0); 2]);
        assert_eq!(ends("0..1", 1), [(0.0, 1.0)]);
        let (low, high) = ends("-1..1", 1)[0];
        assert!((low + 1.0).abs() < 1e-12 && (high - 1.0).abs() < 1e-12);
        let (low, high) = ends("imagenet", 3)[0];
        assert!((low + 0.485 / 0.229).abs() < 1e-12 && (high - 0.515 / 0.229).abs() < 1e-12);
        assert_eq!(ends("mean=128;std=64", 1), [(-2.0, 127.0 / 64.0)]);
        let (low, high) = ends("unit:mean=0.5,0.25;std=0.5,0.5", 2)[1];
        assert!((low + 0.5).abs() < 1e-12 && (high - 1.5).abs() < 1e-12);
    }

    #[test]
    fn measurements_come_back_from_their_bytes() {
        let encoding = Encoding {
            low: vec![-2.0, 0.5],
            high: vec![3.0, 1.5],
        };
        let affine = Preprocess::of(&encoding).affine(2).unwrap();
        for (c, (low, high)) in [(-2.0, 3.0), (0.5, 1.5)].into_iter().enumerate() {
            let value = |byte: f64| byte * affine.scale[c] + affine.shift[c];
            assert!((value(0.0) - low).abs() < 1e-9 && (value(255.0) - high).abs() < 1e-9);
        }
    }

    #[test]
    fn mistakes_are_named() {
        let message = |text: &str| text.parse::<Preprocess>().unwrap_err();
        assert!(message("caffe").contains("found `caffe`") && message("caffe").contains("-1..1"));
        assert!(message("mean=1;std=0").contains("above 0"));
        assert!(message("mean=a;std=1").contains("expected"));
        let three = "imagenet".parse::<Preprocess>().unwrap();
        assert!(three.affine(1).unwrap_err().contains("3 channels"));
    }
}
