//! Reads one array of a NumPy file: numbers of any kind, or texts.

use half::f16;
use ndarray::{ArrayD, ArrayViewD};
use ndarray_npy::{ViewElement, ViewNpyError, ViewNpyExt};

const MAGIC: &[u8] = b"\x93NUMPY";

/// A stored array.
pub(super) enum Array<T> {
    /// Bytes without a sign.
    Bytes(ArrayD<u8>),
    /// Any other kind of number.
    Numbers(ArrayD<T>),
    /// Texts, in the order of the file.
    Texts(Vec<String>),
}

/// Header of an array.
#[derive(Debug)]
pub(super) struct ArrayHeader {
    /// Kind of the values in NumPy's notation, such as `<f4`.
    pub(super) kind: String,
    /// Lengths of the axes.
    pub(super) shape: Vec<usize>,
    /// Bytes before the first value.
    len: usize,
}

impl ArrayHeader {
    /// Reads the header at the start of a file; returns nothing if there is none.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (size, at) = match rest.first()? {
            1 => (
                usize::from(u16::from_le_bytes(rest.get(2..4)?.try_into().ok()?)),
                10,
            ),
            _ => (
                usize::try_from(u32::from_le_bytes(rest.get(2..6)?.try_into().ok()?)).ok()?,
                12,
            ),
        };
        let len = size.checked_add(at)?;
        let text = core::str::from_utf8(bytes.get(at..len)?).ok()?;
        let value = |key: &str| Some(text.split_once(key)?.1.split_once(':')?.1.trim_start());
        let kind = value("descr")?;
        let quote = kind.chars().next()?;
        let kind = match quote {
            '\'' | '"' => kind[1..].split_once(quote)?.0,
            _ => "several fields",
        };
        let shape = value("shape")?.strip_prefix('(')?.split_once(')')?.0;
        let sides = shape.split(',').map(str::trim).filter(|side| !side.is_empty());
        Some(Self {
            kind: kind.to_owned(),
            shape: sides.map(|side| side.parse().ok()).collect::<Option<_>>()?,
            len,
        })
    }
}

/// Reads an array; `convert` converts its numbers from double-precision floats.
///
/// The shape is checked against the size of the file before anything is allocated.
pub(super) fn read<T>(mut bytes: Vec<u8>, convert: fn(f64) -> T) -> Result<Array<T>, String> {
    let header = ArrayHeader::read(&bytes).ok_or("no header of a NumPy array")?;
    let kind = header.kind.as_str();
    let (order, kind) = match kind.as_bytes().first() {
        Some(b'<' | b'>' | b'|' | b'=') => kind.split_at(1),
        _ => ("", kind),
    };
    if let Some(length) = kind.strip_prefix('U') {
        return texts(
            &bytes[header.len..],
            length,
            &header.shape,
            |unit| {
                let unit = *unit.as_chunks::<4>().0.first()?;
                char::from_u32(if order == ">" {
                    u32::from_be_bytes(unit)
                } else {
                    u32::from_le_bytes(unit)
                })
            },
            4,
        )
        .map(Array::Texts);
    }
    if let Some(length) = kind.strip_prefix('S') {
        return texts(
            &bytes[header.len..],
            length,
            &header.shape,
            |unit| unit.first().map(|&byte| char::from(byte)),
            1,
        )
        .map(Array::Texts);
    }
    if kind.starts_with('O') {
        return Err("Python objects: save numbers or texts, for example np.array(values.tolist())".into());
    }
    let size: usize = kind.get(1..).and_then(|size| size.parse().ok()).unwrap_or(1);
    let is_half = kind == "f2";
    if order == ">" && matches!(size, 2 | 4 | 8) {
        bytes[header.len..]
            .chunks_exact_mut(size)
            .for_each(<[u8]>::reverse);
        replace(&mut bytes[..header.len], b">", b"<");
    }
    if is_half {
        // `ndarray_npy` has no half floats: their bits are read as integers.
        replace(&mut bytes[..header.len], b"<f2", b"<u2");
    }
    let array = match kind {
        "u1" => {
            let bytes = of::<u8, u8>(&bytes, |value| value);
            return bytes.map(Array::Bytes).map_err(|error| error.to_string());
        }
        "b1" => of::<bool, T>(&bytes, |value| convert(u8::from(value).into())),
        "i1" => of::<i8, T>(&bytes, |value| convert(value.into())),
        "i2" => of::<i16, T>(&bytes, |value| convert(value.into())),
        "u2" => of::<u16, T>(&bytes, |value| convert(value.into())),
        "i4" => of::<i32, T>(&bytes, |value| convert(value.into())),
        "u4" => of::<u32, T>(&bytes, |value| convert(value.into())),
        "i8" => of::<i64, T>(&bytes, |value| convert(value as f64)),
        "u8" => of::<u64, T>(&bytes, |value| convert(value as f64)),
        "f2" => of::<u16, T>(&bytes, |value| convert(f16::from_bits(value).to_f64())),
        "f4" => of::<f32, T>(&bytes, |value| convert(value.into())),
        "f8" => of::<f64, T>(&bytes, convert),
        _ => return Err(format!("values of the kind `{}`", header.kind)),
    };
    array.map(Array::Numbers).map_err(|error| error.to_string())
}

