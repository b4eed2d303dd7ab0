//! Reads UCI HAR: windows of a phone's motion sensors, as images of one row.

use super::encoding::Encoding;
use super::error::DataError;
use super::files::{self, Budget};
use super::idx;
use super::reading::Reading;
use super::set::{Dataset, Split};
use std::path::Path;

pub(super) const USUAL: &[&str] = &["data/uci_har", "data/har"];
pub(super) const ADVICE: &str = "get it as IDX files (train_x.idx, train_y.idx, train_subject.idx, test_x.idx, test_y.idx, also as .gz or .xz)";

const CLASSES: [&str; 6] = [
    "walking",
    "upstairs",
    "downstairs",
    "sitting",
    "standing",
    "laying",
];
/// Channels, one per sensor: body acceleration x y z (g), angular velocity x y z (rad/s), total acceleration x y z (g).
const CHANNELS: usize = 9;
/// Number in the file for one unit of a sensor.
const UNIT: f32 = 4096.0;
/// Values of the bytes 0 and 255, by sensor. The ranges of total acceleration hold all but 0.1 % of the training split. Body
/// acceleration and angular velocity have small ranges, which clip walking: sitting and standing differ by hundredths of a
/// unit.
const RANGES: [(f32, f32); CHANNELS] = [
    (-0.1, 0.1),
    (-0.1, 0.1),
    (-0.1, 0.1),
    (-0.3, 0.3),
    (-0.3, 0.3),
    (-0.3, 0.3),
    (-0.5, 2.0),
    (-1.25, 1.25),
    (-1.25, 1.25),
];

pub(super) fn is_here(folder: &Path) -> bool {
    files::variant(folder, "train_x.idx").is_some() && files::variant(folder, "train_subject.idx").is_some()
}

pub(super) fn load(folder: &Path, reading: &Reading) -> Result<Dataset, DataError> {
    let usual = || Encoding {
        low: RANGES.map(|(low, _)| low).to_vec(),
        high: RANGES.map(|(_, high)| high).to_vec(),
    };
    let encoding = reading.encoding.clone().unwrap_or_else(usual);
    encoding.check(folder, CHANNELS)?;
    let mut budget = Budget::default();
    let mut split = |part: &str| {
        let (path, bytes) = budget.read(folder, &format!("{part}_x.idx"))?;
        let (sides, values) = idx::read_i16(&path, &bytes, 3)?;
        if sides[1] != CHANNELS || sides[2] == 0 {
            let expected = format!("windows of {CHANNELS} sensors");
            return Err(DataError::field(&path, "sides", expected, format!("{sides:?}")));
        }
        let (labels, label_bytes) = budget.read(folder, &format!("{part}_y.idx"))?;
        let labels = idx::labels_of(sides[0], (&labels, &label_bytes), CLASSES.len())?;
        let images = windows(&encoding, &values, sides[2]);
        Ok((sides[2], Split { images, labels }))
    };
    let (width, train) = split("train")?;
    let (test_width, test) = split("test")?;
    if test_width != width {
        return Err(DataError::field(folder, "samples of test_x", width, test_width));
    }
    let (path, bytes) = budget.read(folder, "train_subject.idx")?;
    let groups = idx::labels_of(train.len(), (&path, &bytes), 256)?;
    Ok(Dataset {
        name: "har".into(),
        height: 1,
        width,
        channels: CHANNELS,
        classes: CLASSES.map(String::from).to_vec(),
        train,
        test,
        groups,
        encoding: Some(encoding),
        encoding_is_fixed: reading.encoding.is_none(),
        ..Dataset::default()
    })
}

/// Converts windows `[sensor][sample]` to images of one row, `[sample][sensor]`.
fn windows(encoding: &Encoding, values: &[i16], width: usize) -> Vec<u8> {
    let mut images = Vec::with_capacity(values.len());
    for window in values.chunks_exact(CHANNELS * width) {
        for at in 0..width {
            images.extend((0..CHANNELS).map(|c| encoding.byte(c, f32::from(window[c * width + at]) / UNIT)));
        }
    }
    images
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idx(kind: u8, sides: &[u32], values: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, kind, sides.len() as u8];
        bytes.extend(sides.iter().flat_map(|side| side.to_be_bytes()));
        bytes.extend(values);
        bytes
    }

    #[test]
    fn sensors_become_channels_of_one_row() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: Vec<u8>| std::fs::write(folder.path().join(name), bytes).unwrap();
        let mut values = vec![0u8; 36];
        (values[0], values[1]) = (0x10, 0x00); // sensor 0, sample 0: 1 g
        (values[34], values[35]) = (0xf0, 0x00); // sensor 8, sample 1: -1 g
        for part in ["train", "test"] {
            write(&format!("{part}_x.idx"), idx(0x0b, &[1, 9, 2], &values));
            write(&format!("{part}_y.idx"), idx(8, &[1], &[5]));
        }
        write("train_subject.idx", idx(8, &[1], &[30]));
        let set = Dataset::load(folder.path().to_str().unwrap(), &Reading::default()).unwrap();
        assert_eq!((set.height, set.width, set.channels), (1, 2, 9));
        assert_eq!(set.train.images[..2], [255, 128]);
        // (-1 + 1.25) * 255 / 2.5
        assert_eq!(set.train.images[17], 26);
        assert_eq!(set.groups, [30]);
        write("train_subject.idx", idx(8, &[2], &[30, 1]));
        let error = Dataset::load(folder.path().to_str().unwrap(), &Reading::default())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("train_subject.idx: `count`: expected 1"),
            "{error}"
        );
    }
}
