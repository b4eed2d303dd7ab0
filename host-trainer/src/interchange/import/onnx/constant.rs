//! Constants of an ONNX graph: initialisers, and what nodes compute from constants and shapes alone. Belongs to `import`.

use super::super::error::Problem;
use super::super::precision::Precision;
use super::super::tensor::{Number, Tensor, count};
use super::proto::{self, data_type};
use core::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::path::{Component, Path};
use std::rc::Rc;

/// Values that constants may have in a file of a few bytes.
const FREE_VALUES: usize = 1 << 20;
/// Values that constants may have for each byte of the file: a weight takes two bytes or more, and may be copied by a cast, a
/// transposition, a reshape.
const VALUES_PER_BYTE: usize = 4;
/// Axes a constant may have.
pub(super) const MOST_AXES: usize = 16;

/// Whole numbers with a shape; a batch size that is not known is `None`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ints {
    /// Whether it is a single number without axes.
    pub(super) is_scalar: bool,
    /// Its values.
    pub(super) values: Vec<Option<i64>>,
}

/// A constant.
#[derive(Clone, Debug)]
pub(super) enum Constant {
    Floats(Rc<Tensor>),
    Ints(Ints),
}

/// Reads tensors, and the files beside the network that hold the large ones.
pub(super) struct Tensors<'f> {
    beside: &'f dyn Fn(&str) -> io::Result<Vec<u8>>,
    files: HashMap<String, Vec<u8>>,
    /// Values that constants may still have, read or computed, all together.
    left: Cell<usize>,
    /// What weights are stored in, if it is not float32.
    pub(super) precision: Option<Precision>,
}

impl<'f> Tensors<'f> {
    /// For a file of `length` bytes.
    pub(super) fn new(beside: &'f dyn Fn(&str) -> io::Result<Vec<u8>>, length: usize) -> Self {
        Self {
            beside,
            files: HashMap::new(),
            left: Cell::new(length.saturating_mul(VALUES_PER_BYTE).saturating_add(FREE_VALUES)),
            precision: None,
        }
    }

    /// Takes a constant of `values` values from the budget of all constants of the file, before it is made.
    pub(super) fn spend(&self, name: &str, values: usize) -> Result<(), Problem> {
        let left = self.left.get();
        let rest = left.checked_sub(values).ok_or_else(|| {
            Problem::field(
                format!("constant `{name}`"),
                format!(
                    "constants of {FREE_VALUES} values and {VALUES_PER_BYTE} for each byte of the file in all ({left} are \
                     left); fold the constants before the export"
                ),
                format!("{values} more"),
            )
        })?;
        self.left.set(rest);
        Ok(())
    }

    /// The constant of a tensor in the file.
    pub(super) fn read(&mut self, name: &str, tensor: &proto::Tensor) -> Result<Constant, Problem> {
        let field = format!("tensor `{name}`");
        let shape: Option<Vec<usize>> = (tensor.dims.iter())
            .map(|&side| usize::try_from(side).ok())
            .collect();
        let wanted = shape.as_deref().and_then(count);
        let (Some(shape), Some(wanted)) = (shape, wanted) else {
            let found = format!("{:?}", tensor.dims);
            return Err(Problem::field(field, "sides of at least zero", found));
        };
        if shape.len() > MOST_AXES {
            return Err(Problem::field(
                field,
                format!("at most {MOST_AXES} axes"),
                shape.len(),
            ));
        }
        if tensor.data_location != 1 {
            self.spend(name, wanted)?;
        }
        let number = match tensor.data_type {
            data_type::FLOAT => Number::F32,
            data_type::FLOAT16 => Number::F16,
            data_type::BFLOAT16 => Number::Bf16,
            data_type::DOUBLE => Number::F64,
            data_type::INT32 | data_type::INT64 | data_type::BOOL => {
                return self.ints(&field, tensor, shape.is_empty(), wanted);
            }
            other => {
                let expected = "floats, or whole numbers of 32 or 64 bits: import the network as it was before it was \
                                quantised, `denselet export` quantises it";
                return Err(Problem::field(field, expected, data_type::name(other)));
            }
        };
        self.precision = number.precision().or(self.precision);
        let values = if tensor.data_location == 1 || !tensor.raw_data.is_empty() {
            number.read(self.bytes(&field, tensor, wanted, number.len())?)
        } else {
            match number {
                Number::F32 => tensor.float_data.clone(),
                Number::F64 => tensor.double_data.iter().map(|value| *value as f32).collect(),
                _ => {
                    let bits = tensor
                        .int32_data
                        .iter()
                        .filter_map(|&bits| u16::try_from(bits).ok());
                    let bytes: Vec<u8> = bits.flat_map(u16::to_le_bytes).collect();
                    number.read(&bytes)
                }
            }
        };
        if values.len() != wanted {
            return Err(Problem::field(
                field,
                format!("{wanted} values of shape {shape:?}"),
                values.len(),
            ));
        }
        Ok(Constant::Floats(Rc::new(Tensor { shape, values })))
    }

