//! Functions in place of layers: `x / 255`, `tf.nn.relu(x)`, `keras.ops.softmax(x)`. Keras 3 writes them as operations, Keras 2
//! as layers of class `TFOpLambda`.

use super::config::Layer;
use serde_json::Value;

/// What a function computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Add,
    Subtract,
    Multiply,
    Divide,
    Relu,
    Softmax,
    LogSoftmax,
    Sigmoid,
    /// Changes no value: a cast, a copy.
    Pass,
    Concat,
    Mean,
    /// Anything else.
    Other,
}

/// The function of a layer that is one; `None` for a layer.
pub(super) fn name(layer: &Layer) -> Option<Function> {
    let is_written = layer.class == "TFOpLambda" || layer.class == "SlicingOpLambda";
    if layer.is_layer && !is_written {
        return None;
    }
    let own = layer.settings.get("function").and_then(Value::as_str);
    let name = own.filter(|_| is_written).unwrap_or(&layer.class);
    Some(match name {
        "Add" | "math.add" | "add" | "__operators__.add" | "nn.bias_add" => Function::Add,
        "Subtract" | "math.subtract" | "subtract" | "__operators__.sub" => Function::Subtract,
        "Multiply" | "math.multiply" | "multiply" | "__operators__.mul" => Function::Multiply,
        "TrueDivide" | "Divide" | "math.truediv" | "math.divide" | "divide" | "realdiv" => Function::Divide,
        "Relu" | "ReLU" | "nn.relu" => Function::Relu,
        "Softmax" | "nn.softmax" => Function::Softmax,
        "LogSoftmax" | "nn.log_softmax" => Function::LogSoftmax,
        "Sigmoid" | "math.sigmoid" | "nn.sigmoid" => Function::Sigmoid,
        "Cast" | "Identity" | "cast" | "identity" | "convert_to_tensor" => Function::Pass,
        "Concatenate" | "concat" => Function::Concat,
        "Mean" | "math.reduce_mean" => Function::Mean,
        _ => Function::Other,
    })
}

/// Why a layer that is often met is in no network of the family, and what helps.
pub(super) fn stranger(class: &str) -> Option<(&'static str, &'static str)> {
    Some(match class {
        "Lambda" => (
            "it is a function of your own, which the file holds as code",
            "use Rescaling, Normalization or x / 255 on the input, and layers elsewhere; or export ONNX with tf2onnx",
        ),
        "LSTM" | "GRU" | "SimpleRNN" | "Bidirectional" | "ConvLSTM2D" => (
            "it is recurrent: it remembers from step to step",
            "only DenseNets are imported",
        ),
        "MultiHeadAttention" | "Attention" => ("it is attention", "only DenseNets are imported"),
        "LayerNormalization" | "GroupNormalization" | "UnitNormalization" => (
            "it normalises each image by itself, not by statistics of the training",
            "use BatchNormalization",
        ),
        "SeparableConv2D" | "DepthwiseConv2D" => (
            "it is a convolution of single channels",
            "a DenseNet's convolutions read every channel",
        ),
        "GlobalMaxPooling1D" | "GlobalMaxPooling2D" => (
            "it keeps the largest value of each channel",
            "a DenseNet ends in GlobalAveragePooling2D",
        ),
        "QuantizeWrapperV2" | "QuantizeLayer" | "QuantizeWrapper" => (
            "it belongs to a quantised network",
            "import the network as it was before it was quantised: `denselet export` quantises it",
        ),
        "Multiply" => (
            "it multiplies feature maps, as squeeze-and-excitation does",
            "a DenseNet joins feature maps with Concatenate",
        ),
        "Subtract" | "Average" | "Maximum" | "Minimum" | "Dot" => (
            "it combines feature maps",
            "a DenseNet joins feature maps with Concatenate",
        ),
        "Resizing" | "CenterCrop" | "Cropping2D" => (
            "it changes the size of the image",
            "save the network without it, and give images of the network's size",
        ),
        "Conv2DTranspose" | "UpSampling2D" => ("it enlarges the map", "only classifiers are imported"),
        _ => return None,
    })
}
