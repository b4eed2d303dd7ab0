//! A network before its data is known: what a preset or a file leaves open comes from the data.

use super::form::{self, Form};
use super::{Input, Spec, SpecError, preset, presets};
use crate::input_file;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of a network's TOML file: every width of the largest network is a tenth of it.
const LARGEST_FILE: u64 = 1 << 20;

/// A preset or a network's file, not resolved yet.
#[derive(Debug)]
pub struct Draft {
    form: Form,
    name: String,
    /// Absent: a preset.
    path: Option<PathBuf>,
}

impl Draft {
    /// Reads a preset by its name, or a TOML file.
    ///
    /// # Errors
    ///
    /// Names the field that is wrong, what was expected there and what was found.
    pub fn load(name_or_path: &str) -> Result<Self, SpecError> {
        if let Some(text) = preset::text(name_or_path) {
            return Ok(Self {
                form: form::read(text)?,
                name: name_or_path.to_owned(),
                path: None,
            });
        }
        let path = Path::new(name_or_path);
        if path.extension().is_none() && !path.exists() {
            return Err(SpecError::Unknown {
                name: name_or_path.to_owned(),
                known: presets().collect::<Vec<_>>().join(", "),
            });
        }
        let read = |source| SpecError::Read {
            path: path.to_owned(),
            source,
        };
        let text = input_file::read(path, LARGEST_FILE).map_err(read)?;
        let text = String::from_utf8(text).map_err(|error| read(io::Error::other(error)))?;
        let stem = path
            .file_stem()
            .map_or_else(|| "network".into(), |s| s.to_string_lossy());
        let form = form::read(&text).map_err(in_file(path))?;
        Ok(Self {
            form,
            name: stem.into_owned(),
            path: Some(path.to_owned()),
        })
    }

    /// A network's text; `name` is used if the text has none.
    pub(super) fn parse(text: &str, name: &str) -> Result<Self, SpecError> {
        Ok(Self {
            form: form::read(text)?,
            name: name.to_owned(),
            path: None,
        })
    }

    /// Name of the network.
    pub fn name(&self) -> &str {
        self.form.name.as_deref().unwrap_or(&self.name)
    }

    /// Shape of an image as it is written; absent if it is the data's.
    pub fn input(&self) -> Option<Input> {
        self.form.input
    }

    /// The network as it is written.
    ///
    /// # Errors
    ///
    /// The first field that is wrong, or absent because only data decides it.
    pub fn spec(&self) -> Result<Spec, SpecError> {
        let absent = |field: &str| {
            let expected = "a value (only `train` takes it from the data)";
            self.located(SpecError::field(field, expected, "nothing"))
        };
        let input = self.form.input.ok_or_else(|| absent("input"))?;
        let classes = self.form.classes.ok_or_else(|| absent("classes"))?;
        self.resolve(input, classes)
    }

    /// The network for a data set of this shape with as many classes, and what the data decided, if it decided anything. A
    /// preset takes both from the data; a file takes what it leaves open.
    ///
    /// # Errors
    ///
    /// As [`Draft::spec`]; if a file holds another number of classes or another shape.
    pub fn spec_for(&self, input: Input, classes: usize) -> Result<(Spec, Option<String>), SpecError> {
        let form = &self.form;
        if self.path.is_some() {
            let differs = |field: &str, expected: String, found: String| {
                Err(self.located(SpecError::field(field, expected, found)))
            };
            if let Some(found) = form.classes.filter(|&found| found != classes) {
                let expected =
                    format!("{classes}, as the data has, or no such line: it comes from the data then");
                return differs("classes", expected, found.to_string());
            }
            if let Some(found) = form.input.filter(|&found| found != input) {
                let expected = format!(
                    "{input}, as the data has, or no such table: it comes from the data then (--resize resizes the images)"
                );
                return differs("input", expected, found.to_string());
            }
        }
        let written = |value: Option<String>| {
            value.map_or_else(|| "not written".into(), |value| format!("{value} written"))
        };
        let mut decided = Vec::new();
        if form.classes != Some(classes) {
            let before = written(form.classes.map(|classes| classes.to_string()));
            decided.push(format!("{classes} classes ({before})"));
        }
        if form.input != Some(input) {
            let before = written(form.input.map(|input| input.to_string()));
            decided.push(format!("input {input} ({before})"));
        }
        let note = (!decided.is_empty())
            .then(|| format!("network `{}`: from the data: {}", self.name(), decided.join(", ")));
        Ok((self.resolve(input, classes)?, note))
    }

    fn resolve(&self, input: Input, classes: usize) -> Result<Spec, SpecError> {
        let resolve = || {
            let spec = form::resolve(&self.form, &self.name, input, classes)?;
            spec.check()?;
            Ok(spec)
        };
        resolve().map_err(|error| self.located(error))
    }

    /// The error, with the file that it is in.
    fn located(&self, error: SpecError) -> SpecError {
        match &self.path {
            Some(path) => in_file(path)(error),
            None => error,
        }
    }
}

fn in_file(path: &Path) -> impl FnOnce(SpecError) -> SpecError {
    let path = path.to_owned();
    move |error| SpecError::File {
        path,
        error: Box::new(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(height: usize, width: usize, channels: usize) -> Input {
        Input {
            height,
            width,
            channels,
        }
    }

    #[test]
    fn a_preset_takes_classes_and_input_from_the_data() {
        let (spec, note) = Draft::load("digits")
            .unwrap()
            .spec_for(shape(16, 12, 3), 4)
            .unwrap();
        assert_eq!((spec.input, spec.classes), (shape(16, 12, 3), 4));
        let note = note.unwrap();
        assert!(
            note.contains("4 classes (10 written)") && note.contains("16x12x3"),
            "{note}"
        );
        let same = Draft::load("digits")
            .unwrap()
            .spec_for(shape(8, 8, 1), 10)
            .unwrap();
        assert_eq!(same, (Spec::load("digits").unwrap(), None));
        // What the stem cannot take is refused.
        assert!(
            Draft::load("densenet-121")
                .unwrap()
                .spec_for(shape(2, 2, 3), 4)
                .is_err()
        );
    }

    #[test]
    fn a_file_is_filled_up_but_not_overruled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        let with = |text: &str| {
            std::fs::write(&path, format!("{text}growth = 4\nblocks = [1, 1]\n")).unwrap();
            Draft::load(path.to_str().unwrap()).unwrap()
        };
        let (spec, note) = with("").spec_for(shape(8, 8, 1), 4).unwrap();
        assert_eq!(
            (spec.input, spec.classes, spec.name.as_str()),
            (shape(8, 8, 1), 4, "mine")
        );
        assert!(note.unwrap().contains("not written"));
        let error = with("").spec().unwrap_err().to_string();
        assert!(
            error.contains("mine.toml") && error.contains("`input`"),
            "{error}"
        );
        let error = with("classes = 10\n")
            .spec_for(shape(8, 8, 1), 4)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`classes`: expected 4") && error.contains("found 10"),
            "{error}"
        );
        let other = "input = { height = 9, width = 8, channels = 1 }\n";
        let error = with(other).spec_for(shape(8, 8, 1), 4).unwrap_err().to_string();
        assert!(
            error.contains("8x8x1") && error.contains("9x8x1") && error.contains("--resize"),
            "{error}"
        );
    }
}
