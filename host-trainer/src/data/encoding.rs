//! How measurements become bytes.

use super::error::DataError;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How measurements become bytes: byte = (value - low) * 255 / (high - low), rounded half away from zero, then clipped
/// to 0..=255. Whoever feeds a device does the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Encoding {
    /// What becomes 0, one per channel, in the channel's unit.
    pub low: Vec<f32>,
    /// What becomes 255, one per channel.
    pub high: Vec<f32>,
}

impl Encoding {
    /// Values from 0 to 1: a byte is 255 times its value.
    pub fn unit(channels: usize) -> Self {
        Self {
            low: vec![0.0; channels],
            high: vec![1.0; channels],
        }
    }

    /// The byte of a measurement in this channel.
    ///
    /// # Panics
    ///
    /// When there is no such channel.
    pub fn byte(&self, channel: usize, value: f32) -> u8 {
        let (low, high) = (self.low[channel], self.high[channel]);
        // A cast from float saturates.
        ((value - low) * 255.0 / (high - low)).round() as u8
    }

    /// Checks that it has a range for each channel, with which arithmetic stays finite.
    pub(super) fn check(&self, path: &Path, channels: usize) -> Result<(), DataError> {
        if (self.low.len(), self.high.len()) != (channels, channels) {
            let expected = format!("{} channels, as the network's encoding has", self.low.len());
            return Err(DataError::field(path, "channels", expected, channels));
        }
        for (low, high) in self.low.iter().zip(&self.high) {
            let range = (high - low) * 255.0;
            if !range.is_finite() || range == 0.0 {
                let expected = "a range of values that is above 0 and that 32-bit floats can hold";
                return Err(DataError::field(
                    path,
                    "values",
                    expected,
                    format!("{low} to {high}"),
                ));
            }
        }
        Ok(())
    }
}
