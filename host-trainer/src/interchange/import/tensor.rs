//! Tensors as files hold them, and their way into our order of axes.

use super::error::Problem;
use super::precision::Precision;
use crate::net::Conv;

/// Numbers of a file with their sides, outermost first.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

/// How a file writes a number; always little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    F16,
    Bf16,
    F32,
    F64,
    U8,
}

impl Number {
    /// Bytes of one.
    pub(super) fn len(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// What weights stored so were rounded to; `None` if answers do not show it.
    pub(super) fn precision(self) -> Option<Precision> {
        match self {
            Self::F16 => Some(Precision::Float16),
            Self::Bf16 => Some(Precision::BFloat16),
            Self::F32 | Self::F64 | Self::U8 => None,
        }
    }

    /// All whole numbers of `bytes`.
    pub(super) fn read(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::U8 => bytes.iter().map(|&byte| f32::from(byte)).collect(),
            Self::F16 => {
                let halves = bytes.as_chunks::<2>().0.iter();
                halves.map(|b| half::f16::from_le_bytes(*b).to_f32()).collect()
            }
            Self::Bf16 => {
                let halves = bytes.as_chunks::<2>().0.iter();
                halves.map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect()
            }
            Self::F32 => {
                let words = bytes.as_chunks::<4>().0.iter();
                words.map(|b| f32::from_le_bytes(*b)).collect()
            }
            Self::F64 => {
                let words = bytes.as_chunks::<8>().0.iter();
                words.map(|b| f64::from_le_bytes(*b) as f32).collect()
            }
        }
    }
}

/// Returns the number of values of a tensor of this shape; `None` if they do not fit memory.
pub(super) fn count(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1usize, |product, &side| product.checked_mul(side))
}

impl Tensor {
    /// Returns the sides if there are exactly `N`.
    pub(super) fn sides<const N: usize>(&self, name: &str) -> Result<[usize; N], Problem> {
        self.shape.as_slice().try_into().map_err(|_| {
            Problem::field(
                name,
                format!("a tensor of {N} axes"),
                format!("shape {:?}", self.shape),
            )
        })
    }

    /// A one-dimensional filter, `[o][i][kx]`, as one of a single row.
    pub(super) fn with_one_row(mut self) -> Self {
        if self.shape.len() == 3 {
            self.shape.insert(2, 1);
        }
        self
    }

    /// A one-dimensional filter, `[kx][i][o]`, as one of a single row.
    pub(super) fn with_first_axis(mut self) -> Self {
        if self.shape.len() == 3 {
            self.shape.insert(0, 1);
        }
        self
    }

    /// A vector.
    pub(super) fn vector(self, name: &str) -> Result<Vec<f32>, Problem> {
        self.sides::<1>(name)?;
        Ok(self.values)
    }

    /// A filter written as `[o][i][ky][kx]`, as PyTorch and ONNX do.
    pub(super) fn conv_oihw(&self, name: &str, bias: Option<Vec<f32>>) -> Result<Conv, Problem> {
        self.conv(name, [0, 2, 3, 1], bias)
    }

    /// A filter written as `[ky][kx][i][o]`, as Keras does.
    pub(super) fn conv_hwio(&self, name: &str, bias: Option<Vec<f32>>) -> Result<Conv, Problem> {
        self.conv(name, [3, 0, 1, 2], bias)
    }

    /// A filter whose axes become `[o][ky][kx][i]` in this order.
    fn conv(&self, name: &str, order: [usize; 4], bias: Option<Vec<f32>>) -> Result<Conv, Problem> {
        let view = self.view(self.sides::<4>(name)?, name)?.permuted_axes(order);
        let (outputs, kernel_height, kernel_width, inputs) = view.dim();
        Ok(Conv {
            outputs,
            kernel_height,
            kernel_width,
            inputs,
            weight: view.iter().copied().collect(),
            bias,
        })
    }

    /// A matrix with its rows and columns swapped.
    pub(super) fn transposed(&self, name: &str) -> Result<Self, Problem> {
        let view = self.view(self.sides::<2>(name)?, name)?.reversed_axes();
        Ok(Self {
            shape: view.shape().to_vec(),
            values: view.iter().copied().collect(),
        })
    }

    fn view<Sides: ndarray::IntoDimension>(
        &self,
        sides: Sides,
        name: &str,
    ) -> Result<ndarray::ArrayView<'_, f32, Sides::Dim>, Problem> {
        ndarray::ArrayView::from_shape(sides.into_dimension(), &self.values)
            .map_err(|error| Problem::field(name, format!("values for shape {:?}", self.shape), error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_of_axes_become_ours() {
        let ours: Vec<f32> = (0..24u8).map(f32::from).collect();
        let at = |o: usize, ky: usize, kx: usize, i: usize| ours[((o * 2 + ky) * 3 + kx) * 2 + i];
        let (mut oihw, mut hwio) = (Vec::new(), Vec::new());
        for o in 0..2 {
            for i in 0..2 {
                for ky in 0..2 {
                    for kx in 0..3 {
                        oihw.push(at(o, ky, kx, i));
                    }
                }
            }
        }
        for ky in 0..2 {
            for kx in 0..3 {
                for i in 0..2 {
                    for o in 0..2 {
                        hwio.push(at(o, ky, kx, i));
                    }
                }
            }
        }
        let tensor = |shape: &[usize], values: Vec<f32>| Tensor {
            shape: shape.to_vec(),
            values,
        };
        let conv = tensor(&[2, 2, 2, 3], oihw).conv_oihw("w", None).unwrap();
        assert_eq!(conv.weight, ours);
        assert_eq!(tensor(&[2, 3, 2, 2], hwio).conv_hwio("w", None).unwrap(), conv);
        assert!(tensor(&[24], ours).conv_hwio("w", None).is_err());
    }

    #[test]
    fn numbers_are_read_in_every_width() {
        assert_eq!(Number::F16.read(&half::f16::from_f32(1.5).to_le_bytes()), [1.5]);
        assert_eq!(
            Number::Bf16.read(&half::bf16::from_f32(-2.0).to_le_bytes()),
            [-2.0]
        );
        assert_eq!(Number::F64.read(&0.25f64.to_le_bytes()), [0.25]);
        assert_eq!(Number::F32.read(&[0, 0, 128, 63, 9]), [1.0]);
        assert_eq!(Number::U8.read(&[7]), [7.0]);
    }
}
