//! Finds the splits, the classes and the image files in a folder.

use super::classes::list;
use super::error::DataError;
use super::folder_level::{Ignored, Level, counted, file_kind, name, names};
use super::image_file::{FORMATS, is_image};
use super::splits::Role;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Most levels of folders in a class.
const DEEPEST: usize = 8;

/// The image files of one split, by class name.
pub(super) type ClassFiles = BTreeMap<String, Vec<PathBuf>>;

/// The image files of a folder, by split.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) train: ClassFiles,
    pub(super) validation: Option<ClassFiles>,
    pub(super) test: Option<ClassFiles>,
}

impl Tree {
    /// Lists the image files of a folder by split and by class.
    pub(super) fn find(folder: &Path, notes: &mut Vec<String>) -> Result<Self, DataError> {
        let mut ignored = Ignored::default();
        let tree = Self::list(folder, &mut ignored)?;
        ignored.note(notes);
        Ok(tree)
    }

    fn list(folder: &Path, ignored: &mut Ignored) -> Result<Self, DataError> {
        let level = Level::read(folder, ignored)?;
        let mut of_role: BTreeMap<Role, Vec<&PathBuf>> = BTreeMap::new();
        for path in &level.folders {
            if let Some(role) = Role::of_folder(&name(path)) {
                of_role.entry(role).or_default().push(path);
            }
        }
        // A folder `train` without siblings is a split if it contains folders.
        let is_alone = || match &level.folders[..] {
            [train] => Level::read(train, &mut Ignored::default()).map(|level| !level.folders.is_empty()),
            _ => Ok(false),
        };
        let is_split = of_role.contains_key(&Role::Train) && (of_role.len() > 1 || is_alone()?);
        if !is_split {
            if of_role.len() == level.folders.len() && !of_role.is_empty() {
                let mut expected =
                    "a folder of training images and one of test images, or a folder for each class"
                        .to_owned();
                if let [alone] = &level.folders[..] {
                    expected += &format!(
                        ": to read only `{}`, give `{}` as the data",
                        name(alone),
                        alone.display()
                    );
                }
                return Err(DataError::field(
                    folder,
                    "folders",
                    expected,
                    list(&names(&level.folders)),
                ));
            }
            if level.folders.is_empty() {
                let expected = format!("a sub-folder for each class, with {FORMATS}");
                let mut files = BTreeMap::new();
                level
                    .files
                    .iter()
                    .for_each(|path| *files.entry(file_kind(path)).or_default() += 1);
                let found = if files.is_empty() {
                    "none".into()
                } else {
                    format!("only files: {}", counted(&files))
                };
                return Err(DataError::field(folder, "classes", expected, found));
            }
            level.ignore_files(ignored);
            return Ok(Self {
                train: classes(&level.folders, true, ignored)?,
                validation: None,
                test: None,
            });
        }
        let mut split = |role| -> Result<Option<ClassFiles>, DataError> {
            let Some(paths) = of_role.get(&role) else {
                return Ok(None);
            };
            let [path] = &paths[..] else {
                let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
                let expected = "one folder for each split: remove the others";
                return Err(DataError::field(
                    folder,
                    "folders",
                    expected,
                    list(&names(&paths)),
                ));
            };
            let level = Level::read(path, ignored)?;
            if level.folders.is_empty() {
                let expected = "a folder for each class in each split's folder";
                let found = format!("none, and {} files", level.files.len());
                return Err(DataError::field(path, "folders", expected, found));
            }
            level.ignore_files(ignored);
            classes(&level.folders, role == Role::Train, ignored).map(Some)
        };
        let train = split(Role::Train)?.unwrap_or_default();
        let (validation, test) = (split(Role::Validation)?, split(Role::Test)?);
        for path in level
            .folders
            .iter()
            .filter(|path| Role::of_folder(&name(path)).is_none())
        {
            ignored.folders.push(name(path));
        }
        level.ignore_files(ignored);
        Ok(Self {
            train,
            validation,
            test,
        })
    }
}

/// Returns the images of each class folder. Every class must have images if `must_have`.
fn classes(folders: &[PathBuf], must_have: bool, ignored: &mut Ignored) -> Result<ClassFiles, DataError> {
    let mut found = ClassFiles::new();
    for path in folders {
        let mut images = Vec::new();
        let mut others = BTreeMap::new();
        collect(path, DEEPEST, ignored, &mut images, &mut others)?;
        if images.is_empty() && (must_have || !others.is_empty()) {
            let expected = format!("{FORMATS} of the class `{}`", name(path));
            let found = if others.is_empty() {
                "none".to_owned()
            } else {
                counted(&others)
            };
            return Err(DataError::field(path, "images", expected, found));
        }
        if !images.is_empty() && images.iter().all(|image| image.parent() != Some(path)) {
            let expected = format!(
                "images directly in the folder of the class `{}`: if its folders are the classes, give `{}` as the data",
                name(path),
                path.display()
            );
            let inner = Level::read(path, &mut Ignored::default())?.folders;
            let found = format!("the folders {}", list(&names(&inner)));
            return Err(DataError::field(path, "images", expected, found));
        }
        for (kind, count) in others {
            *ignored.files.entry(kind).or_default() += count;
        }
        if !images.is_empty() {
            found.insert(name(path), images);
        }
    }
    Ok(found)
}

