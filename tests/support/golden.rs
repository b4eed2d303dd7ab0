//! Goldens: blobs and the logits of seeded images, stored as files so that every change shows.
//!
//! The files are `tests/golden/NAME.dlt` and `NAME.txt`. The exporter writes the blobs. The slow second implementation in the
//! tests of `core` computes the logits, never `core` itself. `DENSELET_REGENERATE=1 cargo test -p denselet-tests --test golden`
//! writes them again.

pub use crate::images::IMAGES;
use crate::images::images;
use denselet::layout::Order;
use denselet_train::blob::Blob;
use denselet_train::code::Coding;
use denselet_train::export::{self, ExportError, Form};
use denselet_train::net::{Network, Normalisation};
use denselet_train::spec::Spec;
use std::path::PathBuf;

/// A small network that has an unusual property.
#[derive(Clone, Copy, Debug)]
pub struct Golden {
    /// Name of its files.
    pub name: &'static str,
    /// The network as TOML.
    pub spec: &'static str,
    /// Order of its weights.
    pub order: Order,
    /// Bits and codes of its weights.
    pub weights: (u8, Coding),
}

/// 8x8 digits on a chip with 16 KiB of RAM.
const TINY: &str = "classes = 10\nblocks = [3, 3]\ngrowth = 4\nbottleneck = true\ntheta = 0.5\n[input]\nheight = 8\n\
                    width = 8\nchannels = 1\n[stem]\nfilters = 8\n";

/// Bottlenecks and odd widths.
const MIXED: &str = "classes = 7\nblocks = [{ widths = [3, 6], transition = 10 }, { widths = [5] }]\nbottleneck = true\n[input]\n\
                     height = 9\nwidth = 11\nchannels = 2\n[stem]\nfilters = 6\n";

/// A byte per weight.
const RAW: (u8, Coding) = (8, Coding::Raw);

/// Every golden. The firmware embeds the first one by default.
pub const ALL: [Golden; 10] = [
    Golden {
        name: "tiny",
        spec: TINY,
        order: Order::Pairs,
        weights: RAW,
    },
    // The same network in the orders of other cores.
    Golden {
        name: "tiny-plain",
        spec: TINY,
        order: Order::Plain,
        weights: RAW,
    },
    Golden {
        name: "tiny-quads",
        spec: TINY,
        order: Order::Quads,
        weights: RAW,
    },
    // Three layers without bottleneck, a stride, odd numbers of channels.
    Golden {
        name: "strided",
        spec: "classes = 5\nblocks = [3, 2]\ngrowth = 5\ntheta = 1.0\n[input]\nheight = 17\nwidth = 13\nchannels = 3\n\
               [stem]\nfilters = 7\nstride = 2\n",
        order: Order::Plain,
        weights: RAW,
    },
    // Widths that grow, no padding in the stem, a transition at the end, no last batch norm.
    Golden {
        name: "growing",
        spec: "classes = 4\nfinal_norm = false\nblocks = [{ widths = [3, 5, 7], transition = 9 }, \
               { widths = [9, 11], transition = 14 }]\n[input]\nheight = 14\nwidth = 14\nchannels = 2\n[stem]\n\
               filters = 3\npadding = false\n",
        order: Order::Plain,
        weights: RAW,
    },
    // The stem for large images: 7x7 and a max pool.
    Golden {
        name: "pooled",
        spec: "classes = 10\nblocks = [2, 2]\ngrowth = 6\nbottleneck = true\ntheta = 0.5\n[input]\nheight = 30\n\
               width = 30\nchannels = 3\n[stem]\nkernel = 7\nstride = 2\nmax_pool = true\nfilters = 12\n",
        order: Order::Pairs,
        weights: RAW,
    },
    // One row: a signal.
    Golden {
        name: "line",
        spec: "classes = 3\nblocks = [2, 2, 1]\ngrowth = 4\nbottleneck = true\ntheta = 0.5\n[input]\nheight = 1\n\
               width = 50\nchannels = 3\n[stem]\nfilters = 8\n",
        order: Order::Pairs,
        weights: RAW,
    },
    // Each code of weights, each in another order.
    Golden {
        name: "huffman",
        spec: MIXED,
        order: Order::Pairs,
        weights: (4, Coding::Huffman),
    },
    Golden {
        name: "nibbles",
        spec: MIXED,
        order: Order::Quads,
        weights: (4, Coding::Fixed),
    },
    Golden {
        name: "planes",
        spec: MIXED,
        order: Order::Plain,
        weights: (3, Coding::Fixed),
    },
];

impl Golden {
    /// Returns the path of one of its files.
    pub fn path(&self, extension: &str) -> PathBuf {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden"));
        folder.join(self.name).with_extension(extension)
    }

    /// Reads the stored blob.
    pub fn blob(&self) -> Blob {
        Blob::read(&self.path("dlt")).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Exports the blob again: seeded weights, and a different shift in every channel of a batch norm.
    pub fn export(&self) -> Vec<u8> {
        let spec = Spec::parse(self.spec, self.name).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let channels = spec.input.channels;
        let normalisation = Normalisation {
            mean: vec![120.0; channels],
            std: vec![70.0; channels],
        };
        let images = images(16, spec.input.height * spec.input.width * channels);
        let mut network = Network::new(&spec, normalisation, 1);
        let layers = network.blocks.iter_mut().flat_map(|block| &mut block.layers);
        for beta in layers.flat_map(|layer| layer.norm1.beta.iter_mut().enumerate()) {
            *beta.1 = 0.2 - 0.1 * (beta.0 % 3) as f32;
        }
        let (bits, coding) = self.weights;
        let quantised = match bits {
            8 => export::quantised(&network, &images),
            _ => export::quantised_to(bits, &network, &images),
        };
        let form = Form {
            order: self.order,
            coding,
        };
        let written = quantised
            .map_err(ExportError::from)
            .and_then(|quantised| export::write(&quantised, form, None));
        written.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Returns the images of the stored logits, in the shape of the input of a blob.
    pub fn images(&self, blob: &Blob) -> Vec<u8> {
        let model = blob
            .model()
            .unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let input = model.header().input;
        images(IMAGES, input.pixels() * input.channels)
    }

    /// Reads the stored logits, image by image.
    pub fn logits(&self) -> Vec<Vec<i32>> {
        let path = self.path("txt");
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let number = |word: &str| {
            word.parse()
                .unwrap_or_else(|_| panic!("{}: {word}", path.display()))
        };
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.split_whitespace().map(number).collect())
            .collect()
    }
}

/// Returns whether the files are written again instead of compared.
pub fn regenerates() -> bool {
    std::env::var_os("DENSELET_REGENERATE").is_some_and(|value| value == "1")
}
