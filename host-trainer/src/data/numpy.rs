//! Data sets as NumPy arrays: one `.npz`, or a folder of `.npy`.

use super::arrays::Source;
use super::classes::{self, list};
use super::error::DataError;
use super::files;
use super::measured::{self, Parts};
use super::reading::Reading;
use super::set::Dataset;
use super::shapes::Shaping;
use super::splits::Role;
use super::values::Values;
use ndarray::Axis;
use std::collections::BTreeMap;
use std::path::Path;

/// Names of arrays of images, without the name of the split.
const IMAGES: [&str; 13] = [
    "x", "xs", "images", "image", "imgs", "data", "features", "inputs", "input", "samples", "pixels",
    "signals", "windows",
];
/// Names of arrays of labels, without the name of the split.
const LABELS: [&str; 6] = ["y", "ys", "labels", "label", "targets", "target"];
/// Names of arrays of class names.
const NAMES: [&str; 6] = [
    "classes",
    "classnames",
    "targetnames",
    "labelnames",
    "categories",
    "names",
];
/// Names that a message proposes.
const USUAL: &str = "`x_train`, `y_train`, `x_test`, `y_test`, also `train_images`, `train_labels`, ..., `val_images`, or `x` and `y`, \
     `data` and `target`, `images` and `labels`";

/// Content of an array.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ArrayContent {
    Images,
    Labels,
    Names,
}

/// Returns the split and the content of an array, by its name.
fn content(name: &str) -> Option<(Option<Role>, ArrayContent)> {
    let (role, rest) = Role::of_array(name);
    let content = if IMAGES.contains(&rest.as_str()) {
        ArrayContent::Images
    } else if LABELS.contains(&rest.as_str()) {
        ArrayContent::Labels
    } else if NAMES.contains(&rest.as_str()) && role.is_none() {
        ArrayContent::Names
    } else {
        return None;
    };
    Some((role, content))
}

/// Whether a folder contains arrays of images.
pub(super) fn is_here(folder: &Path) -> bool {
    let list = files::entries(folder).unwrap_or_default();
    list.iter().any(|path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        files::ending(path) == "npy"
            && content(&stem).is_some_and(|(_, content)| content == ArrayContent::Images)
    })
}

/// Reads images and labels of each split, by the usual names of arrays.
pub(super) fn load(path: &Path, reading: &Reading) -> Result<Dataset, DataError> {
    let mut source = Source::open(path)?;
    let mut shaping = Shaping::new(path, reading);
    let found = roles(&mut source, path, &mut shaping.notes)?;
    let array = |role, content| found.get(&(role, content)).cloned();
    let has =
        |role| array(role, ArrayContent::Images).is_some() || array(role, ArrayContent::Labels).is_some();
    let roles = if has(Some(Role::Train)) {
        vec![Some(Role::Train), Some(Role::Validation), Some(Role::Test)]
    } else {
        vec![None]
    };
    let mut unread: Vec<String> = source.names.clone();
    let (mut all_values, mut all_labels) = (Vec::new(), Vec::new());
    for role in roles {
        let (images, labels) = match (
            array(role, ArrayContent::Images),
            array(role, ArrayContent::Labels),
        ) {
            (Some(images), Some(labels)) => (images, labels),
            (None, None) if matches!(role, Some(Role::Validation | Role::Test)) => continue,
            _ => {
                let expected = format!("images and labels for each split ({USUAL})");
                return Err(DataError::field(path, "arrays", expected, source.listing()));
            }
        };
        unread.retain(|name| *name != images && *name != labels);
        let values = source.images(&images, &mut shaping)?;
        let labels = source.labels(path, &labels, count(&values), &mut shaping.notes)?;
        all_values.push((role.unwrap_or(Role::Train), values));
        all_labels.push(labels);
    }
    let mut notes = shaping.notes;
    let classes = classes::classes(path, all_labels, &mut notes)?;
    let mut names = classes.names;
    if let Some(array) = array(None, ArrayContent::Names)
        && let Some(texts) = source.class_names(path, &array, &names)
    {
        notes.push(format!("`{array}` names the classes"));
        unread.retain(|name| *name != array);
        names = texts;
    }
    if !unread.is_empty() {
        notes.push(format!("arrays that are not read: {}", list(&unread)));
    }
    let parts = Parts::new(all_values, classes.of_split);
    let parts = parts.ok_or_else(|| DataError::field(path, "arrays", USUAL, "none"))?;
    measured::dataset(path, parts, names, reading, notes)
}

/// Returns the name of the array of each split and content.
fn roles(
    source: &mut Source,
    path: &Path,
    notes: &mut Vec<String>,
) -> Result<BTreeMap<(Option<Role>, ArrayContent), String>, DataError> {
    let mut found: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for name in &source.names {
        if let Some(content) = content(name) {
            found.entry(content).or_default().push(name.clone());
        }
    }
    let mut roles = BTreeMap::new();
    for ((role, content), names) in found {
        if let [name] = &names[..] {
            roles.insert((role, content), name.clone());
        } else if content != ArrayContent::Names {
            let expected = "one array of images and one of labels for each split: leave one out";
            let names = names
                .iter()
                .map(|name| source.described(name))
                .collect::<Vec<_>>();
            return Err(DataError::field(path, "arrays", expected, names.join(", ")));
        }
    }
    let has_labels = roles.keys().any(|(_, content)| *content == ArrayContent::Labels);
    let has_images = roles.keys().any(|(_, content)| *content == ArrayContent::Images);
    if !has_labels || !has_images {
        let expected = format!("images and labels under a usual name ({USUAL})");
        return Err(DataError::field(path, "arrays", expected, source.listing()));
    }
    let train = roles.get(&(Some(Role::Train), ArrayContent::Images));
    if let Some(train) = train
        && train != "x_train"
    {
        notes.push(format!("the training images are the array `{train}`"));
    }
    Ok(roles)
}

