//! Reads IDX files, the format of MNIST.

use super::error::DataError;
use std::path::Path;

/// An IDX file of unsigned bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Idx {
    /// Sides, outermost first.
    pub(super) sides: Vec<usize>,
    /// Values, the last side fastest.
    pub(super) values: Vec<u8>,
}

/// Reads an IDX file of bytes with `dimensions` sides.
pub(super) fn read(path: &Path, bytes: &[u8], dimensions: usize) -> Result<Idx, DataError> {
    let (sides, values) = parts(path, bytes, dimensions, (0x08, "unsigned bytes"), 1)?;
    Ok(Idx {
        sides,
        values: values.to_vec(),
    })
}

/// Reads the sides and values of an IDX file of 16-bit numbers with `dimensions` sides.
pub(super) fn read_i16(
    path: &Path,
    bytes: &[u8],
    dimensions: usize,
) -> Result<(Vec<usize>, Vec<i16>), DataError> {
    let (sides, values) = parts(path, bytes, dimensions, (0x0b, "16-bit numbers"), 2)?;
    let values = values
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| i16::from_be_bytes(*pair));
    Ok((sides, values.collect()))
}

/// Returns the sides and the raw values of an IDX file of one type, with `size` bytes per value.
fn parts<'b>(
    path: &Path,
    bytes: &'b [u8],
    dimensions: usize,
    (kind, kind_name): (u8, &str),
    size: usize,
) -> Result<(Vec<usize>, &'b [u8]), DataError> {
    let head = 4 + 4 * dimensions;
    if bytes.len() < head {
        let expected = format!("{head} bytes");
        return Err(DataError::field(path, "header", expected, bytes.len()));
    }
    let (header, values) = bytes.split_at(head);
    if header[..2] != [0, 0] {
        let found = format!("{:02x} {:02x}", header[0], header[1]);
        return Err(DataError::field(path, "magic", "two zero bytes", found));
    }
    if header[2] != kind {
        let found = format!("0x{:02x}", header[2]);
        let expected = format!("0x{kind:02x} ({kind_name})");
        return Err(DataError::field(path, "type", expected, found));
    }
    if usize::from(header[3]) != dimensions {
        return Err(DataError::field(path, "dimensions", dimensions, header[3]));
    }
    let mut sides = Vec::with_capacity(dimensions);
    let mut count = Some(size);
    for side in header[4..].as_chunks::<4>().0 {
        let side = usize::try_from(u32::from_be_bytes(*side)).unwrap_or(usize::MAX);
        count = count.and_then(|count| count.checked_mul(side));
        sides.push(side);
    }
    if count != Some(values.len()) {
        let expected = count.map_or_else(|| "a size that fits memory".into(), |n| format!("{n} bytes"));
        let expected = format!("{expected} for {sides:?}");
        return Err(DataError::field(path, "values", expected, values.len()));
    }
    Ok((sides, values))
}

/// Reads images and their labels and checks that they fit together.
pub(super) fn pair(
    images: (&Path, &[u8]),
    labels: (&Path, &[u8]),
    classes: usize,
) -> Result<(Idx, Vec<u16>), DataError> {
    let pixels = read(images.0, images.1, 3)?;
    let numbers = labels_of(pixels.sides[0], labels, classes)?;
    if pixels.sides.contains(&0) {
        let expected = "all above 0";
        return Err(DataError::field(
            images.0,
            "sides",
            expected,
            format!("{:?}", pixels.sides),
        ));
    }
    Ok((pixels, numbers))
}

/// Reads `count` labels below `classes`.
pub(super) fn labels_of(
    count: usize,
    (path, bytes): (&Path, &[u8]),
    classes: usize,
) -> Result<Vec<u16>, DataError> {
    let numbers = read(path, bytes, 1)?.values;
    if numbers.len() != count {
        let expected = format!("{count}, one label per image");
        return Err(DataError::field(path, "count", expected, numbers.len()));
    }
    if let Some(at) = numbers.iter().position(|&label| usize::from(label) >= classes) {
        let expected = format!("below {classes}");
        return Err(DataError::field(
            path,
            &format!("label {at}"),
            expected,
            numbers[at],
        ));
    }
    Ok(numbers.into_iter().map(u16::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [u8; 14] = [0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 2, 7, 9];

    fn message(bytes: &[u8], dimensions: usize) -> String {
        read(Path::new("some-file"), bytes, dimensions)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn reads_sides_and_values() {
        let idx = read(Path::new("x"), &GOOD, 2).unwrap();
        assert_eq!(
            idx,
            Idx {
                sides: vec![1, 2],
                values: vec![7, 9]
            }
        );
    }

    #[test]
    fn errors_name_file_field_expected_and_found() {
        let changed = |at: usize, to: u8| {
            let mut bytes = GOOD;
            bytes[at] = to;
            bytes
        };
        assert_eq!(
            message(&GOOD[..5], 2),
            "some-file: `header`: expected 12 bytes, found 5"
        );
        assert!(message(&changed(0, 1), 2).contains("`magic`"));
        assert!(message(&changed(2, 0x0b), 2).contains("`type`: expected 0x08"));
        assert!(message(&changed(3, 1), 2).contains("`dimensions`: expected 2, found 1"));
        assert!(message(&GOOD[..13], 2).contains("`values`: expected 2 bytes for [1, 2], found 1"));
        let huge = [&[0, 0, 8, 3][..], &[0xff; 12]].concat();
        assert!(message(&huge, 3).contains("`values`"));
    }

    #[test]
    fn numbers_of_16_bits_keep_their_sign() {
        let bytes = [0, 0, 0x0b, 1, 0, 0, 0, 2, 0xff, 0xfe, 1, 0];
        let read = |bytes: &[u8]| read_i16(Path::new("x"), bytes, 1);
        assert_eq!(read(&bytes).unwrap(), (vec![2], vec![-2, 256]));
        let error = read(&bytes[..11]).unwrap_err().to_string();
        assert!(
            error.contains("`values`: expected 4 bytes for [2], found 3"),
            "{error}"
        );
    }

    #[test]
    fn pairs_must_fit() {
        let images = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 5, 6];
        let labels = |values: &[u8]| [&[0, 0, 8, 1, 0, 0, 0, values.len() as u8], values].concat();
        let (images, path) = ((Path::new("i"), &images[..]), Path::new("l"));
        assert_eq!(pair(images, (path, &labels(&[0, 2])), 3).unwrap().1, [0, 2]);
        let error = pair(images, (path, &labels(&[0])), 3).unwrap_err().to_string();
        assert!(error.contains("`count`: expected 2"), "{error}");
        let error = pair(images, (path, &labels(&[0, 3])), 3).unwrap_err().to_string();
        assert!(error.contains("`label 1`: expected below 3, found 3"), "{error}");
    }
}
