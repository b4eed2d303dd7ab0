//! Where a Keras file keeps a layer's weights.
//!
//! Keras 3 numbers layers by class, in the order of the model (`layers/conv2d_1/vars/0`); HDF5 models have a group per layer
//! and a list of names (`model_weights/conv2d_7/conv2d_7/kernel:0`).

use super::super::error::Problem;
use super::super::tensor::Tensor;
use super::config::Layer;
use super::h5::H5;
use std::collections::HashMap;

/// The weights of one file.
pub(super) struct Weights {
    file: H5,
    /// Whether it is Keras 3's own format.
    is_numbered: bool,
}

/// Where the layers of one model are.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Path of the model, in numbered files; name of the outermost layer, in the others.
    path: String,
}

/// Where one layer is.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    path: String,
    layer: String,
}

impl Weights {
    pub(super) fn numbered(bytes: Vec<u8>) -> Result<Self, Problem> {
        Ok(Self {
            file: H5::open(bytes)?,
            is_numbered: true,
        })
    }

    pub(super) fn named(file: H5) -> Self {
        Self {
            file,
            is_numbered: false,
        }
    }

    /// The outermost model's place.
    pub(super) fn root(&self) -> Place {
        Place { path: String::new() }
    }

    /// The slots of a model's layers, in their order.
    pub(super) fn slots(&self, place: &Place, layers: &[Layer]) -> Vec<Slot> {
        let mut counts: HashMap<String, usize> = HashMap::new();
        let slot = |layer: &Layer| {
            let path = if !self.is_numbered {
                // Everything below the outermost model lies in the group of its outermost layer.
                if place.path.is_empty() {
                    layer.name.clone()
                } else {
                    place.path.clone()
                }
            } else if layer.is_layer {
                let class = snake(&layer.class);
                let count = counts.entry(class.clone()).or_default();
                *count += 1;
                let name = if *count == 1 {
                    class
                } else {
                    format!("{class}_{}", *count - 1)
                };
                self.child(&place.path, &name)
            } else {
                String::new()
            };
            Slot {
                path,
                layer: layer.name.clone(),
            }
        };
        layers.iter().map(slot).collect()
    }

    /// Path of a layer of a numbered file; TensorFlow 2.13 to 2.15 wrote another folder.
    fn child(&self, path: &str, name: &str) -> String {
        let join = |folder: &str| {
            if path.is_empty() {
                format!("{folder}/{name}")
            } else {
                format!("{path}/{folder}/{name}")
            }
        };
        let older = join("_layer_checkpoint_dependencies");
        if self.file.has_group(&older) {
            older
        } else {
            join("layers")
        }
    }

    /// The place of a model that stands where a layer would.
    pub(super) fn inside(&self, slot: &Slot) -> Place {
        Place {
            path: slot.path.clone(),
        }
    }

    /// A layer's weights: those called `names`, in this order, which are all it has.
    pub(super) fn take<const N: usize>(&self, slot: &Slot, names: [&str; N]) -> Result<Vec<Tensor>, Problem> {
        if self.is_numbered {
            self.take_numbered(slot, &names)
        } else {
            names.iter().map(|name| self.take_named(slot, name)).collect()
        }
    }

    fn take_numbered(&self, slot: &Slot, names: &[&str]) -> Result<Vec<Tensor>, Problem> {
        let folder = format!("{}/vars", slot.path);
        // Where the file tells the layer's name it must be the right one.
        if let Some(name) = self.file.text(&folder, "name").filter(|name| *name != slot.layer) {
            return Err(Problem::field(
                folder,
                format!("the weights of layer `{}`", slot.layer),
                format!("those of `{name}`"),
            ));
        }
        let read = |(index, name): (usize, &&str)| {
            let path = format!("{folder}/{index}");
            self.file.tensor(&path)?.ok_or_else(|| missing(slot, name, &path))
        };
        names.iter().enumerate().map(read).collect()
    }

    fn take_named(&self, slot: &Slot, name: &str) -> Result<Tensor, Problem> {
        let folder = format!("model_weights/{}", slot.path);
        let is_it = |path: &&String| {
            let mut parts = path.rsplit('/');
            let last = parts.next().unwrap_or_default();
            last.strip_suffix(":0").unwrap_or(last) == name && parts.next() == Some(slot.layer.as_str())
        };
        let all = self.file.texts(&folder, "weight_names");
        // `Normalization` of Keras 2 writes its names without the layer's.
        let is_bare = |path: &&String| path.strip_suffix(":0").unwrap_or(path) == name;
        let one = |found: Vec<&String>| match found.as_slice() {
            [path] => Some((*path).clone()),
            _ => None,
        };
        let own = one(all.iter().filter(is_it).collect());
        let Some(path) = own.or_else(|| one(all.iter().filter(is_bare).collect())) else {
            return Err(missing(slot, name, &folder));
        };
        let path = format!("{folder}/{path}");
        self.file.tensor(&path)?.ok_or_else(|| missing(slot, name, &path))
    }
}

fn missing(slot: &Slot, name: &str, path: &str) -> Problem {
    Problem::field(path, format!("the {name} of layer `{}`", slot.layer), "none")
}

/// `BatchNormalization` as `batch_normalization`, by Keras's own rule.
fn snake(class: &str) -> String {
    let letters: Vec<char> = class
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    let mut out = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| letters[before]);
        let after = letters.get(index + 1);
        let starts = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase() || after.is_some_and(char::is_ascii_lowercase)
            });
        if starts && !out.ends_with('_') {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn classes_are_named_as_keras_names_them() {
        for (class, name) in [
            ("Conv2D", "conv2d"),
            ("BatchNormalization", "batch_normalization"),
            ("ReLU", "re_lu"),
            ("GlobalAveragePooling2D", "global_average_pooling2d"),
            ("ZeroPadding2D", "zero_padding2d"),
            ("Functional", "functional"),
        ] {
            assert_eq!(super::snake(class), name);
        }
    }
}
