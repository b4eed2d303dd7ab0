//! Reads the four IDX files of MNIST and of data sets like it: Fashion-MNIST, EMNIST, KMNIST.

use super::classes::{self, Labels, list};
use super::error::DataError;
use super::files::{self, Budget};
use super::idx;
use super::measured::{self, Parts};
use super::reading::Reading;
use super::set::Dataset;
use super::splits::Role;
use super::values::Values;
use ndarray::Array4;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folders of Fashion-MNIST, the one of the Debian package first.
pub(super) const USUAL: &[&str] = &["/usr/share/datasets/fashion-mnist", "data/fashion-mnist"];
pub(super) const ADVICE: &str = "install Debian's package (apt-get install dataset-fashion-mnist)";

const FASHION: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// Content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum FileContent {
    Images,
    Labels,
}

/// One of the four files of a data set.
struct Named {
    /// Part of its name before the usual name.
    before: String,
    role: Role,
    content: FileContent,
}

/// Parses the name of a file; returns nothing if it is not one of the four.
fn named(path: &Path) -> Option<Named> {
    let name = files::unpacked_name(path);
    let name: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '-' })
        .collect();
    let bare = name.strip_suffix("-bin").unwrap_or(&name);
    // At least one of the two endings marks an IDX file.
    let without = |word: &str| bare.strip_suffix(word);
    let bare = without("-ubyte").unwrap_or(bare);
    let without = |word: &str| bare.strip_suffix(word);
    let bare = without("-idx3")
        .or_else(|| without("-idx1"))
        .or_else(|| without("-idx"))
        .unwrap_or(bare);
    if bare.len() == name.len() {
        return None;
    }
    let (rest, content) = match (bare.strip_suffix("-images"), bare.strip_suffix("-labels")) {
        (Some(rest), _) => (rest, FileContent::Images),
        (_, Some(rest)) => (rest, FileContent::Labels),
        _ => return None,
    };
    let (before, split) = rest.rsplit_once('-').unwrap_or(("", rest));
    Some(Named {
        before: before.to_owned(),
        role: Role::of_folder(split)?,
        content,
    })
}

type Found = BTreeMap<String, BTreeMap<(Role, FileContent), PathBuf>>;

/// Returns the files in a folder, by the part of their names before the usual name. Of a file and its compressed form,
/// the first counts.
fn find(folder: &Path) -> Result<Found, DataError> {
    let mut found = Found::new();
    for path in files::entries(folder)? {
        if let Some(Named {
            before,
            role,
            content,
        }) = named(&path)
        {
            // Some archives have each file in a folder of the same name.
            let path = match path.file_name() {
                Some(name) if path.is_dir() => path.join(name),
                _ => path,
            };
            if path.is_dir() || !path.exists() {
                continue;
            }
            found
                .entry(before)
                .or_default()
                .entry((role, content))
                .or_insert(path);
        }
    }
    Ok(found)
}

pub(super) fn is_here(folder: &Path) -> bool {
    home(folder).is_some()
}

/// Returns the folder of the files: this one, or the folder `raw` of torchvision in it or in one of its folders.
fn home(folder: &Path) -> Option<PathBuf> {
    if has_files(folder) {
        return Some(folder.to_owned());
    }
    let entries = files::entries(folder).ok()?;
    let raw = entries.iter().map(|entry| entry.join("raw"));
    let mut found = [folder.join("raw")]
        .into_iter()
        .chain(raw)
        .filter(|raw| has_files(raw));
    found.next().filter(|_| found.next().is_none())
}

fn has_files(folder: &Path) -> bool {
    let found = find(folder).unwrap_or_default();
    found
        .values()
        .any(|files| files.contains_key(&(Role::Train, FileContent::Images)))
}

/// Whether the name of a folder, or of its parent, contains `fashion`.
fn is_fashion(folder: &Path) -> bool {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mut names = folder.iter().rev().take(2);
    names.any(|name| name.to_string_lossy().to_lowercase().contains("fashion"))
}