/// Adds the images of a class folder and of the folders in it, in order; counts other files in `others`.
fn collect(
    folder: &Path,
    deepest: usize,
    ignored: &mut Ignored,
    images: &mut Vec<PathBuf>,
    others: &mut BTreeMap<String, usize>,
) -> Result<(), DataError> {
    if deepest == 0 {
        let expected = format!("at most {DEEPEST} levels of folders in a class");
        return Err(DataError::field(
            folder,
            "folders",
            expected,
            "more, or a link to a parent folder",
        ));
    }
    let level = Level::read(folder, ignored)?;
    for path in level.files {
        if is_image(&path) {
            images.push(path);
        } else {
            *others.entry(file_kind(&path)).or_default() += 1;
        }
    }
    for path in level.folders {
        let before = images.len();
        collect(&path, deepest - 1, ignored, images, others)?;
        if images.len() > before {
            ignored.nested.push(format!("{}/{}", name(folder), name(&path)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::error::assert_contains;
    use super::*;

    /// Finds the tree of a folder with these files and its notes.
    fn find(files: &[&str]) -> Result<(Tree, String), String> {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            if file.ends_with('/') {
                std::fs::create_dir_all(path).unwrap();
                continue;
            }
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"x").unwrap();
        }
        let mut notes = Vec::new();
        let tree = Tree::find(folder.path(), &mut notes).map_err(|error| error.to_string())?;
        Ok((tree, notes.join("; ")))
    }

    fn classes(classes: &ClassFiles) -> Vec<&str> {
        classes.keys().map(String::as_str).collect()
    }

    #[test]
    fn folders_of_operating_systems_are_not_classes() {
        let (tree, notes) = find(&[
            "apple/1.png",
            "leaf/1.BMP",
            ".ipynb_checkpoints/",
            "__MACOSX/apple/1.png",
            "@eaDir/x.png",
            "lost+found/",
            "leaf/Thumbs.db",
            "leaf/._1.png",
            "readme.txt",
        ])
        .unwrap();
        assert_eq!(classes(&tree.train), ["apple", "leaf"]);
        assert_eq!(tree.train["leaf"].len(), 1);
        assert!(
            notes.contains("`.ipynb_checkpoints`, `@eaDir`, `__MACOSX`, `lost+found`"),
            "{notes}"
        );
        assert!(notes.contains("1 .db, 1 .txt, 1 hidden"), "{notes}");
    }

    #[test]
    fn splits_are_recognised_in_any_spelling() {
        for (train, other) in [("Train", "Test"), ("training", "TESTING"), ("train", "test_set")] {
            let (tree, _) = find(&[&format!("{train}/a/1.png"), &format!("{other}/a/1.png")]).unwrap();
            assert_eq!(classes(&tree.train), ["a"]);
            assert!(
                tree.test.is_some() && tree.validation.is_none(),
                "{train} {other}"
            );
        }
        let (tree, notes) = find(&["train/a/1.png", "valid/a/1.png", "pred/1.png"]).unwrap();
        assert!(tree.test.is_none() && tree.validation.is_some());
        assert!(notes.contains("`pred`"), "{notes}");
        let error = find(&["train/a/1.png", "val/a/1.png", "dev/a/1.png"]).unwrap_err();
        assert!(error.contains("`dev`, `val`"), "{error}");
        let error = find(&["train/1.png", "test/1.png"]).unwrap_err();
        assert!(error.contains("a folder for each class"), "{error}");
        let (tree, _) = find(&["train/a/1.png", "train/b/1.png"]).unwrap();
        assert_eq!(classes(&tree.train), ["a", "b"]);
        assert!(tree.test.is_none() && tree.validation.is_none());
        let error = find(&["train/1.png"]).unwrap_err();
        assert!(error.contains("found `train`"), "{error}");
        let error = find(&["test/a/1.png", "test/b/1.png"]).unwrap_err();
        assert!(error.contains("/test` as the data, found `test`"), "{error}");
        // A class may be a train if nothing else looks like a split.
        let (tree, _) = find(&["bus/1.png", "train/1.png"]).unwrap();
        assert_eq!(classes(&tree.train), ["bus", "train"]);
    }

    #[test]
    fn a_class_without_images_names_what_was_found() {
        let error = find(&["apple/1.png", "leaf/1.heic", "leaf/2.heic", "leaf/x"]).unwrap_err();
        assert!(
            error.contains("class `leaf`, found 2 .heic, 1 without an ending"),
            "{error}"
        );
        let error = find(&["apple/1.png", "leaf/"]).unwrap_err();
        assert!(error.contains("class `leaf`, found none"), "{error}");
        let error = find(&["1.png"]).unwrap_err();
        assert_contains(&error, &["a sub-folder for each class", "1 .png"]);
    }

    #[test]
    fn folders_in_a_class_are_read_unless_they_look_like_classes() {
        let (tree, notes) = find(&["a/1.png", "a/red/2.png", "b/1.png"]).unwrap();
        assert_eq!(tree.train["a"].len(), 2);
        assert!(notes.contains("`a/red`"), "{notes}");
        let error = find(&["fruits/a/1.png", "fruits/b/1.png", "c/1.png"]).unwrap_err();
        assert_contains(&error, &["`a`, `b`", "as the data"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_to_a_parent_folder_end() {
        let folder = tempfile::tempdir().unwrap();
        let class = folder.path().join("a");
        std::fs::create_dir(&class).unwrap();
        std::fs::write(class.join("1.png"), b"x").unwrap();
        std::os::unix::fs::symlink(&class, class.join("loop")).unwrap();
        let error = Tree::find(folder.path(), &mut Vec::new())
            .unwrap_err()
            .to_string();
        assert!(error.contains("a link to a parent folder"), "{error}");
    }
}