fn count(values: &Values) -> usize {
    match values {
        Values::Bytes(array) => array.len_of(Axis(0)),
        Values::Numbers(array) => array.len_of(Axis(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::assert_contains;
    use super::*;
    use ndarray::{Array1, Array2, Array4, Dimension};
    use ndarray_npy::{WritableElement, WriteNpyExt};
    use std::fs::File;
    use std::io::Write;

    fn npy<T: WritableElement, D: Dimension>(array: ndarray::Array<T, D>) -> Vec<u8> {
        let mut bytes = Vec::new();
        array.write_npy(&mut bytes).unwrap();
        bytes
    }

    /// Ten images of 2x3 bytes.
    fn images() -> Vec<u8> {
        npy(Array4::from_shape_fn((10, 2, 3, 1), |(n, ..)| n as u8))
    }

    /// Ten labels, 0 to 2.
    fn labels() -> Vec<u8> {
        npy(Array2::from_shape_fn((10, 1), |(n, _)| n as i64 % 3))
    }

    fn archive(arrays: &[(&str, Vec<u8>)]) -> Result<Dataset, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.npz");
        let mut archive = zip::ZipWriter::new(File::create(&path).unwrap());
        for (name, bytes) in arrays {
            let options = zip::write::SimpleFileOptions::default();
            archive.start_file(format!("{name}.npy"), options).unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap();
        load(&path, &Reading::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn archives_and_folders_are_the_same_set() {
        let arrays = [
            ("x_train", images()),
            ("y_train", labels()),
            ("x_test", images()),
            ("y_test", labels()),
        ];
        let set = archive(&arrays).unwrap();
        assert_eq!((set.height, set.width, set.channels), (2, 3, 1));
        assert_eq!(set.classes, ["0", "1", "2"]);
        assert_eq!(
            (set.train.len(), set.train.images[6..12].to_vec()),
            (10, vec![1; 6])
        );
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in &arrays {
            std::fs::write(folder.path().join(format!("{name}.npy")), bytes).unwrap();
        }
        assert!(is_here(folder.path()));
        assert_eq!(load(folder.path(), &Reading::default()).unwrap(), set);
    }

    #[test]
    fn usual_names_are_known() {
        let splits = |train: [&'static str; 2], test: [&'static str; 2]| {
            archive(&[
                (train[0], images()),
                (train[1], labels()),
                (test[0], images()),
                (test[1], labels()),
            ])
        };
        for (train, test) in [
            (["train_images", "train_labels"], ["test_images", "test_labels"]),
            (["X_train", "Y_train"], ["X_test", "Y_test"]),
            (["trainX", "trainY"], ["testX", "testY"]),
            (["train_data", "train_targets"], ["val_data", "val_targets"]),
            (
                ["features_train", "labels_train"],
                ["features_test", "labels_test"],
            ),
        ] {
            let set = splits(train, test).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((set.train.len(), set.test.len()), (10, 10), "{train:?}");
        }
        for [x, y] in [
            ["X", "y"],
            ["data", "target"],
            ["images", "labels"],
            ["features", "targets"],
        ] {
            let set = archive(&[(x, images()), (y, labels())]).unwrap();
            assert_eq!(set.train.len() + set.test.len(), 10, "{x}");
        }
    }

    #[test]
    fn other_names_are_listed_with_shapes() {
        let error = archive(&[("bilder", images()), ("klassen", labels())]).unwrap_err();
        for part in [
            "`bilder` [10, 2, 3, 1] |u1",
            "`klassen` [10, 1] <i8",
            "`x_train`",
            "`train_labels`",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
        let error = archive(&[("data", images()), ("images", images()), ("target", labels())]).unwrap_err();
        assert_contains(&error, &["`data` [10, 2, 3, 1]", "leave one out"]);
        let error =
            archive(&[("x_train", images()), ("y_train", labels()), ("x_test", images())]).unwrap_err();
        assert!(error.contains("each split"), "{error}");
        let set = archive(&[("x", images()), ("y", labels()), ("weights", labels())]).unwrap();
        set.check_note("not read: `weights`");
    }

    #[test]
    fn one_hot_rows_are_classes_and_other_rows_are_named() {
        let hot = |n: usize, class: usize| f32::from(u8::from(n % 3 == class));
        let rows = Array2::from_shape_fn((10, 3), |(n, class)| hot(n, class));
        let set = archive(&[("x", images()), ("y", npy(rows.clone()))]).unwrap();
        assert_eq!(set.classes.len(), 3);
        assert_eq!(set, {
            let mut plain = archive(&[("x", images()), ("y", labels())]).unwrap();
            plain.notes = set.notes.clone();
            plain
        });
        let error = archive(&[("x", images()), ("y", npy(rows * 0.5f32))]).unwrap_err();
        assert_contains(&error, &["y row 0", "one-hot"]);
    }

    #[test]
    fn what_does_not_fit_together_names_the_array() {
        let with = |labels: Vec<u8>| archive(&[("x", images()), ("y", labels)]).unwrap_err();
        let error = with(npy(Array1::from_vec(vec![0i32; 9])));
        assert_contains(&error, &["`y`: expected 10 labels", "[9]"]);
        let error = with(npy(Array1::from_vec(vec![0.5f32; 10])));
        assert!(error.contains("0.5"), "{error}");
    }
}
