//! Exchange of networks with other tools: imports from Keras, ONNX and PyTorch, exports to ONNX.

pub mod import;
pub mod onnx_export;
pub mod state_dict;
