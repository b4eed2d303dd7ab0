//! Networks made elsewhere: Keras, ONNX and PyTorch files into a [`Network`](crate::net::Network). Stands where `train` stands; what comes out
//! goes on to `fold` or `train` like one of our own.
//!
//! The way of a file: a reader makes a neutral [`Graph`] of it; `simplify` gives every function one form; `structure` finds
//! stem, blocks, layers, transitions and head by how they are connected; `assemble` puts the parameters into our order;
//! [`check`] holds the network against the graph, or against what its framework answers. What no network of the family
//! computes is refused, never approximated.

mod answers;
mod assemble;
mod assumed;
mod chain;
pub mod check;
mod error;
mod found;
mod graph;
mod image_shape;
mod interpret;
mod joins;
mod keras;
mod linear;
mod npz;
mod onnx;
mod options;
mod precision;
mod preprocess;
mod refuse;
mod scale;
mod simplify;
mod state;
mod structure;
mod summary;
mod tensor;
mod torch;
mod whole;
mod window;

pub use assumed::{Assumed, Assumption};
pub use error::{ImportError, Problem};
pub use found::Ending;
pub use graph::{Affine, Axes, Graph, Node, Op, Pads, Window};
pub use npz::Vectors;
pub(crate) use onnx::{PRODUCER, proto};
pub use options::{Format, Options, Structure};
pub use precision::Precision;
pub use preprocess::Preprocess;
pub use summary::{Part, summary};
pub use whole::{Imported, import, import_as, import_bytes};
