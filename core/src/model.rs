//! A blob as a network: typed views, read once, that cannot fail afterwards. Rank 3: format and the kernels' parameters.
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used
)]

use crate::codec::Codec;
use crate::error::FormatError;
use crate::format::metadata::{self, Encoding, tag};
use crate::format::{self, ALIGN, Blob, Header, Kind, Section, StageBytes};
use crate::kernel::arch::cast::as_i32s;
use crate::kernel::{self, Clamp};
use crate::layout::{Order, stride};
use crate::shape::{Shape, StageShape, StemShape};
use core::ops::Deref;
use half::f16;

/// A checked blob: the network it describes, still lying where it was (in flash).
///
/// Obeys every rule of the format but 17, which is about the plan.
#[derive(Clone, Copy, Debug)]
pub struct Model<'b> {
    blob: Blob<'b>,
}

/// A stage with its parameters.
#[derive(Clone, Copy, Debug)]
pub enum Stage<'b> {
    /// The first convolution.
    Stem(Stem<'b>),
    /// A dense layer.
    Layer(Layer<'b>),
    /// A transition.
    Transition(Transition<'b>),
    /// The head.
    Head(Head<'b>),
}

/// A convolution as the blob stores it: its parameters, and its weights.
#[derive(Clone, Copy, Debug)]
pub struct Conv<'b> {
    /// Sizes, biases and multipliers.
    pub parameters: kernel::Conv<'b>,
    /// Filters in the parameters' order.
    pub weights: Weights<'b>,
}

/// Weights as the blob stores them.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'b> {
    /// The array.
    pub bytes: &'b [u8],
    /// How it is stored.
    pub codec: Codec,
}

impl Weights<'_> {
    /// No weights.
    pub const EMPTY: Self = Self {
        bytes: &[],
        codec: Codec::Raw,
    };
}

impl<'b> Deref for Conv<'b> {
    type Target = kernel::Conv<'b>;

    fn deref(&self) -> &kernel::Conv<'b> {
        &self.parameters
    }
}

/// The first convolution's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Stem<'b> {
    /// Geometry.
    pub shape: StemShape,
    /// The byte that stands for zero, per input channel.
    pub padding: &'b [u8],
    /// The convolution.
    pub conv: Conv<'b>,
}

/// A dense layer's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'b> {
    /// Batch norm and ReLU before the first convolution.
    pub clamp: Clamp<'b>,
    /// The 1x1 convolution into the ring.
    pub bottleneck: Option<Conv<'b>>,
    /// The 3x3 convolution out of the ring.
    pub conv: Conv<'b>,
}

/// A transition's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Transition<'b> {
    /// Batch norm and ReLU before the pooling.
    pub clamp: Clamp<'b>,
    /// The 1x1 convolution after it.
    pub conv: Conv<'b>,
}

/// The head's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Head<'b> {
    /// Batch norm and ReLU before the average.
    pub clamp: Clamp<'b>,
    /// The linear layer.
    pub conv: Conv<'b>,
}

impl<'b> Model<'b> {
    /// Reads a blob.
    ///
    /// # Errors
    /// The first rule of the format that the bytes break.
    pub fn read(bytes: &'b [u8]) -> Result<Self, FormatError> {
        let blob = Blob::read(bytes)?;
        if as_i32s(bytes.get(..format::HEADER_LEN).unwrap_or(&[])).is_none() {
            let offset = bytes.as_ptr().addr().checked_rem(ALIGN).unwrap_or(0);
            return Err(FormatError::Misaligned { offset });
        }
        Ok(Self { blob })
    }

    /// What the header holds.
    pub fn header(&self) -> Header {
        self.blob.header()
    }

    /// Bytes of the blob.
    pub fn blob_len(&self) -> usize {
        self.blob.len()
    }

    /// Number of logits.
    pub fn classes(&self) -> usize {
        self.blob.classes()
    }

