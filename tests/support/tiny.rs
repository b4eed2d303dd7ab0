//! A tiny untrained network with every kind of stage, as float and as blob.

use denselet::layout::Order;
use denselet_train::blob::Blob;
use denselet_train::export::export;
use denselet_train::net::{Network, Normalisation};
use denselet_train::spec::Spec;

/// Returns an 8x8 network with two blocks of two bottleneck layers. No batch norm is the identity.
pub fn network() -> Network {
    let text = "name = \"tiny\"\nclasses = 3\nblocks = [2, 2]\ngrowth = 4\n\
                [input]\nheight = 8\nwidth = 8\nchannels = 1\n[stem]\nfilters = 8\n";
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("a temporary folder: {error}"));
    let path = folder.path().join("tiny.toml");
    std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let spec = Spec::load(&path.to_string_lossy()).unwrap_or_else(|error| panic!("{error}"));
    let mut network = Network::new(
        &spec,
        Normalisation {
            mean: vec![110.0],
            std: vec![60.0],
        },
        11,
    );
    for block in &mut network.blocks {
        for layer in &mut block.layers {
            for (c, beta) in layer.norm1.beta.iter_mut().enumerate() {
                *beta = 0.2 - 0.1 * (c % 3) as f32;
            }
        }
    }
    network
}

/// Returns `count` seeded images of 8x8 bytes.
pub fn images(count: usize) -> Vec<u8> {
    (0..count * 64)
        .map(|n| ((n * n / 7 + n * 31) % 251) as u8)
        .collect()
}

/// Exports the network, calibrated on [`images`], with weights in plain order.
pub fn blob(network: &Network) -> Blob {
    let bytes = export(network, &images(16), Order::Plain, None).unwrap_or_else(|error| panic!("{error}"));
    Blob::new(&bytes).unwrap_or_else(|error| panic!("{error}"))
}
