//! A gate as a clamp: batch norm and ReLU in one saturating subtraction.

use super::Scale;
use crate::fold::Gate;

/// One clamp per input channel, and what its output means: activation = `factor * v + constant`.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisedGate {
    /// 0x00 or 0xff per channel.
    pub mask: Vec<u8>,
    /// Per channel.
    pub threshold: Vec<u8>,
    /// What one step of `v` is worth, per channel.
    pub(crate) factor: Vec<f32>,
    /// What `v = 0` stands for, per channel: above 0 where the gate is always open.
    pub(crate) constant: Vec<f32>,
}

/// A gate as a clamp on bytes stored with `channels`' scales.
pub(super) fn clamp(gate: &Gate, channels: &[Scale]) -> QuantisedGate {
    let mut out = QuantisedGate {
        mask: Vec::new(),
        threshold: Vec::new(),
        factor: Vec::new(),
        constant: Vec::new(),
    };
    for (c, channel) in channels.iter().enumerate() {
        let zero = channel.zero as f32;
        let (mask, threshold, factor, constant) = match gate {
            Gate::Pass => (0, 0, channel.scale, -channel.scale * zero),
            Gate::Relu { slope, offset } => clamp_channel(slope[c], offset[c], channel.scale, zero),
        };
        out.mask.push(mask);
        out.threshold.push(threshold);
        out.factor.push(factor);
        out.constant.push(constant);
    }
    out
}

/// `relu(slope * scale * (u - zero) + offset)` as mask, threshold, factor and constant.
fn clamp_channel(slope: f32, offset: f32, scale: f32, zero: f32) -> (u8, u8, f32, f32) {
    let factor = (slope * scale).abs();
    // The byte at which the gate opens, as a real number.
    let opening = zero - offset / (slope * scale);
    if !opening.is_finite() || factor == 0.0 {
        return (0, 255, 0.0, offset.max(0.0));
    }
    let threshold = opening.round().clamp(0.0, 255.0);
    if slope > 0.0 {
        let always_on = factor * (-opening).max(0.0);
        (
            0,
            threshold as u8,
            factor,
            if opening < 0.0 { always_on } else { 0.0 },
        )
    } else {
        let always_on = factor * (opening - 255.0).max(0.0);
        (0xff, 255 - threshold as u8, factor, always_on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use denselet::arithmetic;

    /// What the clamp computes for byte `u`, and what it should.
    fn both(slope: f32, offset: f32, scale: f32, zero: f32, u: u8) -> (f32, f32) {
        let (mask, threshold, factor, constant) = clamp_channel(slope, offset, scale, zero);
        let v = f32::from(arithmetic::clamp(u, mask, threshold));
        (
            factor * v + constant,
            (slope * scale * (f32::from(u) - zero) + offset).max(0.0),
        )
    }

    #[test]
    fn a_clamp_is_within_half_a_step_of_batch_norm_and_relu() {
        for slope in [-2.0, -0.3, 0.0, 0.5, 3.0] {
            for offset in [-900.0, -3.3, -0.2, 0.0, 0.4, 2.7, 900.0] {
                for zero in [-40.0, 0.0, 77.0, 255.0, 300.0] {
                    for u in 0..=255 {
                        let (found, expected) = both(slope, offset, 0.02, zero, u);
                        let half_step = (slope * 0.02f32).abs() * 0.501 + 1e-3;
                        assert!(
                            (found - expected).abs() <= half_step,
                            "{slope} {offset} {zero} {u}"
                        );
                    }
                }
            }
        }
    }
}
