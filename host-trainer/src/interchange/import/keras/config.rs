//! The JSON text that describes a Keras model: its layers and how they are connected, in the forms that Keras 2 and 3 write.
//! Belongs to `import`.

use super::super::error::Problem;
use serde_json::Value;
use std::collections::HashMap;

/// How deep models may lie in models.
const DEEPEST: usize = 8;

/// A model: layers in the order of the file.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) layers: Vec<Layer>,
    /// Names of its input layers.
    pub(super) inputs: Vec<String>,
    /// What it answers.
    pub(super) outputs: Vec<Reference>,
}

/// A call of a layer: its name and which call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reference {
    pub(super) layer: String,
    pub(super) call: usize,
}

/// One layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) name: String,
    pub(super) class: String,
    /// Whether it is a layer, not an operation: only layers are counted among the weights.
    pub(super) is_layer: bool,
    pub(super) settings: Value,
    /// What each call reads, and whether it was called as in training.
    pub(super) calls: Vec<Call>,
    /// A model in place of a layer.
    pub(super) model: Option<Model>,
}

/// One call of a layer.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) reads: Vec<Reference>,
    pub(super) trains: bool,
    /// The number or array that a function reads beside a tensor.
    pub(super) constant: Option<Constant>,
    /// Settings of a function that are given where it is called.
    pub(super) settings: Value,
}

/// A constant among what a function reads.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Constant {
    pub(super) value: Value,
    /// Whether it stands before the tensor, as in `1 - x`.
    pub(super) is_first: bool,
}

impl Call {
    fn of(reads: Vec<Reference>) -> Self {
        Self {
            reads,
            trains: false,
            constant: None,
            settings: Value::Null,
        }
    }
}

/// Parses the text.
pub(super) fn parse(text: &str) -> Result<Model, Problem> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| Problem::kind("a Keras model's configuration", format!("damaged JSON: {error}")))?;
    model(&value, DEEPEST)
}

fn text(value: &Value, key: &str) -> String {
    value
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn model(value: &Value, depth: usize) -> Result<Model, Problem> {
    let class = text(value, "class_name");
    let settings = value.get("config").unwrap_or(&Value::Null);
    if !is_model(&class) {
        return Err(Problem::field(
            "class_name",
            "a functional or sequential model (a model class of your own is saved as code: export it as ONNX)",
            format!("`{class}`"),
        ));
    }
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Problem::field(
            "layers",
            format!("models in models, at most {DEEPEST} deep"),
            "more",
        ));
    };
    // Keras 2 once wrote a sequential model's layers without a name.
    let written = match settings {
        Value::Array(layers) => layers.as_slice(),
        _ => list(settings, "layers"),
    };
    let mut layers = Vec::with_capacity(written.len());
    for written in written {
        layers.push(layer(written, depth)?);
    }
    if class == "Sequential" {
        return Ok(sequential(layers));
    }
    let inputs = references(settings.get("input_layers"));
    let outputs = references(settings.get("output_layers"));
    count_own_calls(&mut layers, &outputs);
    Ok(Model {
        layers,
        inputs: inputs.into_iter().map(|input| input.layer).collect(),
        outputs,
    })
}

/// Keras 2 counts the making of a model as its first call but does not write it down.
fn count_own_calls(layers: &mut [Layer], outputs: &[Reference]) {
    let mut last: HashMap<String, usize> = HashMap::new();
    let reads = layers
        .iter()
        .flat_map(|layer| layer.calls.iter().flat_map(|call| &call.reads));
    for read in reads.chain(outputs) {
        let most = last.entry(read.layer.clone()).or_default();
        *most = read.call.max(*most);
    }
    for layer in layers.iter_mut().filter(|layer| layer.model.is_some()) {
        if last.get(&layer.name) == Some(&layer.calls.len()) {
            layer.calls.insert(0, Call::of(Vec::new()));
        }
    }
}

fn is_model(class: &str) -> bool {
    matches!(class, "Functional" | "Model" | "Sequential")
}

