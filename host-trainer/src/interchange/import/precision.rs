//! How exact a framework's answers are, and so how close ours must be: what answers were computed in is seen in their bits, read
//! from the file, or given.

use serde::Serialize;

/// Numbers that a framework computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 24 bits of mantissa.
    Float32,
    /// 11 bits.
    Float16,
    /// 8 bits.
    BFloat16,
}

/// Values with a fraction that it takes to recognise a precision.
const ENOUGH: usize = 4;

impl Precision {
    /// Largest difference allowed, as a share of the answers' range: what a deep network makes of one rounding.
    pub fn bar(self) -> f64 {
        match self {
            Self::Float32 => 1e-4,
            Self::Float16 => 1e-2,
            Self::BFloat16 => 5e-2,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
            Self::BFloat16 => "bfloat16",
        }
    }

    /// The precision of a Keras policy such as `mixed_float16`.
    pub(super) fn of_policy(policy: &str) -> Option<Self> {
        match policy {
            "float16" | "mixed_float16" => Some(Self::Float16),
            "bfloat16" | "mixed_bfloat16" => Some(Self::BFloat16),
            _ => None,
        }
    }

    /// The smallest that holds every value; float32 where too few values tell.
    pub(super) fn of(values: &[f32]) -> Self {
        let fractions = || values.iter().map(|value| value.to_bits() & 0x007f_ffff);
        let told = fractions().filter(|bits| *bits != 0).count();
        let fits = |dropped: u32| told >= ENOUGH && fractions().all(|bits| bits & ((1 << dropped) - 1) == 0);
        // Small float16 values have fewer bits still, so that bfloat16 is tried first and must hold all.
        if fits(16) {
            Self::BFloat16
        } else if fits(13) {
            Self::Float16
        } else {
            Self::Float32
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precision_is_recognised_by_its_bits() {
        let values: Vec<f32> = (1..40u8).map(|n| 1.0 / (f32::from(n) + 0.37)).collect();
        let rounded =
            |round: fn(f32) -> f32| -> Vec<f32> { values.iter().map(|value| round(*value)).collect() };
        assert_eq!(Precision::of(&values), Precision::Float32);
        let half = rounded(|value| half::f16::from_f32(value).to_f32());
        assert_eq!(Precision::of(&half), Precision::Float16);
        let brain = rounded(|value| half::bf16::from_f32(value).to_f32());
        assert_eq!(Precision::of(&brain), Precision::BFloat16);
        assert_eq!(Precision::of(&[0.0, 1.0, 0.5, 2.0]), Precision::Float32);
    }
}
