//! The resolved recipe in a run's folder, with the command that started the run as a comment before it. It is written before
//! the first step, so a run that is killed before its first checkpoint goes on as it was started.

use super::TrainError;
use crate::whole_file;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Name of the file.
const NAME: &str = "recipe.toml";
/// Begins a line of the command.
const COMMENT: &str = "# ";

fn bad(path: PathBuf) -> impl FnOnce(String) -> TrainError {
    move |problem| TrainError::RecipeFile { path, problem }
}

/// Writes a recipe, and checks first that [`read`] will give the same.
pub(crate) fn write<R: Serialize + DeserializeOwned + PartialEq>(
    folder: &Path,
    recipe: &R,
    command: Option<&str>,
) -> Result<(), TrainError> {
    let path = folder.join(NAME);
    let mut text = String::new();
    for line in command.iter().flat_map(|command| command.split('\n')) {
        text.push_str(&format!("{COMMENT}{line}\n"));
    }
    let fields = toml::to_string(recipe).map_err(|error| bad(path.clone())(error.to_string()))?;
    text.push_str(&fields);
    let (again, command_read) = parse::<R>(&path, &text)?;
    if again != *recipe || command_read.as_deref() != command {
        return Err(bad(path)(
            "expected to read what is written, found something else".into(),
        ));
    }
    if std::fs::read(&path).is_ok_and(|before| before == text.as_bytes()) {
        return Ok(());
    }
    whole_file::write(&path, text.as_bytes()).map_err(|error| bad(path)(error.to_string()))
}

/// The recipe of a run's folder and the command that started the run; nothing if it was not written yet.
pub(crate) fn read<R: DeserializeOwned>(folder: &Path) -> Result<Option<(R, Option<String>)>, TrainError> {
    let path = folder.join(NAME);
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&path, &text).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(bad(path)(error.to_string())),
    }
}

fn parse<R: DeserializeOwned>(path: &Path, text: &str) -> Result<(R, Option<String>), TrainError> {
    let recipe = toml::from_str(text).map_err(|error| bad(path.to_owned())(error.to_string()))?;
    let lines: Vec<&str> = text
        .lines()
        .map_while(|line| line.strip_prefix(COMMENT))
        .collect();
    Ok((recipe, (!lines.is_empty()).then(|| lines.join("\n"))))
}

#[cfg(test)]
mod tests {
    use super::super::Recipe;
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read::<Recipe>(folder.path()).unwrap().is_none());
        let recipe = Recipe {
            rate: 0.1,
            ..Recipe::default()
        };
        for command in [None, Some("denselet train --out 'a\n# b'"), Some("denselet")] {
            write(folder.path(), &recipe, command).unwrap();
            let (found, command_read) = read::<Recipe>(folder.path()).unwrap().unwrap();
            assert_eq!((found, command_read.as_deref()), (recipe.clone(), command));
        }
        let broken = Recipe {
            rate: f32::NAN,
            ..Recipe::default()
        };
        assert!(write(folder.path(), &broken, None).is_err());
        assert!(read::<Recipe>(folder.path()).is_ok());
    }
}
