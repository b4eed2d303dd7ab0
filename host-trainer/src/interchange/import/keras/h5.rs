//! Numbers and texts of an HDF5 file, with their sizes bounded.

use super::super::error::Problem;
use super::super::tensor::{Number, Tensor};
use core::cell::Cell;
use hdf5_reader::group::Group;
use hdf5_reader::{ByteOrder, Datatype, Hdf5File, OpenOptions};

/// Bytes one array may have, unpacked.
const LARGEST: usize = 1 << 30;
/// Values that are read of a file of a few bytes, and for each of its bytes more.
const FREE_VALUES: usize = 1 << 20;
/// See [`FREE_VALUES`].
const VALUES_PER_BYTE: usize = 4;
/// Bytes of headers.
const LARGEST_HEADER: usize = 16 << 20;

/// An open file.
pub(super) struct H5 {
    file: Hdf5File,
    /// Values that may still be read: arrays may be packed, and layers may be called more than once.
    left: Cell<usize>,
}

impl H5 {
    pub(super) fn open(bytes: Vec<u8>) -> Result<Self, Problem> {
        let left = bytes
            .len()
            .saturating_mul(VALUES_PER_BYTE)
            .saturating_add(FREE_VALUES);
        let options = OpenOptions::default()
            .with_max_chunk_bytes(LARGEST)
            .with_max_read_bytes(LARGEST)
            .with_max_object_header_bytes(LARGEST_HEADER);
        let file = Hdf5File::from_vec_with_options(bytes, options)
            .map_err(|error| Problem::kind("an HDF5 file", format!("a damaged one: {error}")))?;
        Ok(Self {
            file,
            left: Cell::new(left),
        })
    }

    /// Whether there is a group of this path.
    pub(super) fn has_group(&self, path: &str) -> bool {
        self.file.group(path).is_ok()
    }

    /// A text attribute of a group; `None` if there is none.
    pub(super) fn text(&self, group: &str, name: &str) -> Option<String> {
        let attribute = self.group(group)?.attribute(name).ok()?;
        let mut texts = attribute.read_strings().ok().filter(|texts| texts.len() == 1);
        texts
            .as_mut()
            .and_then(Vec::pop)
            .or_else(|| attribute.read_string().ok())
    }

    /// A list of texts; Keras splits long ones into `name0`, `name1` and so on.
    pub(super) fn texts(&self, group: &str, name: &str) -> Vec<String> {
        let Some(group) = self.group(group) else {
            return Vec::new();
        };
        let read = |name: &str| group.attribute(name).ok()?.read_strings().ok();
        if let Some(texts) = read(name) {
            return texts;
        }
        let parts = (0..).map_while(|part| read(&format!("{name}{part}")));
        parts.flatten().collect()
    }

    fn group(&self, path: &str) -> Option<Group> {
        if path.is_empty() {
            self.file.root_group().ok()
        } else {
            self.file.group(path).ok()
        }
    }

    /// An array of floats; `None` if there is none at this path.
    pub(super) fn tensor(&self, path: &str) -> Result<Option<Tensor>, Problem> {
        let Ok(data) = self.file.dataset(path) else {
            return Ok(None);
        };
        let bad = |expected: &str, found: String| Problem::field(path, expected, found);
        let (number, order) = match data.dtype() {
            Datatype::FloatingPoint { size: 2, byte_order } => (Number::F16, *byte_order),
            Datatype::FloatingPoint { size: 4, byte_order } => (Number::F32, *byte_order),
            Datatype::FloatingPoint { size: 8, byte_order } => (Number::F64, *byte_order),
            other => return Err(bad("floats", format!("{other:?}"))),
        };
        let shape: Option<Vec<usize>> = (data.shape().iter())
            .map(|&side| usize::try_from(side).ok())
            .collect();
        let shape = shape.ok_or_else(|| bad("sides that fit this machine", format!("{:?}", data.shape())))?;
        let wanted = super::super::tensor::count(&shape).unwrap_or(usize::MAX);
        let left = self.left.get().checked_sub(wanted).ok_or_else(|| {
            let expected =
                format!("arrays of at most {VALUES_PER_BYTE} values for each byte of the file in all");
            bad(&expected, format!("{shape:?} more"))
        })?;
        self.left.set(left);
        let mut bytes = data
            .read_raw_bytes()
            .map_err(|error| bad("an array of floats", error.to_string()))?;
        if order == ByteOrder::BigEndian {
            bytes.chunks_exact_mut(number.len()).for_each(<[u8]>::reverse);
        }
        let values = number.read(&bytes);
        if super::super::tensor::count(&shape) != Some(values.len()) {
            return Err(bad(
                &format!("values of shape {shape:?}"),
                values.len().to_string(),
            ));
        }
        Ok(Some(Tensor { shape, values }))
    }
}
