//! Arrays of numbers into pictures of bytes; belongs to `data`.

use super::{DataError, Dataset, Encoding, Split};
use ndarray::{Array4, ArrayD, ArrayView4, Axis};
use std::path::Path;

/// One split as it was read: values, and a class for each picture.
pub(super) struct Part {
    /// `[n][height][width][channels]`.
    pub(super) values: Array4<f32>,
    pub(super) labels: Vec<u16>,
}

/// Every fifth picture is a test picture where a file brings no test split.
const TEST_STEP: usize = 5;

/// `[n][h][w][c]` as it is, `[n][h][w]` with one channel, `[n][w]` as one row.
pub(super) fn pictures(path: &Path, name: &str, array: ArrayD<f32>) -> Result<Array4<f32>, DataError> {
    let shape = array.shape().to_vec();
    let sides = match shape[..] {
        [n, h, w, c] => (n, h, w, c),
        [n, h, w] => (n, h, w, 1),
        [n, w] => (n, 1, w, 1),
        _ => {
            let expected = "[pictures, height, width, channels], or without the last or the last two";
            return Err(DataError::field(path, name, expected, format!("{shape:?}")));
        }
    };
    if sides.0 == 0 || sides.1 * sides.2 * sides.3 == 0 {
        return Err(DataError::field(
            path,
            name,
            "something",
            format!("shape {shape:?}"),
        ));
    }
    if let Some(value) = array.iter().find(|value| !value.is_finite()) {
        return Err(DataError::field(path, name, "finite numbers", value));
    }
    let ordered = array.as_standard_layout().into_owned();
    ordered
        .into_shape_with_order(sides)
        .map_err(|error| DataError::field(path, name, "an array in one piece", error))
}

/// A data set of these splits. Without a test split, every fifth picture becomes one. Whole numbers from 0 to 255 stay
/// as they are; anything else becomes bytes by an [`Encoding`] that spans each channel's training values.
pub(super) fn dataset(
    path: &Path,
    train: Part,
    test: Option<Part>,
    classes: Vec<String>,
) -> Result<Dataset, DataError> {
    let (train, test) = match test {
        Some(test) => (train, test),
        None => divide(train),
    };
    let (_, height, width, channels) = train.values.dim();
    let found = test.values.dim();
    if (found.1, found.2, found.3) != (height, width, channels) {
        return Err(DataError::field(
            path,
            "test pictures",
            format!("{height}x{width}x{channels}, as the training pictures"),
            format!("{}x{}x{}", found.1, found.2, found.3),
        ));
    }
    let is_byte = |value: &f32| (0.0..=255.0).contains(value) && value.fract() == 0.0;
    let are_bytes = train.values.iter().chain(&test.values).all(is_byte);
    let are_unit_bytes = !are_bytes && train.values.iter().chain(&test.values).all(is_unit_byte);
    let encoding = (!are_bytes).then(|| match are_unit_bytes {
        true => Encoding::unit(channels),
        false => span(train.values.view()),
    });
    let split = |part: Part| Split {
        images: match &encoding {
            None => part.values.iter().map(|&value| value as u8).collect(),
            Some(encoding) => {
                let bytes = part.values.indexed_iter();
                bytes
                    .map(|((.., channel), &value)| encoding.byte(channel, value))
                    .collect()
            }
        },
        labels: part.labels,
    };
    Ok(Dataset {
        height,
        width,
        channels,
        classes,
        train: split(train),
        test: split(test),
        encoding,
        are_unit_bytes,
        ..Dataset::default()
    })
}

/// Whether a value is a byte divided by 255, but for the rounding of `f32`.
fn is_unit_byte(value: &f32) -> bool {
    let byte = value * 255.0;
    (0.0..=1.0).contains(value) && (byte - byte.round()).abs() < 1e-4
}

/// From each channel's smallest value to its largest.
fn span(values: ArrayView4<'_, f32>) -> Encoding {
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for channel in values.axis_iter(Axis(3)) {
        let smallest = channel.iter().copied().fold(f32::INFINITY, f32::min);
        let largest = channel.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        low.push(smallest);
        // A channel that never changes is all zeros.
        high.push(if largest > smallest {
            largest
        } else {
            smallest + 1.0
        });
    }
    Encoding { low, high }
}

fn divide(all: Part) -> (Part, Part) {
    let numbers = 0..all.labels.len();
    let (test, train): (Vec<usize>, Vec<usize>) = numbers.partition(|at| at % TEST_STEP == TEST_STEP - 1);
    let part = |picked: &[usize]| Part {
        values: all.values.select(Axis(0), picked),
        labels: picked.iter().map(|&at| all.labels[at]).collect(),
    };
    (part(&train), part(&test))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(values: &[f32], labels: &[u16]) -> Part {
        let shape = (labels.len(), 1, values.len() / labels.len(), 1);
        Part {
            values: Array4::from_shape_vec(shape, values.to_vec()).unwrap(),
            labels: labels.to_vec(),
        }
    }

    fn names() -> Vec<String> {
        vec!["0".into(), "1".into()]
    }

    #[test]
    fn bytes_stay_and_measurements_span_the_training_split() {
        let path = Path::new("x");
        let (train, test) = (part(&[0.0, 255.0], &[0, 1]), part(&[7.0], &[1]));
        let set = dataset(path, train, Some(test), names()).unwrap();
        assert_eq!(
            (set.train.images, set.test.images, set.encoding),
            (vec![0, 255], vec![7], None)
        );

        let unit: Vec<f32> = (0..=255u8).map(|byte| f32::from(byte) / 255.0).collect();
        let set = dataset(path, part(&unit, &[0, 1]), Some(part(&unit, &[0, 1])), names()).unwrap();
        assert!(set.are_unit_bytes && set.train.images.iter().copied().eq(0..=255));
        let between = part(&[0.1, 0.5], &[0, 1]);
        assert!(
            !dataset(path, between, Some(part(&[0.1], &[1])), names())
                .unwrap()
                .are_unit_bytes
        );

        let (train, test) = (part(&[-1.0, 1.0], &[0, 1]), part(&[3.0], &[1]));
        let set = dataset(path, train, Some(test), names()).unwrap();
        assert_eq!((set.train.images, set.test.images), (vec![0, 255], vec![255]));
        assert_eq!(set.encoding.unwrap().byte(0, 0.0), 128);
    }

    #[test]
    fn every_fifth_is_a_test_picture() {
        let values: Vec<f32> = (0..10u8).map(f32::from).collect();
        let all = part(&values, &[0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
        let set = dataset(Path::new("x"), all, None, names()).unwrap();
        assert_eq!((set.test.images, set.test.labels), (vec![4, 9], vec![0, 1]));
        assert_eq!(set.train.len(), 8);
    }

    #[test]
    fn shapes_get_the_axes_they_lack() {
        let of = |shape: &[usize]| {
            let array = ArrayD::zeros(shape);
            pictures(Path::new("x"), "x", array).map(|array| array.dim()).ok()
        };
        assert_eq!(of(&[5, 8]), Some((5, 1, 8, 1)));
        assert_eq!(of(&[5, 8, 9]), Some((5, 8, 9, 1)));
        assert_eq!(of(&[5, 8, 9, 3]), Some((5, 8, 9, 3)));
        assert_eq!(of(&[5]), None);
        assert_eq!(of(&[0, 8]), None);
    }
}
