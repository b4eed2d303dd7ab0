//! Reads reference vectors: NumPy arrays `x` and `y` in one `.npz` file.

use super::error::{ImportError, Problem};
use super::tensor::{Number, Tensor, count};
use std::borrow::Cow;
use std::io::{Cursor, Read};
use std::path::Path;
use zip::ZipArchive;

/// Bytes one array may have, unpacked.
const LARGEST: u64 = 1 << 30;
const MAGIC: &[u8] = b"\x93NUMPY";

/// Inputs as a network takes them and what its framework answers.
#[derive(Clone, Debug)]
pub struct Vectors {
    /// Inputs; the first axis counts images.
    pub(super) x: Tensor,
    /// Answers; the first axis counts images.
    pub(super) y: Tensor,
}

impl Vectors {
    /// Reads the arrays `x` and `y` of an `.npz` file.
    ///
    /// # Errors
    ///
    /// Names the file, and the array that is absent or of another kind.
    pub fn load(path: &Path) -> Result<Self, ImportError> {
        let bytes = crate::input_file::read(path, LARGEST).map_err(Problem::from);
        bytes
            .and_then(|bytes| read(&bytes))
            .map_err(|problem| ImportError {
                path: path.to_owned(),
                problem,
            })
    }
}

/// Reads the arrays `x` and `y`.
pub(super) fn read(bytes: &[u8]) -> Result<Vectors, Problem> {
    let mut archive = ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| Problem::kind("an .npz file with arrays `x` and `y`", error.to_string()))?;
    let x = array(&mut archive, "x")?;
    let y = array(&mut archive, "y")?;
    Ok(Vectors { x, y })
}

fn array(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<Tensor, Problem> {
    let names: Vec<String> = archive
        .file_names()
        .filter_map(Result::ok)
        .map(Cow::into_owned)
        .collect();
    let file = archive.by_name(&format!("{name}.npy")).map_err(|error| {
        let found = match error {
            zip::result::ZipError::FileNotFound => names.join(", "),
            other => other.to_string(),
        };
        Problem::field(format!("{name}.npy"), "an array of the .npz file", found)
    })?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Problem::field(name, "an array", error))?;
    if bytes.len() as u64 > LARGEST {
        return Err(Problem::field(name, format!("at most {LARGEST} bytes"), "more"));
    }
    parse(name, &bytes)
}

/// One `.npy` file.
fn parse(name: &str, bytes: &[u8]) -> Result<Tensor, Problem> {
    let bad = |found: String| Problem::field(name, "a NumPy array of floats or bytes in C order", found);
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or_else(|| bad("something else".into()))?;
    let (header_len, start) = match rest {
        [1, _, low, high, ..] => (usize::from(u16::from_le_bytes([*low, *high])), 4),
        [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 6),
        _ => return Err(bad("an unknown version".into())),
    };
    let header = rest.get(start..).and_then(|rest| rest.get(..header_len));
    let header = header
        .and_then(|header| core::str::from_utf8(header).ok())
        .ok_or_else(|| bad("a damaged header".into()))?;
    let data = &rest[start + header_len..];
    let entry = |key: &str| {
        let after = header.split_once(&format!("'{key}':"))?.1;
        Some(after.trim_start())
    };
    let kind = entry("descr").and_then(|text| text.strip_prefix('\'')?.split_once('\''));
    let number = match kind.map(|(kind, _)| kind) {
        Some("<f4") => Number::F32,
        Some("<f8") => Number::F64,
        Some("<f2") => Number::F16,
        Some("|u1" | "<u1") => Number::U8,
        // How NumPy writes the bfloat16 of TensorFlow and JAX.
        Some("<V2" | "|V2") => Number::Bf16,
        other => return Err(bad(format!("numbers of kind `{}`", other.unwrap_or("none")))),
    };
    if !entry("fortran_order").is_some_and(|text| text.starts_with("False")) {
        return Err(bad("Fortran order".into()));
    }
    let sides = entry("shape").and_then(|text| text.strip_prefix('(')?.split_once(')'));
    let sides = sides.map_or("", |(sides, _)| sides).split(',');
    let shape: Option<Vec<usize>> = sides
        .map(str::trim)
        .filter(|side| !side.is_empty())
        .map(|side| side.parse().ok())
        .collect();
    let shape = shape.filter(|shape| !shape.is_empty() && shape.len() <= 8);
    let shape = shape.ok_or_else(|| bad("no shape".into()))?;
    let expected = count(&shape).and_then(|count| count.checked_mul(number.len()));
    if expected != Some(data.len()) {
        return Err(bad(format!("shape {shape:?} with {} bytes", data.len())));
    }
    Ok(Tensor {
        shape,
        values: number.read(data),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = [MAGIC, &[1, 0]].concat();
        bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn arrays_are_read_with_their_shape() {
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n";
        let tensor = parse("x", &npy(header, &[1, 2, 3, 4, 5, 6])).unwrap();
        assert_eq!(tensor.shape, [2, 3]);
        assert_eq!(tensor.values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn broken_arrays_are_refused() {
        let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n";
        assert!(parse("x", &npy(good, &[0; 4])).is_ok());
        for (header, data) in [
            (good.replace("<f4", "<i8"), 4),
            (good.replace("False", "True"), 4),
            (good.replace("(1,)", "(99999999999, 99999999999)"), 4),
            (good.replace("(1,)", "(-1,)"), 4),
            (good.replace("shape", "shpae"), 4),
            (good.to_owned(), 5),
        ] {
            assert!(parse("x", &npy(&header, &vec![0; data])).is_err(), "{header}");
        }
        let whole = npy(good, &[0; 4]);
        for len in 0..whole.len() {
            assert!(parse("x", &whole[..len]).is_err());
        }
        assert!(read(b"PK").is_err());
    }
}