fn layer(value: &Value, depth: usize) -> Result<Layer, Problem> {
    let class = text(value, "class_name");
    let settings = value.get("config").cloned().unwrap_or(Value::Null);
    let inner = if is_model(&class) {
        Some(model(value, depth)?)
    } else {
        None
    };
    let name = match (text(value, "name"), text(&settings, "name")) {
        (outer, inner) if outer.is_empty() => inner,
        (outer, _) => outer,
    };
    Ok(Layer {
        is_layer: !is_operation(value, &settings),
        calls: list(value, "inbound_nodes").iter().map(call).collect(),
        name,
        class,
        settings,
        model: inner,
    })
}

/// Whether this is an operation of Keras 3, not a layer. A `.keras` file names the operation's module; an `.h5` file does not, but
/// every layer has the setting `trainable` or, as SpatialDropout2D, `dtype`, which of all operations only a cast has.
fn is_operation(value: &Value, settings: &Value) -> bool {
    if let Some(module) = value.get("module").and_then(Value::as_str) {
        return module.starts_with("keras.src.ops");
    }
    let is_called = list(value, "inbound_nodes").iter().any(Value::is_object);
    let has = |key: &str| settings.get(key).is_some();
    is_called && !has("trainable") && (!has("dtype") || text(value, "class_name") == "Cast")
}

/// A call in the form of Keras 3, `{args, kwargs}` with tensors somewhere inside, or of Keras 2, `[[name, call, tensor, {}], ...]`,
/// and for its functions `[name, call, tensor, {"y": ..}]`.
fn call(value: &Value) -> Call {
    let mut call = Call::of(Vec::new());
    if value.is_object() {
        for arg in list(value, "args") {
            let known = call.reads.len();
            tensors(arg, &mut call.reads);
            if call.reads.len() == known && !arg.is_null() {
                call.constant(arg);
            }
        }
        let kwargs = value.get("kwargs").unwrap_or(&Value::Null);
        tensors(kwargs, &mut call.reads);
        call.trains = kwargs.get("training") == Some(&Value::Bool(true));
        call.settings = kwargs.clone();
        return call;
    }
    let entries = value.as_array().map_or(&[] as &[Value], Vec::as_slice);
    let is_one = entries.first().is_some_and(Value::is_string);
    for entry in if is_one {
        core::slice::from_ref(value)
    } else {
        entries
    } {
        match entry.get(0).and_then(Value::as_str) {
            Some("_CONSTANT_VALUE") => call.constant(entry.get(2).unwrap_or(&Value::Null)),
            _ => call.reads.extend(reference(entry)),
        }
        let kwargs = entry.get(3).unwrap_or(&Value::Null);
        call.trains |= kwargs.get("training") == Some(&Value::Bool(true));
        for key in ["x", "y", "bias"] {
            match kwargs.get(key) {
                None | Some(Value::Null) => {}
                Some(value) => match reference(value) {
                    Some(read) => call.reads.push(read),
                    None => call.constant(value),
                },
            }
        }
        call.settings = kwargs.clone();
    }
    call
}

impl Call {
    fn constant(&mut self, value: &Value) {
        self.constant.get_or_insert(Constant {
            value: value.clone(),
            is_first: self.reads.is_empty(),
        });
    }
}

fn tensors(value: &Value, found: &mut Vec<Reference>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| tensors(item, found)),
        Value::Object(map) => {
            if map.get("class_name").and_then(Value::as_str) == Some("__keras_tensor__") {
                let history = value.pointer("/config/keras_history");
                found.extend(history.and_then(reference));
            } else {
                map.values().for_each(|item| tensors(item, found));
            }
        }
        _ => {}
    }
}

/// `[name, call, tensor]`.
fn reference(value: &Value) -> Option<Reference> {
    let call = value.get(1)?.as_u64()?;
    Some(Reference {
        layer: value.get(0)?.as_str()?.to_owned(),
        call: usize::try_from(call).ok()?,
    })
}

/// One reference or a list of them.
fn references(value: Option<&Value>) -> Vec<Reference> {
    let Some(value) = value else {
        return Vec::new();
    };
    match reference(value) {
        Some(one) => vec![one],
        None => value
            .as_array()
            .map_or_else(Vec::new, |items| items.iter().filter_map(reference).collect()),
    }
}

