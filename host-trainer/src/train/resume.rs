//! What a run that goes on may have differently from what it was started with: nothing, but how long it lasts.

use super::{Recipe, TrainError};
use crate::data::Dataset;
use serde::Serialize;
use serde_json::Value;

/// The first field in which two values differ, by its name in a file, with both of its values as text.
fn difference(before: &impl Serialize, now: &impl Serialize) -> Option<(String, String, String)> {
    // By way of text, which keeps numbers as short as they were written.
    let values = [text(before), text(now)];
    let [before, now] = values.map(|text| serde_json::from_str::<Value>(&text).unwrap_or_default());
    first(String::new(), &before, &now)
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn first(name: String, before: &Value, now: &Value) -> Option<(String, String, String)> {
    if before == now {
        return None;
    }
    if let (Value::Object(old), Value::Object(new)) = (before, now) {
        let names = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
        for key in names {
            let inner = if name.is_empty() {
                key.clone()
            } else {
                format!("{name}.{key}")
            };
            let [old, new] = [old, new].map(|table| table.get(key).unwrap_or(&Value::Null));
            if let Some(found) = first(inner, old, new) {
                return Some(found);
            }
        }
    }
    let shown = |value: &Value| match value {
        Value::Null => "nothing".to_owned(),
        value => value.to_string(),
    };
    Some((name, shown(before), shown(now)))
}

/// Checks that a value of the run is the one that it was started with.
pub(crate) fn same(
    what: &'static str,
    before: &impl Serialize,
    now: &impl Serialize,
) -> Result<(), TrainError> {
    match difference(before, now) {
        None => Ok(()),
        Some((field, expected, found)) => Err(TrainError::Resume {
            what: if field.is_empty() {
                what.to_owned()
            } else {
                format!("{what} field `{field}`")
            },
            expected,
            found,
        }),
    }
}

/// Checks that the images and labels are those that the run was started with, if that was recorded.
pub(crate) fn same_data(before: Option<u32>, data: &Dataset) -> Result<(), TrainError> {
    let now = data.checksum();
    match before {
        Some(before) if before != now => Err(TrainError::Resume {
            what: format!("images and labels of `{}`", data.name),
            expected: format!("those with the checksum {before:08x}"),
            found: format!("others, {now:08x}"),
        }),
        _ => Ok(()),
    }
}

/// Checks that so many epochs are not fewer than before.
pub(crate) fn longer(field: &'static str, before: usize, now: usize) -> Result<(), TrainError> {
    if now >= before {
        return Ok(());
    }
    Err(TrainError::Resume {
        what: format!("recipe field `{field}`"),
        expected: format!("{before} or more"),
        found: now.to_string(),
    })
}

/// Checks that `now` is the recipe of a run that was started with `before`, which may go on for more epochs or with another
/// patience.
pub(super) fn check(before: &Recipe, now: &Recipe) -> Result<(), TrainError> {
    longer("epochs", before.epochs, now.epochs)?;
    let allowed = Recipe {
        epochs: now.epochs,
        patience: now.patience,
        ..before.clone()
    };
    same("recipe", &allowed, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_named_with_both_values() {
        let before = Recipe::default();
        let message = |now: &Recipe| check(&before, now).map_err(|error| error.to_string());
        assert_eq!(message(&before), Ok(()));
        let more = Recipe {
            epochs: 40,
            patience: 3,
            ..before.clone()
        };
        assert_eq!(message(&more), Ok(()));
        let mut other = before.clone();
        other.augment.jitter = 0.3;
        let error = message(&other).unwrap_err();
        for part in ["`augment.jitter`", "0.0", "0.3"] {
            assert!(error.contains(part), "{error}");
        }
        let other = Recipe {
            epochs: 3,
            ..before.clone()
        };
        let error = message(&other).unwrap_err();
        assert!(
            error.contains("30 or more") && error.contains("`epochs`"),
            "{error}"
        );
        let other = Recipe {
            average: Some(0.9),
            ..before.clone()
        };
        let error = message(&other).unwrap_err();
        assert!(error.contains("nothing") && error.contains("0.9"), "{error}");
    }
}