    /// The stem, then every stage in order, with the shape of the map that each reads.
    pub fn stages(&self) -> Stages<'b> {
        Stages {
            order: self.header().order,
            stages: self.blob.stages(),
        }
    }

    /// The network's name, if the blob holds it.
    ///
    /// # Errors
    /// [`FormatError::Metadata`] if it is not a text: UTF-8 without control characters. The same holds for the other texts.
    pub fn name(&self) -> Result<Option<&'b str>, FormatError> {
        self.text(tag::NAME)
    }

    /// What the input's bytes are, if the blob holds it: `RGB`, `grey`, the name of a sensor.
    ///
    /// # Errors
    /// As [`name`](Self::name).
    pub fn input(&self) -> Result<Option<&'b str>, FormatError> {
        self.text(tag::INPUT)
    }

    /// How the blob was made, if it holds it.
    ///
    /// # Errors
    /// As [`name`](Self::name).
    pub fn provenance(&self) -> Result<Option<&'b str>, FormatError> {
        self.text(tag::PROVENANCE)
    }

    /// The accuracy that was measured when the blob was made, if it holds it.
    ///
    /// # Errors
    /// As [`name`](Self::name).
    pub fn accuracy(&self) -> Result<Option<&'b str>, FormatError> {
        self.text(tag::ACCURACY)
    }

    fn text(&self, tag: u32) -> Result<Option<&'b str>, FormatError> {
        let bytes = self.blob.metadata().find(tag);
        bytes.map(|bytes| metadata::text(tag, bytes)).transpose()
    }

    /// Scale and zero point of every stored channel, stage after stage, if the blob holds them: byte `u` stands for
    /// `scale * (u - zero)`. A layer's bottleneck has one pair for all of its channels, before those of its slot.
    ///
    /// # Errors
    /// [`FormatError::Metadata`] if they are not as many as channels, or a scale is not a positive, finite number.
    pub fn scales(&self) -> Result<impl Iterator<Item = (f16, i16)> + use<'b>, FormatError> {
        let pairs = match self.blob.metadata().find(tag::SCALES) {
            Some(bytes) => metadata::scales(bytes, &self.blob)?,
            None => &[],
        };
        Ok(pairs
            .iter()
            .map(|&[a, b, c, d]| (f16::from_le_bytes([a, b]), i16::from_le_bytes([c, d]))))
    }

    /// Bytes of the metadata, which an inference does not read.
    pub fn metadata_len(&self) -> usize {
        self.blob.metadata().len()
    }

    /// The names of the classes in the order of the logits; none if the blob does not hold them.
    ///
    /// ```
    /// # static DIGITS: &[u8] = denselet::include_blob!("../tests/golden/digits.dlt");
    /// # let model = denselet::Model::read(DIGITS)?;
    /// # let class = 7;
    /// if let Some(name) = model.labels()?.nth(class) {
    ///     // show it
    /// # let _ = name;
    /// }
    /// # Ok::<(), denselet::FormatError>(())
    /// ```
    ///
    /// # Errors
    /// [`FormatError::Metadata`] if they are not as many as classes, or one is not a text.
    pub fn labels(&self) -> Result<impl Iterator<Item = &'b str> + Clone + use<'b>, FormatError> {
        let labels = match self.blob.metadata().find(tag::LABELS) {
            Some(bytes) => metadata::labels(bytes, self.classes())?,
            None => "",
        };
        Ok(labels.split_terminator('\0'))
    }

    /// What the bytes 0 and 255 of each input channel stand for, in the unit of the measurement; none if the input is bytes
    /// from the start.
    ///
    /// A measurement `x` becomes the byte `(x - low) * 255 / (high - low)`, rounded half away from zero and clipped.
    ///
    /// # Errors
    /// [`FormatError::Metadata`] if there is not one pair for each channel, or an end is not a number.
    pub fn encoding(&self) -> Result<Encoding<'b>, FormatError> {
        match self.blob.metadata().find(tag::ENCODING) {
            Some(bytes) => metadata::encoding(bytes, self.header().input.channels),
            None => Ok(Encoding::default()),
        }
    }

    /// The shapes of the stages after the stem, with the codecs of the bottleneck's weights and of the others.
    pub fn records(&self) -> format::Records<'b> {
        self.blob.records()
    }

    /// The blob.
    #[cfg(feature = "coded")]
    pub(crate) fn blob(&self) -> &Blob<'b> {
        &self.blob
    }
}

/// The stages of a model in order, with the shape of the map that each reads.
#[derive(Clone, Debug)]
pub struct Stages<'b> {
    order: Order,
    stages: format::Stages<'b>,
}

impl<'b> Iterator for Stages<'b> {
    type Item = (Stage<'b>, Shape);

    // Once per stage, and its frame is best not part of a larger one.
    #[inline(never)]
    fn next(&mut self) -> Option<(Stage<'b>, Shape)> {
        let stage = self.stages.next()?;
        Some((typed(self.order, &stage), stage.input))
    }
}

fn typed<'b>(order: Order, stage: &StageBytes<'b>) -> Stage<'b> {
    // Both are the input's stride long, and start at words, as the blob does.
    let clamp =
        Clamp::new(stage.section(Section::Mask), stage.section(Section::Threshold)).unwrap_or(Clamp::EMPTY);
    let conv = |weights, bias, multiplier, outputs, length, depth| Conv {
        parameters: kernel::Conv {
            bias: as_i32s(stage.section(bias)).unwrap_or(&[]),
            multiplier: as_i32s(stage.section(multiplier)).unwrap_or(&[]),
            order,
            outputs,
            length,
            depth,
        },
        weights: Weights {
            bytes: stage.section(weights),
            codec: stage.codec(weights),
        },
    };
    let length = format::filter_len(stage.kind, stage.input).unwrap_or(0);
    let (outputs, depth) = match stage.kind {
        Kind::Stem(StemShape { filters, .. }) | Kind::Stage(StageShape::Transition { filters }) => {
            (filters, length)
        }
        Kind::Stage(StageShape::Layer { bottleneck, growth }) => {
            (growth, stride(bottleneck.unwrap_or(stage.input.channels)))
        }
        Kind::Stage(StageShape::Head { classes }) => (classes, length),
    };
    let main = conv(
        Section::Weights,
        Section::Bias,
        Section::Multiplier,
        outputs,
        length,
        depth,
    );
    match stage.kind {
        Kind::Stem(shape) => Stage::Stem(Stem {
            shape,
            padding: stage.section(Section::Padding),
            conv: main,
        }),
        Kind::Stage(StageShape::Layer { bottleneck, .. }) => Stage::Layer(Layer {
            clamp,
            bottleneck: bottleneck.map(|width| {
                conv(
                    Section::BottleneckWeights,
                    Section::BottleneckBias,
                    Section::BottleneckMultiplier,
                    width,
                    clamp.len(),
                    clamp.len(),
                )
            }),
            conv: main,
        }),
        Kind::Stage(StageShape::Transition { .. }) => Stage::Transition(Transition { clamp, conv: main }),
        Kind::Stage(StageShape::Head { .. }) => Stage::Head(Head { clamp, conv: main }),
    }
}
