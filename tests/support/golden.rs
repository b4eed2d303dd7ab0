//! Blobs with pictures and the logits that they have, kept as files so that nothing can change them unnoticed.
//!
//! `tests/golden/NAME.dlt` and `NAME.txt`. Blobs come from the exporter, logits from the slow second arithmetic of
//! `core`'s tests, never from `core`. `DENSELET_REGENERATE=1 cargo test -p denselet-tests --test golden` makes them anew.

pub use crate::pictures::PICTURES;
use crate::pictures::pictures;
use denselet::layout::Order;
use denselet_train::blob::Blob;
use denselet_train::export::export;
use denselet_train::net::{Network, Normalisation};
use denselet_train::spec::Spec;
use std::path::PathBuf;

/// A network that goldens are kept of: small, and odd in its own way.
#[derive(Clone, Copy, Debug)]
pub struct Golden {
    /// Name of its files.
    pub name: &'static str,
    /// The network, as people write it.
    pub spec: &'static str,
    /// Order of its weights.
    pub order: Order,
}

/// 8x8 digits on a chip with 16 KiB of RAM.
const TINY: &str = "classes = 10\nblocks = [3, 3]\ngrowth = 4\nbottleneck = true\ntheta = 0.5\n[input]\nheight = 8\n\
                    width = 8\nchannels = 1\n[stem]\nfilters = 8\n";

/// Every golden. The first is what the firmware embeds where nothing else is asked for.
pub const ALL: [Golden; 7] = [
    Golden {
        name: "tiny",
        spec: TINY,
        order: Order::Pairs,
    },
    // The same in the orders that suit other cores.
    Golden {
        name: "tiny-plain",
        spec: TINY,
        order: Order::Plain,
    },
    Golden {
        name: "tiny-quads",
        spec: TINY,
        order: Order::Quads,
    },
    // Three layers without bottleneck, a stride, channels that are no multiple of anything.
    Golden {
        name: "strided",
        spec: "classes = 5\nblocks = [3, 2]\ngrowth = 5\ntheta = 1.0\n[input]\nheight = 17\nwidth = 13\nchannels = 3\n\
               [stem]\nfilters = 7\nstride = 2\n",
        order: Order::Plain,
    },
    // Widths that grow, no padding in the stem, a transition at the end, no last batch norm.
    Golden {
        name: "growing",
        spec: "classes = 4\nfinal_norm = false\nblocks = [{ widths = [3, 5, 7], transition = 9 }, \
               { widths = [9, 11], transition = 14 }]\n[input]\nheight = 14\nwidth = 14\nchannels = 2\n[stem]\n\
               filters = 3\npadding = false\n",
        order: Order::Plain,
    },
    // The large pictures' stem: 7x7 and a max pool.
    Golden {
        name: "pooled",
        spec: "classes = 10\nblocks = [2, 2]\ngrowth = 6\nbottleneck = true\ntheta = 0.5\n[input]\nheight = 30\n\
               width = 30\nchannels = 3\n[stem]\nkernel = 7\nstride = 2\nmax_pool = true\nfilters = 12\n",
        order: Order::Pairs,
    },
    // One row: a signal.
    Golden {
        name: "line",
        spec: "classes = 3\nblocks = [2, 2, 1]\ngrowth = 4\nbottleneck = true\ntheta = 0.5\n[input]\nheight = 1\n\
               width = 50\nchannels = 3\n[stem]\nfilters = 8\n",
        order: Order::Pairs,
    },
];

impl Golden {
    /// Path of one of its files.
    pub fn path(&self, extension: &str) -> PathBuf {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden"));
        folder.join(self.name).with_extension(extension)
    }

    /// The blob that is kept.
    pub fn blob(&self) -> Blob {
        Blob::read(&self.path("dlt")).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The blob made anew: seeded weights, every batch norm shifted its own way.
    pub fn export(&self) -> Vec<u8> {
        let spec = Spec::parse(self.spec, self.name).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let channels = spec.input.channels;
        let normalisation = Normalisation {
            mean: vec![120.0; channels],
            std: vec![70.0; channels],
        };
        let pictures = pictures(16, spec.input.height * spec.input.width * channels);
        let mut network = Network::new(&spec, normalisation, 1);
        let layers = network.blocks.iter_mut().flat_map(|block| &mut block.layers);
        for beta in layers.flat_map(|layer| layer.norm1.beta.iter_mut().enumerate()) {
            *beta.1 = 0.2 - 0.1 * (beta.0 % 3) as f32;
        }
        export(&network, &pictures, self.order, None).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The pictures of a blob's input that the logits belong to.
    pub fn pictures(&self, blob: &Blob) -> Vec<u8> {
        let model = blob
            .model()
            .unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let input = model.header().input;
        pictures(PICTURES, input.pixels() * input.channels)
    }

    /// The logits that are kept, picture by picture.
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

/// Whether the files are to be made anew rather than looked at.
pub fn regenerates() -> bool {
    std::env::var_os("DENSELET_REGENERATE").is_some_and(|value| value == "1")
}
