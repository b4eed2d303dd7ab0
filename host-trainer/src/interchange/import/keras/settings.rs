//! Settings of a Keras layer, in the forms that Keras writes them.

use super::super::error::Problem;
use super::super::precision::Precision;
use super::config::Layer;
use serde_json::Value;

pub(super) fn refuse(layer: &Layer, why: &str, advice: &str) -> Problem {
    Problem::node(&layer.name, &layer.class, why, advice)
}

/// What a layer computes in, where its policy says other than float32.
pub(super) fn policy(layer: &Layer) -> Option<Precision> {
    let dtype = layer.settings.get("dtype")?;
    let name = dtype.as_str().or_else(|| dtype.pointer("/config/name")?.as_str());
    Precision::of_policy(name?)
}

/// A setting that is on unless it says otherwise.
pub(super) fn flag(layer: &Layer, key: &str) -> bool {
    layer.settings.get(key).and_then(Value::as_bool).unwrap_or(true)
}

/// The name of an activation: a word, or a function by its name. Anything with settings of its own is told as it is.
pub(super) fn activation(layer: &Layer) -> String {
    let value = layer.settings.get("activation").unwrap_or(&Value::Null);
    match value {
        Value::String(name) => name.clone(),
        Value::Null => String::new(),
        other => {
            let name = other.get("config").and_then(Value::as_str);
            name.map_or_else(|| other.to_string(), str::to_owned)
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

/// Only the last axis, number `last`, may be normalised.
pub(super) fn channel_axis(layer: &Layer, last: i64) -> Result<(), Problem> {
    let axis = layer.settings.get("axis").unwrap_or(&Value::Null);
    let one = axis.as_array().map_or(axis, |axes| match axes.as_slice() {
        [one] => one,
        _ => &Value::Null,
    });
    let is_absent = layer.settings.get("axis").is_none();
    if is_absent || one.as_i64().is_some_and(|axis| axis == -1 || axis == last) {
        return Ok(());
    }
    Err(refuse(
        layer,
        &format!("it normalises axis {axis}"),
        "normalise the channels, the last axis",
    ))
}

/// One number, or two; one in a list of its own is that of a layer of one dimension, whose rows are left alone.
pub(super) fn pair(layer: &Layer, key: &str) -> Result<Option<[usize; 2]>, Problem> {
    let Some(value) = layer.settings.get(key).filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let number = |value: &Value| usize::try_from(value.as_u64()?).ok();
    let pair = match number(value) {
        Some(one) if is_row(layer) => Some([1, one]),
        Some(both) => Some([both, both]),
        None => match value.as_array().map(Vec::as_slice) {
            Some([one]) if is_row(layer) => number(one).map(|one| [1, one]),
            Some([rows, columns]) => number(rows).zip(number(columns)).map(<[usize; 2]>::from),
            _ => None,
        },
    };
    pair.map(Some).ok_or_else(|| {
        refuse(
            layer,
            &format!("its {key} is {value}"),
            "two whole numbers are expected",
        )
    })
}

/// Whether a layer is one of a single dimension.
pub(super) fn is_row(layer: &Layer) -> bool {
    layer.class.ends_with("1D")
}

/// One number for all channels or one for each.
pub(super) fn spread(layer: &Layer, key: &str, default: f64, channels: usize) -> Result<Vec<f64>, Problem> {
    match layer.settings.get(key).filter(|value| !value.is_null()) {
        Some(value) => per_channel(layer, key, value, channels),
        None => Ok(vec![default; channels]),
    }
}

/// The numbers of `value`, one for all channels or one for each, however deep in lists.
pub(super) fn per_channel(
    layer: &Layer,
    key: &str,
    value: &Value,
    channels: usize,
) -> Result<Vec<f64>, Problem> {
    fn collect(value: &Value, found: &mut Vec<f64>) -> Option<()> {
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| collect(item, found)),
            // An array of NumPy's, as Keras 3 writes it.
            Value::Object(map) => collect(map.get("config").or_else(|| map.get("value"))?, found),
            other => {
                found.push(other.as_f64()?);
                Some(())
            }
        }
    }
    let mut values = Vec::new();
    let is_read = collect(value, &mut values).is_some();
    match values.as_slice() {
        [one] if is_read => Ok(vec![*one; channels]),
        _ if is_read && values.len() == channels => Ok(values),
        _ => Err(refuse(
            layer,
            &format!("its {key} is {value}"),
            "one number, or one per channel, is expected",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(settings: &str) -> Layer {
        Layer {
            name: "l".into(),
            class: "Rescaling".into(),
            is_layer: true,
            settings: serde_json::from_str(settings).unwrap(),
            calls: Vec::new(),
            model: None,
        }
    }

    #[test]
    fn numbers_are_found_in_every_form_and_never_guessed() {
        let spread = |text: &str| spread(&layer(text), "scale", 1.0, 2).ok();
        assert_eq!(spread("{}"), Some(vec![1.0, 1.0]));
        assert_eq!(spread(r#"{"scale": 0.5}"#), Some(vec![0.5, 0.5]));
        assert_eq!(spread(r#"{"scale": [[[2, 3]]]}"#), Some(vec![2.0, 3.0]));
        let numpy =
            r#"{"scale": {"class_name": "__numpy__", "config": {"value": [2, 3], "dtype": "float32"}}}"#;
        assert_eq!(spread(numpy), Some(vec![2.0, 3.0]));
        assert_eq!(spread(r#"{"scale": "half"}"#), None);
        assert_eq!(spread(r#"{"scale": [1, 2, 3]}"#), None);
    }

    #[test]
    fn activations_with_settings_are_not_taken_for_plain_ones() {
        let named = |text: &str| activation(&layer(text));
        assert_eq!(named(r#"{"activation": "relu"}"#), "relu");
        assert_eq!(
            named(r#"{"activation": {"class_name": "function", "config": "relu"}}"#),
            "relu"
        );
        let six = named(r#"{"activation": {"class_name": "ReLU", "config": {"max_value": 6}}}"#);
        assert!(six.contains("max_value"), "{six}");
    }
}
