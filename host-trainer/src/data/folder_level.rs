//! The content of one folder, and the files and folders that are ignored.

use super::classes::list;
use super::error::DataError;
use super::files::{ending, entries};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folders that programs make for themselves.
const LEFT_BEHIND: [&str; 9] = [
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

/// What stands directly in a folder, without what programs made for themselves.
pub(super) struct Level {
    pub(super) folders: Vec<PathBuf>,
    pub(super) files: Vec<PathBuf>,
}

impl Level {
    pub(super) fn read(folder: &Path, left: &mut Left) -> Result<Self, DataError> {
        let (mut folders, mut files) = (Vec::new(), Vec::new());
        for path in entries(folder)? {
            let name = name(&path);
            let is_junk = name.starts_with('.') || LEFT_BEHIND.contains(&name.to_lowercase().as_str());
            match (path.is_dir(), is_junk) {
                (true, false) => folders.push(path),
                (true, true) => left.folders.push(name),
                (false, false) => files.push(path),
                (false, true) => left.file(&path),
            }
        }
        Ok(Self { folders, files })
    }

    /// Files beside folders of classes or splits are left alone.
    pub(super) fn note_files(&self, left: &mut Left) {
        self.files.iter().for_each(|path| left.file(path));
    }
}

/// What is left alone, for a note.
#[derive(Default)]
pub(super) struct Left {
    pub(super) folders: Vec<String>,
    pub(super) files: BTreeMap<String, usize>,
    pub(super) nested: Vec<String>,
}

impl Left {
    pub(super) fn file(&mut self, path: &Path) {
        *self.files.entry(kind(path)).or_default() += 1;
    }

    pub(super) fn note(mut self, notes: &mut Vec<String>) {
        if !self.folders.is_empty() {
            self.folders.sort();
            self.folders.dedup();
            notes.push(format!("folders that are left alone: {}", list(&self.folders)));
        }
        if !self.files.is_empty() {
            notes.push(format!("files that are left alone: {}", counted(&self.files)));
        }
        if !self.nested.is_empty() {
            notes.push(format!(
                "images in sub-folders of a class count as the class: {}",
                list(&self.nested)
            ));
        }
    }
}

/// How a message counts a file: by the ending of its name.
pub(super) fn kind(path: &Path) -> String {
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