    fn ints(
        &mut self,
        field: &str,
        tensor: &proto::Tensor,
        is_scalar: bool,
        wanted: usize,
    ) -> Result<Constant, Problem> {
        let is_raw = tensor.data_location == 1 || !tensor.raw_data.is_empty();
        let values: Vec<i64> = match (tensor.data_type, is_raw) {
            (data_type::INT64, true) => {
                let words = self.bytes(field, tensor, wanted, 8)?.as_chunks::<8>().0.iter();
                words.map(|word| i64::from_le_bytes(*word)).collect()
            }
            (data_type::INT32, true) => {
                let words = self.bytes(field, tensor, wanted, 4)?.as_chunks::<4>().0.iter();
                words.map(|word| i64::from(i32::from_le_bytes(*word))).collect()
            }
            (_, true) => self
                .bytes(field, tensor, wanted, 1)?
                .iter()
                .map(|&b| i64::from(b))
                .collect(),
            (data_type::INT64, false) => tensor.int64_data.clone(),
            (_, false) => tensor.int32_data.iter().map(|&value| i64::from(value)).collect(),
        };
        if values.len() != wanted {
            return Err(Problem::field(field, format!("{wanted} values"), values.len()));
        }
        Ok(Constant::Ints(Ints {
            is_scalar,
            values: values.into_iter().map(Some).collect(),
        }))
    }

    /// The bytes of a tensor, in the file or beside it.
    fn bytes<'t>(
        &'t mut self,
        field: &str,
        tensor: &'t proto::Tensor,
        wanted: usize,
        width: usize,
    ) -> Result<&'t [u8], Problem> {
        let length = wanted.checked_mul(width);
        let bytes = if tensor.data_location == 1 {
            self.outside(field, tensor, length)?
        } else {
            tensor.raw_data.as_slice()
        };
        if Some(bytes.len()) != length {
            let expected = format!("{wanted} values of {width} bytes");
            return Err(Problem::field(field, expected, format!("{} bytes", bytes.len())));
        }
        Ok(bytes)
    }

    fn outside(
        &mut self,
        field: &str,
        tensor: &proto::Tensor,
        length: Option<usize>,
    ) -> Result<&[u8], Problem> {
        let entry = |key: &str| {
            let entry = tensor.external_data.iter().find(|entry| entry.key == key);
            entry.map(|entry| entry.value.as_str())
        };
        let name = entry("location").unwrap_or_default();
        let mut parts = Path::new(name).components();
        let is_beside = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
        if !is_beside {
            let expected = "a file beside the network";
            return Err(Problem::field(field, expected, format!("location `{name}`")));
        }
        if !self.files.contains_key(name) {
            let bytes = (self.beside)(name)
                .map_err(|error| Problem::field(field, format!("its values in `{name}`"), error))?;
            let more = bytes.len().saturating_mul(VALUES_PER_BYTE);
            self.left.set(self.left.get().saturating_add(more));
            self.files.insert(name.to_owned(), bytes);
        }
        self.spend(field, length.unwrap_or(0))?;
        let bytes = self.files.get(name).map_or(&[] as &[u8], Vec::as_slice);
        let start: Option<usize> = entry("offset").map_or(Some(0), |text| text.parse().ok());
        let found = start.zip(length).and_then(|(start, length)| {
            let end = start.checked_add(length)?;
            bytes.get(start..end)
        });
        found.ok_or_else(|| {
            let found = format!(
                "a file of {} bytes, offset {}",
                bytes.len(),
                entry("offset").unwrap_or("0")
            );
            Problem::field(field, format!("its values in `{name}`"), found)
        })
    }
}

impl Constant {
    /// Values it has.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Floats(tensor) => tensor.values.len(),
            Self::Ints(ints) => ints.values.len(),
        }
    }
}

impl Ints {
    /// All values, where none depends on the batch.
    pub(super) fn known(&self) -> Option<Vec<i64>> {
        self.values.iter().copied().collect()
    }
}

