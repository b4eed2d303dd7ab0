//! The content of one folder, and the files and folders that are ignored.

use super::classes::list;
use super::error::DataError;
use super::files::{ending, entries};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folders and files that operating systems create.
const CREATED_BY_SYSTEMS: [&str; 9] = [
    "__macosx",
    "__pycache__",
    "@eadir",
    "@recycle",
    "#recycle",
    "$recycle.bin",
    "lost+found",
    "system volume information",
    "thumbs.db",
];

/// Folders and files directly in a folder, without those that operating systems create.
pub(super) struct Level {
    pub(super) folders: Vec<PathBuf>,
    pub(super) files: Vec<PathBuf>,
}

impl Level {
    pub(super) fn read(folder: &Path, ignored: &mut Ignored) -> Result<Self, DataError> {
        let (mut folders, mut files) = (Vec::new(), Vec::new());
        for path in entries(folder)? {
            let name = name(&path);
            let is_junk = name.starts_with('.') || CREATED_BY_SYSTEMS.contains(&name.to_lowercase().as_str());
            match (path.is_dir(), is_junk) {
                (true, false) => folders.push(path),
                (true, true) => ignored.folders.push(name),
                (false, false) => files.push(path),
                (false, true) => ignored.file(&path),
            }
        }
        Ok(Self { folders, files })
    }

    /// Notes that the files are ignored.
    pub(super) fn ignore_files(&self, ignored: &mut Ignored) {
        self.files.iter().for_each(|path| ignored.file(path));
    }
}

/// Ignored folders and files, and folders in classes, for notes.
#[derive(Default)]
pub(super) struct Ignored {
    pub(super) folders: Vec<String>,
    pub(super) files: BTreeMap<String, usize>,
    pub(super) nested: Vec<String>,
}

impl Ignored {
    pub(super) fn file(&mut self, path: &Path) {
        *self.files.entry(file_kind(path)).or_default() += 1;
    }

    pub(super) fn note(mut self, notes: &mut Vec<String>) {
        if !self.folders.is_empty() {
            self.folders.sort();
            self.folders.dedup();
            notes.push(format!("folders that are ignored: {}", list(&self.folders)));
        }
        if !self.files.is_empty() {
            notes.push(format!("files that are ignored: {}", counted(&self.files)));
        }
        if !self.nested.is_empty() {
            notes.push(format!(
                "images in sub-folders of a class count as the class: {}",
                list(&self.nested)
            ));
        }
    }
}

/// Returns the kind of a file for a message, by the ending of its name.
pub(super) fn file_kind(path: &Path) -> String {
    let name = name(path);
    match ending(path).as_str() {
        _ if name.starts_with('.') => "hidden".into(),
        "" => "without an ending".into(),
        end => format!(".{end}"),
    }
}

pub(super) fn counted(files: &BTreeMap<String, usize>) -> String {
    let counts: Vec<String> = files
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    counts.join(", ")
}

pub(super) fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

pub(super) fn names(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| name(path)).collect()
}
