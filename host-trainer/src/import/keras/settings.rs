//! Settings of a Keras layer, in the forms that Keras writes them; belongs to `import`.

use super::super::error::Problem;
use super::config::Layer;
use serde_json::Value;

pub(super) fn refuse(layer: &Layer, why: &str, advice: &str) -> Problem {
    Problem::node(&layer.name, &layer.class, why, advice)
}

/// A setting that is on unless it says otherwise.
pub(super) fn flag(layer: &Layer, key: &str) -> bool {
    layer.settings.get(key).and_then(Value::as_bool).unwrap_or(true)
}

/// The name of an activation, however it is written.
pub(super) fn activation(layer: &Layer) -> String {
    let value = layer.settings.get("activation").unwrap_or(&Value::Null);
    match value {
        Value::String(name) => name.clone(),
        Value::Null => String::new(),
        other => {
            let name = other.get("config").and_then(Value::as_str);
            let name = name.or_else(|| other.get("class_name").and_then(Value::as_str));
            name.map_or_else(|| other.to_string(), str::to_lowercase)
        }
    }
}

pub(super) fn channels_last(layer: &Layer) -> Result<(), Problem> {
    match layer.settings.get("data_format").and_then(Value::as_str) {
        Some("channels_first") => Err(refuse(
            layer,
            "it has channels first",
            "build the Keras model with channels_last",
        )),
        _ => Ok(()),
    }
}

/// Only the last axis may be normalised.
pub(super) fn channel_axis(layer: &Layer) -> Result<(), Problem> {
    let axis = layer.settings.get("axis").unwrap_or(&Value::Null);
    let one = axis.as_array().map_or(axis, |axes| match axes.as_slice() {
        [one] => one,
        _ => &Value::Null,
    });
    let is_absent = layer.settings.get("axis").is_none();
    if is_absent || matches!(one.as_i64(), Some(-1 | 3)) {
        return Ok(());
    }
    Err(refuse(
        layer,
        &format!("it normalises axis {axis}"),
        "normalise the channels, the last axis",
    ))
}

/// One number or two.
pub(super) fn pair(layer: &Layer, key: &str) -> Result<Option<[usize; 2]>, Problem> {
    let Some(value) = layer.settings.get(key).filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let number = |value: &Value| usize::try_from(value.as_u64()?).ok();
    let pair = match number(value) {
        Some(both) => Some([both, both]),
        None => value.as_array().filter(|list| list.len() == 2).and_then(|list| {
            let numbers: Option<Vec<usize>> = list.iter().map(number).collect();
            numbers?.try_into().ok()
        }),
    };
    pair.map(Some).ok_or_else(|| {
        refuse(
            layer,
            &format!("its {key} is {value}"),
            "two whole numbers are expected",
        )
    })
}

/// One number for all channels or one for each, however deep in lists.
pub(super) fn spread(layer: &Layer, key: &str, default: f64, channels: usize) -> Result<Vec<f64>, Problem> {
    fn collect(value: &Value, found: &mut Vec<f64>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            Value::Object(map) => map
                .get("config")
                .into_iter()
                .for_each(|inner| collect(inner, found)),
            other => found.extend(other.as_f64()),
        }
    }
    let mut values = Vec::new();
    collect(layer.settings.get(key).unwrap_or(&Value::Null), &mut values);
    match values.as_slice() {
        [] => Ok(vec![default; channels]),
        [one] => Ok(vec![*one; channels]),
        _ if values.len() == channels => Ok(values),
        _ => Err(refuse(
            layer,
            &format!("its {key} has {} numbers", values.len()),
            "one number, or one per channel, is expected",
        )),
    }
}