pub(super) fn load(folder: &Path, reading: &Reading) -> Result<Dataset, DataError> {
    let home = home(folder).unwrap_or_else(|| folder.to_owned());
    let folder = home.as_path();
    let mut found = find(folder)?;
    found.retain(|_, files| files.contains_key(&(Role::Train, FileContent::Images)));
    if found.len() > 1 {
        let expected = "the four files of one data set: put each data set into its own folder";
        let names: Vec<String> = found.into_keys().collect();
        return Err(DataError::field(folder, "files", expected, list(&names)));
    }
    let files = found.into_values().next().unwrap_or_default();
    let mut budget = Budget::default();
    let mut notes = Vec::new();
    let mut split = |role| -> Result<Option<(Values, Labels)>, DataError> {
        let (images, labels) = match (
            files.get(&(role, FileContent::Images)),
            files.get(&(role, FileContent::Labels)),
        ) {
            (Some(images), Some(labels)) => (images, labels),
            (None, None) if role != Role::Train => return Ok(None),
            (Some(alone), None) | (None, Some(alone)) => {
                let expected = "images and labels of each split (such as train-images-idx3-ubyte and train-labels-idx1-ubyte)";
                return Err(DataError::field(
                    folder,
                    "files",
                    expected,
                    format!("only {}", alone.display()),
                ));
            }
            (None, None) => {
                let expected = "train-images-idx3-ubyte";
                return Err(DataError::field(folder, "files", expected, "none"));
            }
        };
        let (image_bytes, label_bytes) = (budget.read_path(images)?, budget.read_path(labels)?);
        let (pixels, numbers) = idx::pair(
            (images, &image_bytes),
            (labels, &label_bytes),
            1 + usize::from(u8::MAX),
        )?;
        let sides = (pixels.sides[0], pixels.sides[1], pixels.sides[2], 1);
        let array = Array4::from_shape_vec(sides, pixels.values)
            .map_err(|error| DataError::field(images, "values", "images of one size", error))?;
        let numbers = numbers.into_iter().map(i64::from).collect();
        Ok(Some((Values::Bytes(array), Labels::Numbers(numbers))))
    };
    let (mut all_values, mut all_labels) = (Vec::new(), Vec::new());
    for role in [Role::Train, Role::Validation, Role::Test] {
        if let Some((values, labels)) = split(role)? {
            all_values.push((role, values));
            all_labels.push(labels);
        }
    }
    let classes = classes::classes(folder, all_labels, &mut notes)?;
    let mut names = classes.names;
    let numbers: Vec<String> = (0..FASHION.len()).map(|class| class.to_string()).collect();
    if is_fashion(folder) && numbers.starts_with(&names) {
        names = FASHION.map(String::from).to_vec();
    } else {
        notes.push("the files contain no class names: the classes are numbers".into());
    }
    let parts = Parts::new(all_values, classes.of_split);
    let parts = parts.ok_or_else(|| DataError::field(folder, "files", "train-images-idx3-ubyte", "none"))?;
    measured::dataset(folder, parts, names, reading, notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes four files of 2x2 images with classes 0 to 9.
    fn write(folder: &Path, name: impl Fn(&str, &str) -> String) {
        std::fs::create_dir_all(folder).unwrap();
        for part in ["train", "t10k"] {
            let images = [&[0, 0, 8, 3, 0, 0, 0, 10, 0, 0, 0, 2, 0, 0, 0, 2][..], &[7; 40]].concat();
            let labels = [&[0, 0, 8, 1, 0, 0, 0, 10][..], &[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]].concat();
            for (content, bytes) in [("images-idx3", images), ("labels-idx1", labels)] {
                let path = folder.join(name(part, content));
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, bytes).unwrap();
            }
        }
    }

    fn load(folder: &Path) -> Result<Dataset, String> {
        Dataset::load(folder.to_str().unwrap(), &Reading::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn usual_names_are_known() {
        type Name = fn(&str, &str) -> String;
        let names: [Name; 7] = [
            |part, content| format!("{part}-{content}-ubyte"),
            |part, content| format!("{part}-{}-ubyte", content.replace('-', ".")),
            |part, content| format!("{part}-{content}-ubyte").to_uppercase(),
            |part, content| format!("{part}-{}-ubyte", &content[..6]),
            |part, content| format!("{part}_{}.idx", &content[..6]),
            |part, content| format!("{part}-{content}-ubyte/{part}-{content}-ubyte"),
            |part, content| format!("emnist-digits-{}-{content}-ubyte", part.replace("t10k", "test")),
        ];
        for name in names {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), name);
            let set = load(folder.path()).unwrap();
            assert_eq!(
                (set.train.len(), set.test.len(), set.classes[9].as_str()),
                (10, 10, "9")
            );
        }
    }

    #[test]
    fn only_fashion_has_names_of_clothes() {
        let folder = tempfile::tempdir().unwrap();
        let raw = folder.path().join("FashionMNIST").join("raw");
        write(&raw, |part, content| format!("{part}-{content}-ubyte"));
        assert_eq!(load(&raw).unwrap().classes[9], "Ankle boot");
        // The parent folders of torchvision.
        assert_eq!(load(folder.path()).unwrap().classes[9], "Ankle boot");
        assert_eq!(load(raw.parent().unwrap()).unwrap().classes[9], "Ankle boot");
    }

    #[test]
    fn missing_and_doubled_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), |part, content| format!("{part}-{content}-ubyte"));
        std::fs::remove_file(folder.path().join("t10k-labels-idx1-ubyte")).unwrap();
        assert!(
            load(folder.path())
                .unwrap_err()
                .contains("t10k-images-idx3-ubyte")
        );
        write(folder.path(), |part, content| {
            format!("other-{part}-{content}-ubyte")
        });
        assert!(load(folder.path()).unwrap_err().contains("`other`"));
    }
}
