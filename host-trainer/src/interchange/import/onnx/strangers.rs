//! Operations that are in no network of the family but are met often: why each is refused, and what helps.

/// Why an operation is refused whatever it reads; `None` if it may be part of a network.
pub(super) fn stranger(what: &str) -> Option<(&'static str, &'static str)> {
    Some(match what {
        "QuantizeLinear"
        | "DequantizeLinear"
        | "DynamicQuantizeLinear"
        | "QLinearConv"
        | "QLinearMatMul"
        | "QLinearConcat"
        | "QLinearAdd"
        | "QLinearGlobalAveragePool"
        | "QLinearAveragePool"
        | "QLinearSigmoid"
        | "QGemm"
        | "ConvInteger"
        | "MatMulInteger"
        | "DynamicQuantizeMatMul"
        | "FakeQuantize" => (
            "it belongs to a quantised network",
            "import the float network as it was before it was quantised: `denselet export` quantises it",
        ),
        "LSTM" | "GRU" | "RNN" | "Loop" | "Scan" => (
            "it is recurrent: it remembers from step to step",
            "only DenseNets are imported",
        ),
        "If" => (
            "it chooses between two networks",
            "export the one that runs in inference",
        ),
        "LayerNormalization" | "InstanceNormalization" | "GroupNormalization" => (
            "it normalises each image by itself, not by statistics of the training",
            "use batch norm; a network that normalises by the batch was exported in training mode: call eval() first",
        ),
        "Attention" | "MultiHeadAttention" => ("it is attention", "only DenseNets are imported"),
        "ConvTranspose" | "Resize" | "Upsample" => ("it enlarges the map", "only classifiers are imported"),
        "GlobalMaxPool" | "ReduceMax" => (
            "it keeps the largest value of each channel",
            "a DenseNet ends in a global average",
        ),
        "ArgMax" | "TopK" => (
            "it names a class where logits are needed",
            "export the network without it, so that it answers one number per class",
        ),
        _ => return None,
    })
}
