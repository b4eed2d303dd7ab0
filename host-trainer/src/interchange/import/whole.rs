//! A file into a network: which reader reads it, and what is checked on the way.

use super::assumed::Assumption;
use super::error::{ImportError, Problem};
use super::found::Ending;
use super::graph::{Affine, Graph};
use super::options::{Format, KINDS, Options, Structure};
use super::preprocess::Preprocess;
use super::{assemble, keras, onnx, scale, simplify, structure, torch};
use crate::net::Network;
use std::io;
use std::path::Path;

/// Multiply-accumulates of one image; no device with less than a gigabyte runs more.
const MOST_MACS: u64 = 1 << 38;

/// Bytes a file may have.
const LARGEST_FILE: u64 = 2 << 30;

/// A network that came in.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The network.
    pub network: Network,
    /// What the file describes, for [`check`](super::check).
    pub graph: Graph,
    /// From an image as the file's network takes it, channels last, to the network's normalised input.
    pub takes: Affine,
    /// What the file's network makes of its logits.
    pub ending: Ending,
    /// How bytes become images as the file's network takes them.
    pub preprocess: Preprocess,
    /// Whether the user, the file or the reference vectors determine it; otherwise it is a guess.
    pub preprocess_is_known: bool,
    /// Where `preprocess` comes from.
    pub preprocess_reason: String,
    /// Where the order of operations comes from.
    pub structure: Structure,
    /// Everything that was assumed.
    pub assumptions: Vec<Assumption>,
    /// Largest difference from reference vectors that was allowed by the user.
    pub tolerance: Option<f64>,
    /// What the file was.
    pub format: Format,
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
    let mut assumptions = Vec::new();
    if format != Format::Safetensors {
        options.assumed.refuse_any()?;
    }
    let graph = match format {
        Format::Keras => keras::read_archive(bytes, options.input)?,
        Format::KerasH5 => keras::read_h5(bytes, options.input)?,
        Format::Onnx => onnx::read(bytes, beside, options.input)?,
        Format::Safetensors => torch::read(bytes, options.input, &options.assumed, &mut assumptions)?,
    };
    let simple = simplify::simplify(&graph)?;
    let found = structure::find(&simple)?;
    let channels = graph.nodes[0].map.channels;
    let scale = scale::decide(options, &graph, found.input.as_ref())?;
    if !scale.is_known {
        assumptions.push(Assumption {
            what: format!("preprocessing: {} ({})", scale.preprocess, scale.reason),
            flag: Some("--preprocess".into()),
        });
    }
    if found.one_score {
        assumptions.push(Assumption {
            what: "the one score belongs to the second of two classes: logits 0 and score, class 1 if the score is above 0".into(),
            flag: None,
        });
    }
    let before = scale
        .preprocess
        .affine(channels)
        .map_err(|error| Problem::field("--preprocess", "one that fits the network", error))?;
    let (network, takes) = assemble::assemble(&simple, &found, name, &before)?;
    let macs = network.spec.macs();
    if macs > MOST_MACS {
        return Err(Problem::field(
            "network",
            format!("at most {MOST_MACS} multiply-accumulates for one image"),
            macs,
        ));
    }
    Ok(Imported {
        network,
        takes,
        ending: found.ending,
        preprocess: scale.preprocess,
        preprocess_is_known: scale.is_known,
        preprocess_reason: scale.reason,
        structure: if format == Format::Safetensors {
            Structure::Assumed
        } else {
            Structure::Read
        },
        assumptions,
        tolerance: options.tolerance,
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
