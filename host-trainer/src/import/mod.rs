//! Networks made elsewhere: Keras, ONNX and PyTorch files into a [`Network`]. Stands where `train` stands; what comes out
//! goes on to `fold` or `train` like one of our own.
//!
//! The way of a file: a reader makes a neutral [`Graph`] of it; `simplify` gives every function one form; `structure` finds
//! stem, blocks, layers, transitions and head by how they are connected; `assemble` puts the parameters into our order;
//! [`check`] holds the network against the graph, or against what its framework answers. What no network of the family
//! computes is refused, never approximated.

mod assemble;
mod chain;
pub mod check;
mod error;
mod graph;
mod interpret;
mod keras;
mod npz;
mod onnx;
mod picture;
mod preprocess;
mod simplify;
mod structure;
mod summary;
mod tensor;
mod torch;

pub use error::{ImportError, Problem};
pub use graph::{Affine, Axes, Graph, Node, Op, Pads, Window};
pub(crate) use onnx::proto;
pub use preprocess::Preprocess;
pub use structure::Ending;
pub use summary::{Part, summary};

use crate::net::Network;
use crate::spec::Input;
use std::io;
use std::path::Path;

/// Bytes a file may have.
const LARGEST_FILE: u64 = 2 << 30;

/// What a file may leave open.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Shape of a picture.
    pub input: Option<Input>,
    /// How bytes become what the network takes.
    pub preprocess: Option<Preprocess>,
}

/// Kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Keras 3: `.keras`.
    Keras,
    /// Keras with HDF5: `.h5`.
    KerasH5,
    /// ONNX.
    Onnx,
    /// A PyTorch state dict as safetensors.
    Safetensors,
}

/// A network that came in.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The network.
    pub network: Network,
    /// What the file describes, for [`check`].
    pub graph: Graph,
    /// From a picture as the file's network takes it, channels last, to the network's normalised input.
    pub takes: Affine,
    /// What the file's network makes of its logits.
    pub ending: Ending,
    /// How bytes become pictures as the file's network takes them.
    pub preprocess: Preprocess,
    /// Whether that was said, by the user or by the file; otherwise it is a guess.
    pub preprocess_is_known: bool,
    /// What the file was.
    pub format: Format,
}

impl Format {
    /// The kind for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keras => "Keras",
            Self::KerasH5 => "Keras HDF5",
            Self::Onnx => "ONNX",
            Self::Safetensors => "PyTorch safetensors",
        }
    }
}

/// Imports a file.
///
/// # Errors
///
/// Names the file, and the part or node that cannot be had, what it is, and what would make it work.
pub fn import(path: &Path, options: &Options) -> Result<Imported, ImportError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let beside = |name: &str| read_whole(&folder.join(name));
    let name = path
        .file_stem()
        .map_or_else(|| "network".into(), |stem| stem.to_string_lossy());
    look_at_folder(path)
        .and_then(|()| Ok(read_whole(path)?))
        .and_then(|bytes| import_bytes(&bytes, &name, &beside, options))
        .map_err(|problem| ImportError {
            path: path.to_owned(),
            problem,
        })
}

/// Imports the bytes of a file; `beside` reads files that lie beside it, as large ONNX networks have them.
///
/// # Errors
///
/// As [`import`].
pub fn import_bytes(
    bytes: &[u8],
    name: &str,
    beside: &dyn Fn(&str) -> io::Result<Vec<u8>>,
    options: &Options,
) -> Result<Imported, Problem> {
    import_as(format_of(bytes)?, bytes, name, beside, options)
}

/// Imports the bytes of a file that is known to be of one kind.
///
/// # Errors
///
/// As [`import`].
pub fn import_as(
    format: Format,
    bytes: &[u8],
    name: &str,
    beside: &dyn Fn(&str) -> io::Result<Vec<u8>>,
    options: &Options,
) -> Result<Imported, Problem> {
    let graph = match format {
        Format::Keras => keras::read_archive(bytes, options.input)?,
        Format::KerasH5 => keras::read_h5(bytes, options.input)?,
        Format::Onnx => onnx::read(bytes, beside, options.input)?,
        Format::Safetensors => torch::read(bytes, options.input)?,
    };
    let simple = simplify::simplify(&graph)?;
    let found = structure::find(&simple)?;
    let channels = graph.nodes[0].map.channels;
    let scales = found.input.is_some();
    let preprocess = options.preprocess.clone().unwrap_or_else(|| {
        if scales {
            Preprocess::bytes()
        } else {
            Preprocess::unit()
        }
    });
    let before = preprocess
        .affine(channels)
        .map_err(|error| Problem::field("--preprocess", "one that fits the network", error))?;
    let (network, takes) = assemble::assemble(&simple, &found, name, &before)?;
    Ok(Imported {
        network,
        takes,
        ending: found.ending,
        preprocess,
        preprocess_is_known: scales || options.preprocess.is_some(),
        format,
        graph,
    })
}

fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
    crate::input_file::read(path, LARGEST_FILE)
}

/// Folders hold other kinds of networks.
fn look_at_folder(path: &Path) -> Result<(), Problem> {
    if !path.is_dir() {
        return Ok(());
    }
    let found = if path.join("saved_model.pb").is_file() {
        "a TensorFlow SavedModel: save the Keras model with model.save(\"network.keras\"), or convert it with tf2onnx"
    } else {
        "a folder"
    };
    Err(Problem::kind(KINDS, found))
}

/// What can be read.
const KINDS: &str = "a .keras, .h5, .onnx or .safetensors file";

fn format_of(bytes: &[u8]) -> Result<Format, Problem> {
    let refuse = |found: &str| Err(Problem::kind(KINDS, found));
    if bytes.starts_with(b"PK\x03\x04") {
        return keras::format_of_archive(bytes);
    }
    if bytes.starts_with(b"\x89HDF\r\n\x1a\n") {
        return Ok(Format::KerasH5);
    }
    if bytes.starts_with(&denselet::format::MAGIC) {
        return refuse("a denselet blob, which is exported already");
    }
    if bytes.get(4..8) == Some(b"TFL3") {
        return refuse("a TensorFlow Lite file: import the Keras model it was made from");
    }
    if bytes.starts_with(b"\x80\x02") {
        return refuse(
            "an old PyTorch pickle: save with safetensors.torch.save_file(model.state_dict(), ...) or torch.onnx.export",
        );
    }
    if let Some((length, rest)) = bytes.split_first_chunk::<8>()
        && rest.first() == Some(&b'{')
        && u64::from_le_bytes(*length) < LARGEST_FILE
    {
        let own = crate::train::checkpoint::FILE_NAME;
        return match safetensors::SafeTensors::read_metadata(bytes) {
            Ok((_, metadata))
                if metadata
                    .metadata()
                    .as_ref()
                    .is_some_and(|map| map.contains_key("denselet")) =>
            {
                refuse(&format!(
                    "a checkpoint of denselet ({own}), which needs no import"
                ))
            }
            _ => Ok(Format::Safetensors),
        };
    }
    if onnx::is_likely(bytes) {
        return Ok(Format::Onnx);
    }
    if bytes.is_empty() {
        return refuse("an empty file");
    }
    refuse("something else, or a damaged file")
}