/// Sides of two constants spread over each other as NumPy does; `None` if they do not fit.
pub(super) fn spread(a: &Tensor, b: &Tensor) -> Option<Vec<usize>> {
    let rank = a.shape.len().max(b.shape.len());
    let both = |axis| match (side(&a.shape, axis, rank), side(&b.shape, axis, rank)) {
        (a, b) if a == b => Some(a),
        (a, 1) => Some(a),
        (1, b) => Some(b),
        _ => None,
    };
    (0..rank).map(both).collect()
}

/// Side `axis` of `rank` of a constant whose own axes are the last ones.
fn side(shape: &[usize], axis: usize, rank: usize) -> usize {
    let own = (axis + shape.len()).checked_sub(rank);
    own.and_then(|own| shape.get(own)).copied().unwrap_or(1)
}

/// `op` of two constants, spread over each other to `shape`.
pub(super) fn zip(a: &Tensor, b: &Tensor, shape: Vec<usize>, op: impl Fn(f32, f32) -> f32) -> Tensor {
    let rank = shape.len();
    let total = count(&shape).unwrap_or(0);
    let place = |index: usize, of: &[usize]| {
        let (mut rest, mut at, mut step) = (index, 0, 1);
        for axis in (0..rank).rev() {
            let own = side(of, axis, rank);
            if own > 1 {
                at += (rest % shape[axis]) * step;
            }
            rest /= shape[axis].max(1);
            step *= own;
        }
        at
    };
    let values = (0..total).map(|index| {
        let a = a.values.get(place(index, &a.shape)).copied().unwrap_or(f32::NAN);
        let b = b.values.get(place(index, &b.shape)).copied().unwrap_or(f32::NAN);
        op(a, b)
    });
    Tensor {
        values: values.collect(),
        shape,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize], values: &[f32]) -> Tensor {
        Tensor {
            shape: shape.to_vec(),
            values: values.to_vec(),
        }
    }

    #[test]
    fn constants_spread_over_each_other() {
        let a = tensor(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let row = tensor(&[2], &[10.0, 20.0]);
        let column = tensor(&[2, 1], &[10.0, 20.0]);
        let one = tensor(&[], &[5.0]);
        let add = |a: &Tensor, b: &Tensor| zip(a, b, spread(a, b).unwrap(), |a, b| a + b).values;
        assert_eq!(add(&a, &row), [11.0, 22.0, 13.0, 24.0]);
        assert_eq!(add(&column, &a), [11.0, 12.0, 23.0, 24.0]);
        assert_eq!(add(&a, &one), [6.0, 7.0, 8.0, 9.0]);
        assert_eq!(add(&row, &column), [20.0, 30.0, 30.0, 40.0]);
        assert!(spread(&a, &tensor(&[3], &[0.0; 3])).is_none());
    }

    fn outside(location: &str, offset: &str) -> Result<Constant, Problem> {
        let entry = |key: &str, value: &str| proto::Entry {
            key: key.into(),
            value: value.into(),
        };
        let tensor = proto::Tensor {
            dims: vec![1],
            data_type: data_type::FLOAT,
            data_location: 1,
            external_data: vec![entry("location", location), entry("offset", offset)],
            ..proto::Tensor::default()
        };
        let beside = |name: &str| {
            if name == "weights" {
                Ok(vec![9, 0, 0, 0x80, 0x3f])
            } else {
                Err(io::Error::from(io::ErrorKind::NotFound))
            }
        };
        Tensors::new(&beside, 0).read("w", &tensor)
    }

    #[test]
    fn constants_have_a_budget_together() {
        let nothing = |_: &str| Err(io::Error::from(io::ErrorKind::NotFound));
        let tensors = Tensors::new(&nothing, 10);
        assert!(tensors.spend("a", FREE_VALUES).is_ok());
        assert!(tensors.spend("b", 10 * VALUES_PER_BYTE).is_ok());
        let message = tensors.spend("c", 1).unwrap_err().to_string();
        assert!(
            message.contains("constant `c`") && message.contains("(0 are left)"),
            "{message}"
        );
    }

    #[test]
    fn large_tensors_lie_beside_the_file_and_nowhere_else() {
        let Constant::Floats(found) = outside("weights", "1").unwrap() else {
            panic!("floats");
        };
        assert_eq!(found.values, [1.0]);
        for (location, offset) in [
            ("../weights", "1"),
            ("/weights", "1"),
            ("a/weights", "1"),
            ("..", "1"),
            ("", "1"),
            ("other", "1"),
            ("weights", "2"),
            ("weights", "18446744073709551615"),
            ("weights", "-1"),
        ] {
            assert!(outside(location, offset).is_err(), "{location} {offset}");
        }
    }
}
