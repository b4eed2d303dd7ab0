//! One tensor to and from a safetensors file; belongs to `train`, under `checkpoint`.

use super::checkpoint::CheckpointError;
use safetensors::{Dtype, SafeTensors, View};
use std::borrow::Cow;
use std::path::Path;

/// One tensor on its way to a file.
pub(super) struct Out {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Out {
    pub(super) fn new(shape: Vec<usize>, values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { shape, bytes }
    }
}

impl View for Out {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Reads one tensor of the file.
pub(super) fn fill(
    path: &Path,
    file: &SafeTensors<'_>,
    name: &str,
    shape: &[usize],
    values: &mut [f32],
) -> Result<(), CheckpointError> {
    let field = |expected: String, found: String| CheckpointError::Field {
        path: path.to_owned(),
        field: name.to_owned(),
        expected,
        found,
    };
    let view = file
        .tensor(name)
        .map_err(|_| field("a tensor".into(), "none".into()))?;
    if view.dtype() != Dtype::F32 || view.shape() != shape {
        let found = format!("{:?} {:?}", view.dtype(), view.shape());
        return Err(field(format!("F32 {shape:?}"), found));
    }
    for (value, bytes) in values.iter_mut().zip(view.data().as_chunks::<4>().0) {
        *value = f32::from_le_bytes(*bytes);
    }
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(field("finite numbers".into(), value.to_string())),
        None => Ok(()),
    }
}