fn of<V: ViewElement + Copy, T>(bytes: &[u8], convert: impl Fn(V) -> T) -> Result<ArrayD<T>, ViewNpyError> {
    Ok(ArrayViewD::<V>::view_npy(bytes)?.mapv(convert))
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    if let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
}

/// Reads texts of `length` characters of `size` bytes each; zeros fill the rest.
fn texts(
    bytes: &[u8],
    length: &str,
    shape: &[usize],
    character: impl Fn(&[u8]) -> Option<char>,
    size: usize,
) -> Result<Vec<String>, String> {
    let length: usize = length
        .parse()
        .map_err(|_| format!("texts of `{length}` characters"))?;
    let text_len = length
        .checked_mul(size)
        .filter(|&len| len > 0)
        .ok_or("texts without characters")?;
    let expected = shape
        .iter()
        .try_fold(text_len, |product, &side| product.checked_mul(side));
    if expected != Some(bytes.len()) {
        return Err(format!("{} bytes for the shape {shape:?}", bytes.len()));
    }
    let texts = bytes.chunks_exact(text_len).map(|text| {
        let units = text
            .chunks_exact(size)
            .take_while(|unit| unit.iter().any(|&byte| byte != 0));
        units.map(&character).collect::<Option<String>>()
    });
    texts
        .collect::<Option<_>>()
        .ok_or_else(|| "characters that are not Unicode".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array2, ShapeBuilder};
    use ndarray_npy::{WritableElement, WriteNpyExt};

    fn npy<T: WritableElement, D: ndarray::Dimension>(array: &ndarray::Array<T, D>) -> Vec<u8> {
        let mut bytes = Vec::new();
        array.write_npy(&mut bytes).unwrap();
        bytes
    }

    /// Returns a file with this header and these values, as NumPy writes it.
    fn file(kind: &str, shape: &str, values: &[u8]) -> Vec<u8> {
        let mut text = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
        while (text.len() + 11) % 64 != 0 {
            text.push(' ');
        }
        text.push('\n');
        let len = (text.len() as u16).to_le_bytes();
        [MAGIC, &[1, 0], &len, text.as_bytes(), values].concat()
    }

    fn numbers(bytes: Vec<u8>) -> Vec<f64> {
        match read(bytes, |value| value).map_err(|error| panic!("{error}")) {
            Ok(Array::Numbers(array)) => array.iter().copied().collect(),
            _ => panic!("expected numbers"),
        }
    }

    #[test]
    fn every_kind_of_number_is_read() {
        assert_eq!(numbers(npy(&Array1::from_vec(vec![1.5f64]))), [1.5]);
        assert_eq!(numbers(npy(&Array1::from_vec(vec![-3i16]))), [-3.0]);
        assert_eq!(numbers(npy(&Array1::from_vec(vec![true, false]))), [1.0, 0.0]);
        assert_eq!(
            numbers(npy(&Array1::from_vec(vec![u64::from(u32::MAX)]))),
            [4294967295.0]
        );
        assert_eq!(
            numbers(file("<f2", "(2,)", &[0x00, 0x3e, 0x00, 0xc0])),
            [1.5, -2.0]
        );
        assert_eq!(numbers(file(">f4", "(1,)", &1.5f32.to_be_bytes())), [1.5]);
        assert_eq!(numbers(file(">i2", "(2,)", &[0, 3, 0xff, 0xfe])), [3.0, -2.0]);
        let turned = Array2::from_shape_vec((2, 2).f(), vec![1.0f32, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!(numbers(npy(&turned)), [1.0, 3.0, 2.0, 4.0]);
    }

    #[test]
    fn texts_are_read_and_objects_refused() {
        let texts = |bytes| match read(bytes, |value| value) {
            Ok(Array::Texts(texts)) => texts,
            _ => panic!("expected texts"),
        };
        let wide: Vec<u8> = "ab\0c\0\0"
            .chars()
            .flat_map(|c| u32::from(c).to_le_bytes())
            .collect();
        assert_eq!(texts(file("<U3", "(2,)", &wide)), ["ab", "c"]);
        assert_eq!(texts(file("|S3", "(2, 1)", b"ab\0c\0\0")), ["ab", "c"]);
        let error = read(file("|O", "(2,)", b"any"), |value| value).err().unwrap();
        assert!(error.contains("Python objects"), "{error}");
        assert!(read(file("<U3", "(9,)", &wide), |value| value).is_err());
        assert!(read(file("<c8", "(1,)", &[0; 8]), |value| value).is_err());
    }

    #[test]
    fn broken_files_are_refused() {
        let whole = npy(&Array1::from_vec(vec![1u8, 2, 3]));
        for len in 0..whole.len() {
            assert!(read(whole[..len].to_vec(), |value| value).is_err(), "{len}");
        }
        assert!(read(file("|u1", "(9,)", &[1, 2, 3]), |value| value).is_err());
        assert_eq!(ArrayHeader::read(&whole).unwrap().shape, [3]);
    }
}
