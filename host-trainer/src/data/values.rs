//! Values of images before they become bytes.

use super::encoding::Encoding;
use crate::spec::Input;
use ndarray::{Array4, Axis};

/// Values of images, `[n][height][width][channels]`.
#[derive(Clone, Debug)]
pub(super) enum Values {
    /// Stored as bytes.
    Bytes(Array4<u8>),
    /// Stored as any other kind of number.
    Numbers(Array4<f32>),
}

impl Values {
    pub(super) fn shape(&self) -> Input {
        let (_, height, width, channels) = match self {
            Self::Bytes(array) => array.dim(),
            Self::Numbers(array) => array.dim(),
        };
        Input {
            height,
            width,
            channels,
        }
    }

    pub(super) fn select(&self, picked: &[usize]) -> Self {
        match self {
            Self::Bytes(array) => Self::Bytes(array.select(Axis(0), picked)),
            Self::Numbers(array) => Self::Numbers(array.select(Axis(0), picked)),
        }
    }

    pub(super) fn are_bytes(&self) -> bool {
        match self {
            Self::Bytes(_) => true,
            Self::Numbers(array) => array.iter().all(is_byte),
        }
    }

    pub(super) fn are_unit_bytes(&self) -> bool {
        match self {
            Self::Bytes(_) => false,
            Self::Numbers(array) => array.iter().all(is_unit_byte),
        }
    }

    pub(super) fn count(&self) -> usize {
        match self {
            Self::Bytes(array) => array.len(),
            Self::Numbers(array) => array.len(),
        }
    }

    pub(super) fn are_stored_as_bytes(&self) -> bool {
        matches!(self, Self::Bytes(_))
    }

    /// The largest value.
    pub(super) fn largest(&self) -> f32 {
        match self {
            Self::Bytes(array) => array.iter().copied().max().map_or(0.0, f32::from),
            Self::Numbers(array) => array.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        }
    }

    pub(super) fn encode(self, encoding: Option<&Encoding>) -> Vec<u8> {
        match (self, encoding) {
            (Self::Bytes(array), None) => array.into_iter().collect(),
            (Self::Numbers(array), None) => array.iter().map(|&value| value as u8).collect(),
            (Self::Bytes(array), Some(encoding)) => {
                let values = array.indexed_iter();
                values
                    .map(|((.., c), &value)| encoding.byte(c, value.into()))
                    .collect()
            }
            (Self::Numbers(array), Some(encoding)) => {
                let values = array.indexed_iter();
                values.map(|((.., c), &value)| encoding.byte(c, value)).collect()
            }
        }
    }
}

fn is_byte(value: &f32) -> bool {
    (0.0..=255.0).contains(value) && value.fract() == 0.0
}

/// Whether a value is a byte divided by 255, up to the rounding of 16-bit floats.
fn is_unit_byte(value: &f32) -> bool {
    let byte = value * 255.0;
    (0.0..=1.0).contains(value) && (byte - byte.round()).abs() < 0.07
}
