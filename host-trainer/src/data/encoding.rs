//! The encoding of measurements as bytes.

use super::error::DataError;
use super::listing::listed;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Encoding of measurements as bytes: byte = (value - low) * 255 / (high - low), rounded half away from zero, then clipped
/// to 0..=255. The firmware must encode its inputs in the same way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Encoding {
    /// Value of the byte 0 in each channel, in the channel's unit.
    pub low: Vec<f32>,
    /// Value of the byte 255 in each channel.
    pub high: Vec<f32>,
}

impl Encoding {
    /// Returns the encoding of values from 0 to 1.
    pub fn unit(channels: usize) -> Self {
        Self {
            low: vec![0.0; channels],
            high: vec![1.0; channels],
        }
    }

    /// Returns the byte of a measurement in a channel.
    ///
    /// # Panics
    ///
    /// When the encoding has fewer channels.
    pub fn byte(&self, channel: usize, value: f32) -> u8 {
        let (low, high) = (self.low[channel], self.high[channel]);
        // A cast from float saturates.
        ((value - low) * 255.0 / (high - low)).round() as u8
    }

    /// Returns the ranges of the first channels, for a message.
    pub fn ranges(&self) -> String {
        const LISTED: usize = 4;
        let ranges = self.low.iter().zip(&self.high);
        listed(ranges.map(|(low, high)| format!("{low} to {high}")), LISTED)
    }

    /// Checks that every channel has a range, and that arithmetic with it stays finite.
    pub(super) fn check(&self, path: &Path, channels: usize) -> Result<(), DataError> {
        if (self.low.len(), self.high.len()) != (channels, channels) {
            let expected = format!(
                "{} channels, the number of the network's encoding",
                self.low.len()
            );
            return Err(DataError::field(path, "channels", expected, channels));
        }
        for (low, high) in self.low.iter().zip(&self.high) {
            let range = (high - low) * 255.0;
            if !range.is_finite() || range == 0.0 {
                let expected = "a range above 0 that fits 32-bit floats";
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