/// Connects each layer with the one before it; the first may carry the input's shape.
fn sequential(mut layers: Vec<Layer>) -> Model {
    if let Some(first) = layers.first().filter(|first| first.class != "InputLayer") {
        let input = Layer {
            name: format!("{}_input", first.name),
            class: "InputLayer".into(),
            is_layer: true,
            settings: first.settings.clone(),
            calls: Vec::new(),
            model: None,
        };
        layers.insert(0, input);
    }
    let mut before: Option<Reference> = None;
    for layer in &mut layers {
        let reads = before.take().into_iter().collect();
        layer.calls = vec![Call::of(reads)];
        before = Some(Reference {
            layer: layer.name.clone(),
            call: 0,
        });
    }
    Model {
        inputs: layers
            .first()
            .map(|first| first.name.clone())
            .into_iter()
            .collect(),
        outputs: before.into_iter().collect(),
        layers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_connections_are_understood() {
        let three = r#"{"args": [[{"class_name": "__keras_tensor__", "config": {"keras_history": ["a", 0, 0]}},
            {"class_name": "__keras_tensor__", "config": {"keras_history": ["b", 1, 0]}}]], "kwargs": {"training": true}}"#;
        let two = r#"[["a", 0, 0, {}], ["b", 1, 0, {"training": true}]]"#;
        for text in [three, two] {
            let call = call(&serde_json::from_str(text).unwrap());
            let names: Vec<(&str, usize)> = call.reads.iter().map(|r| (r.layer.as_str(), r.call)).collect();
            assert_eq!(names, [("a", 0), ("b", 1)]);
            assert!(call.trains);
        }
    }

    #[test]
    fn constants_of_functions_are_kept_with_their_side() {
        let constant = |text: &str| call(&serde_json::from_str(text).unwrap()).constant.unwrap();
        let tensor = r#"{"class_name": "__keras_tensor__", "config": {"keras_history": ["a", 0, 0]}}"#;
        let found = constant(&format!(r#"{{"args": [{tensor}, 255.0], "kwargs": {{}}}}"#));
        assert!(!found.is_first && found.value == 255.0);
        assert!(constant(&format!(r#"{{"args": [1, {tensor}], "kwargs": {{}}}}"#)).is_first);
        let found = constant(r#"["a", 0, 0, {"y": [1.0, 2.0], "name": null}]"#);
        assert_eq!(found.value, serde_json::json!([1.0, 2.0]));
        let two = r#"["_CONSTANT_VALUE", -1, 1.0, {"y": ["a", 0, 0], "name": null}]"#;
        assert!(constant(two).is_first);
        assert_eq!(call(&serde_json::from_str(two).unwrap()).reads.len(), 1);
    }

    #[test]
    fn operations_are_told_from_layers_of_the_same_class() {
        let tensor = r#"{"class_name": "__keras_tensor__", "config": {"keras_history": ["a", 0, 0]}}"#;
        let is_layer = |module: &str, settings: &str| {
            let text = format!(
                r#"{{{module} "class_name": "Concatenate", "config": {settings}, "inbound_nodes": [{{"args": [[{tensor}]]}}]}}"#
            );
            layer(&serde_json::from_str(&text).unwrap(), 1).unwrap().is_layer
        };
        assert!(!is_layer(
            r#""module": "keras.src.ops.numpy","#,
            r#"{"name": "c", "axis": -1}"#
        ));
        assert!(is_layer(
            r#""module": "keras.layers","#,
            r#"{"name": "c", "axis": -1}"#
        ));
        assert!(!is_layer("", r#"{"name": "c", "axis": -1}"#), "HDF5");
        assert!(
            is_layer("", r#"{"name": "c", "axis": -1, "trainable": true}"#),
            "HDF5"
        );
        assert!(is_layer("", r#"{"name": "c", "dtype": "float32"}"#), "HDF5");
    }

    #[test]
    fn deep_nesting_ends() {
        let mut text = r#"{"class_name": "Sequential", "config": {"name": "m", "layers": []}}"#.to_owned();
        for _ in 0..20 {
            text =
                format!(r#"{{"class_name": "Sequential", "config": {{"name": "m", "layers": [{text}]}}}}"#);
        }
        assert!(parse(&text).unwrap_err().to_string().contains("models in models"));
        assert!(parse("{").unwrap_err().to_string().contains("damaged JSON"));
        assert!(
            parse(r#"{"class_name": "MyModel"}"#)
                .unwrap_err()
                .to_string()
                .contains("MyModel")
        );
    }
}
