//! A blob as a network: typed views, read once, that cannot fail afterwards. Rank 3: format and the kernels' parameters.
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used
)]

use crate::error::FormatError;
use crate::format::metadata::{self, Encoding, tag};
use crate::format::{self, ALIGN, Blob, Header, Kind, Section, StageBytes};
use crate::kernel::arch::cast::{as_i8s, as_i32s};
use crate::kernel::{self, Clamp};
use crate::layout::{Order, stride};
use crate::shape::{Shape, StageShape, StemShape};
use core::ops::Deref;
use half::f16;

/// A checked blob: the network it describes, still lying where it was (in flash).
///
/// Obeys every rule of the format but 17, which speaks of the plan.
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
    pub weights: &'b [i8],
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
    /// How its outputs are to be read.
    pub values: Values<'b>,
}

/// A dense layer's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'b> {
    /// Batch norm and ReLU in front of the first convolution.
    pub clamp: Clamp<'b>,
    /// The 1x1 convolution into the ring, and its output's scale (the zero point is 0).
    pub bottleneck: Option<(Conv<'b>, f16)>,
    /// The 3x3 convolution out of the ring.
    pub conv: Conv<'b>,
    /// How its outputs are to be read.
    pub values: Values<'b>,
}

/// A transition's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Transition<'b> {
    /// Batch norm and ReLU in front of the pooling.
    pub clamp: Clamp<'b>,
    /// The 1x1 convolution behind it.
    pub conv: Conv<'b>,
    /// How its outputs are to be read.
    pub values: Values<'b>,
}

/// The head's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Head<'b> {
    /// Batch norm and ReLU in front of the average.
    pub clamp: Clamp<'b>,
    /// The linear layer.
    pub conv: Conv<'b>,
    /// What a logit of 1 stands for.
    pub scale: f16,
}

/// What stored bytes stand for: channel `c` is `scale[c] * (u - zero[c])`. For people and tools; inference does not
/// read it.
#[derive(Clone, Copy, Debug)]
pub struct Values<'b> {
    scales: &'b [u8],
    zeros: &'b [u8],
}

impl Values<'_> {
    /// Scale and zero point of each channel, in order.
    pub fn iter(&self) -> impl Iterator<Item = (f16, i16)> + '_ {
        let zeros = self
            .zeros
            .chunks_exact(2)
            .map(|zero| zero.try_into().map_or(0, i16::from_le_bytes));
        self.scales.chunks_exact(2).map(half).zip(zeros)
    }
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

    /// What the header says.
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

    /// The network's name, if the blob tells it.
    ///
    /// # Errors
    /// [`FormatError::Metadata`] if it is not UTF-8.
    pub fn name(&self) -> Result<Option<&'b str>, FormatError> {
        self.blob
            .metadata()
            .find(tag::NAME)
            .map(metadata::name)
            .transpose()
    }

    /// The names of the classes in the order of the logits; none if the blob does not tell them.
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
    /// [`FormatError::Metadata`] if they are not as many as classes, or not UTF-8.
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

    /// The shapes of the stages behind the stem.
    pub fn shapes(&self) -> format::Shapes<'b> {
        self.blob.shapes()
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
        weights: as_i8s(stage.section(weights)),
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
    let values = Values {
        scales: stage.section(Section::Scale),
        zeros: stage.section(Section::Zero),
    };
    match stage.kind {
        Kind::Stem(shape) => Stage::Stem(Stem {
            shape,
            padding: stage.section(Section::Padding),
            conv: main,
            values,
        }),
        Kind::Stage(StageShape::Layer { bottleneck, .. }) => Stage::Layer(Layer {
            clamp,
            bottleneck: bottleneck.map(|width| {
                let conv = conv(
                    Section::BottleneckWeights,
                    Section::BottleneckBias,
                    Section::BottleneckMultiplier,
                    width,
                    clamp.len(),
                    clamp.len(),
                );
                (conv, half(stage.section(Section::BottleneckScale)))
            }),
            conv: main,
            values,
        }),
        Kind::Stage(StageShape::Transition { .. }) => Stage::Transition(Transition {
            clamp,
            conv: main,
            values,
        }),
        Kind::Stage(StageShape::Head { .. }) => Stage::Head(Head {
            clamp,
            conv: main,
            scale: half(stage.section(Section::Scale)),
        }),
    }
}

fn half(bytes: &[u8]) -> f16 {
    bytes.try_into().map_or(f16::ZERO, f16::from_le_bytes)
}
