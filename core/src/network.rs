//! A network at work: rows in, logits out. This file decides which stage computes its next row.
//!
//! The stem runs as rows arrive. After the last row, each of the other stages runs over its whole map.

use crate::arena::{ALIGN, Arena};
use crate::error::{Error, FormatError, Refused};
use crate::format::Records;
use crate::kernel::arch::{self, cast, cast::as_i8s};
use crate::kernel::{Content, Job, Prepared, Tile};
use crate::logits::Logits;
use crate::model::{self, Model, Weights};
use crate::plan::{HeadStep, LayerStep, Output, Plan, StemStep, Step, Steps, TransitionStep};
use crate::shape::Shape;
#[cfg(feature = "coded")]
use crate::stage::decoded;
use crate::stage::{head, layer, stem, transition, weights};
use crate::tap::{NoTap, Tap};
use core::ops::Range;
use half::f16;

/// A network: a blob in flash and an arena.
#[derive(Debug)]
pub struct Network<'b, 'a> {
    model: Model<'b>,
    plan: Plan,
    memory: &'a mut [u8],
    /// Rows of the current image that have arrived.
    rows: usize,
    /// The stem's filters, between rows.
    stem: arch::Kept,
    /// Place of the logits in the arena.
    logits: Range<usize>,
    /// What a logit of 1 stands for.
    scale: f16,
}

impl<'b, 'a> Network<'b, 'a> {
    /// Reads the blob, plans, and borrows the arena.
    ///
    /// # Errors
    /// [`Error::Format`] if the blob breaks a rule of [`crate::format`], [`Error::ArenaTooSmall`] if `N` is less than
    /// [`arena_len`](crate::arena_len) of the blob. After this, nothing about the blob can fail.
    pub fn new<const N: usize>(blob: &'b [u8], arena: &'a mut Arena<N>) -> Result<Self, Error> {
        Self::in_bytes(blob, arena.as_bytes_mut())
    }

    /// [`Network::new`] in any bytes, for a caller whose arena is sized at run time.
    ///
    /// # Errors
    /// As [`Network::new`]. If `memory` does not start at a multiple of [`ALIGN`], the bytes before the first one are not used.
    pub fn in_bytes(blob: &'b [u8], memory: &'a mut [u8]) -> Result<Self, Error> {
        let model = Model::read(blob)?;
        let plan = Plan::of(&model).ok_or(FormatError::TooLarge)?;
        let header = model.header();
        let found = header.arena_len;
        if found != plan.arena_len {
            return Err(FormatError::ArenaLen {
                needed: plan.arena_len,
                found,
            }
            .into());
        }
        let lost = memory.as_ptr().addr().wrapping_neg() % ALIGN;
        let had = memory.len().saturating_sub(lost);
        let memory = memory
            .get_mut(lost..)
            .and_then(|memory| memory.get_mut(..plan.arena_len));
        let memory = memory.ok_or(Error::ArenaTooSmall {
            needed: plan.arena_len,
            had,
        })?;
        #[cfg(feature = "coded")]
        if let Some(steps) = steps(&model, &plan) {
            decoded::check(model.blob(), steps, memory)?;
        }
        let place = steps(&model, &plan).and_then(Iterator::last);
        let place = place.map_or(0..0, |step| match step {
            Step::Head(HeadStep {
                output: Output::Logits(place),
                ..
            }) => place,
            _ => 0..0,
        });
        Ok(Self {
            scale: header.scale,
            model,
            plan,
            memory,
            rows: 0,
            stem: arch::Kept::default(),
            logits: place,
        })
    }

    /// Shape of an input image.
    pub fn input_shape(&self) -> Shape {
        self.model.header().input
    }

    /// The network's name, if the blob holds it: see [`Model::name`].
    ///
    /// # Errors
    /// [`FormatError::Metadata`] if the field is not a text, here and in the functions that follow.
    pub fn name(&self) -> Result<Option<&'b str>, FormatError> {
        self.model.name()
    }

    /// The names of the classes in the order of the logits; none if the blob does not hold them.
    ///
    /// # Errors
    /// As [`Model::labels`].
    pub fn labels(&self) -> Result<impl Iterator<Item = &'b str> + Clone + use<'b>, FormatError> {
        self.model.labels()
    }

    /// Number of logits.
    pub fn classes(&self) -> usize {
        self.model.classes()
    }

    /// The blob as a network.
    pub fn model(&self) -> &Model<'b> {
        &self.model
    }

    /// Bytes of arena in use: the plan's, to the byte.
    pub fn arena_len(&self) -> usize {
        self.plan.arena_len
    }

    /// Runs one whole image, NHWC, a byte per value.
    ///
    /// # Errors
    /// [`Error::InputLen`] if the image has another length than the input shape, [`Error::RowsPending`] if rows of another
    /// image have been pushed.
    pub fn run(&mut self, image: &[u8]) -> Result<Logits<'_>, Error> {
        self.run_tapped(image, &mut NoTap)
    }

    /// [`run`](Self::run), with a tap on every stage.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_tapped(&mut self, image: &[u8], tap: &mut impl Tap) -> Result<Logits<'_>, Error> {
        arch::dispatch(self.whole(image, tap)?)?;
        Ok(self.logits())
    }

    /// Runs one whole image with the given inner loop instead of the machine's best: for tests, which take theirs from
    /// [`arch::each`].
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_on<T: Tile>(&mut self, tile: T, image: &[u8]) -> Result<Logits<'_>, Error> {
        self.whole(image, &mut NoTap)?.run(tile)?;
        Ok(self.logits())
    }

    /// All rows of an image as one job.
    fn whole<'r, W: Tap>(
        &'r mut self,
        image: &'r [u8],
        tap: &'r mut W,
    ) -> Result<Push<'r, 'b, 'a, W>, Error> {
        let shape = self.input_shape();
        if self.rows > 0 {
            return Err(Error::RowsPending { rows: self.rows });
        }
        let row_len = shape.width * shape.channels;
        let needed = shape.height * row_len;
        if image.len() != needed {
            return Err(Error::InputLen {
                needed,
                had: image.len(),
            });
        }
        Ok(Push {
            network: self,
            rows: image,
            row_len,
            tap,
        })
    }

    /// Takes the next row of an image, `[x][channel]`, and returns the logits after the last one. A camera's rows go in as they
    /// arrive, and no image is kept.
    ///
    /// # Errors
    /// [`Error::InputLen`] if the row has another length than the input's.
    pub fn push_row(&mut self, row: &[u8]) -> Result<Option<Logits<'_>>, Error> {
        let shape = self.input_shape();
        let needed = shape.width * shape.channels;
        if row.len() != needed {
            return Err(Error::InputLen {
                needed,
                had: row.len(),
            });
        }
        let is_complete = arch::dispatch(Push {
            network: self,
            rows: row,
            row_len: needed,
            tap: &mut NoTap,
        })?;
        Ok(is_complete.then(|| self.logits()))
    }

    /// Drops the rows of an image that was begun.
    pub fn restart(&mut self) {
        self.rows = 0;
    }

    fn logits(&self) -> Logits<'_> {
        let bytes = self.memory.get(self.logits.clone()).unwrap_or(&[]);
        Logits::new(cast::as_i32s(bytes).unwrap_or(&[]), self.scale)
    }
}

/// The steps of a planned model; none if it was not planned.
fn steps<'b>(model: &Model<'b>, plan: &Plan) -> Option<Steps<Records<'b>>> {
    let header = model.header();
    plan.steps(header.order, header.input, &header.stem, model.records())
}

/// Pushing whole rows, compiled once for each architecture. Returns whether the image is complete.
struct Push<'r, 'b, 'a, W> {
    network: &'r mut Network<'b, 'a>,
    rows: &'r [u8],
    row_len: usize,
    tap: &'r mut W,
}

impl<W: Tap> Job for Push<'_, '_, '_, W> {
    type Output = Result<bool, Refused>;

    fn run<T: Tile>(self, tile: T) -> Result<bool, Refused> {
        let Self {
            network,
            rows,
            row_len,
            tap,
        } = self;
        let stages = network.model.stages();
        let mut steps = steps(&network.model, &network.plan).ok_or(Refused)?;
        // One place for a stage and one for a step, not a zip's pairs of them, keep this frame small.
        for (index, (stage, input)) in stages.enumerate() {
            let step = steps.next().ok_or(Refused)?;
            match (&stage, &step) {
                (model::Stage::Stem(stem), Step::Stem(step)) => {
                    if !push(tile, network, (stem, input), step, rows.chunks_exact(row_len))? {
                        return Ok(false);
                    }
                }
                _ => whole_map(tile, &stage, &step, network.memory)?,
            }
            let map = step.writes();
            let bytes = map.map_or(&[][..], |map| &network.memory[map.range()]);
            tap.done(index, bytes, map.map_or(0, |map| map.stride));
        }
        Ok(true)
    }
}

/// Pushes rows through the stem. Returns whether the image is complete.
#[inline(never)]
fn push<'r, T: Tile>(
    tile: T,
    network: &mut Network<'_, '_>,
    (stem, input): (&model::Stem<'_>, Shape),
    step: &StemStep,
    rows: impl Iterator<Item = &'r [u8]>,
) -> Result<bool, Refused> {
    let conv = &stem.conv;
    let filters = network.stem.take::<T>();
    let conv = Prepared::resume(tile, conv, as_i8s(conv.weights.bytes), Content::Bytes, filters)?;
    let mut stage = stem::Stem::new(stem, &conv, input, step, network.rows);
    let mut memory = stem::Memory::cut(step, network.memory)?;
    for row in rows {
        stage.next_row(tile, &mut memory, row)?;
        network.rows += 1;
    }
    let is_complete = network.rows == input.height;
    if is_complete {
        network.rows = 0;
    }
    network.stem.keep::<T>(conv.into_filters());
    Ok(is_complete)
}

/// Runs one stage after the stem over its whole map.
fn whole_map<T: Tile>(
    tile: T,
    stage: &model::Stage<'_>,
    step: &Step,
    arena: &mut [u8],
) -> Result<(), Refused> {
    match (stage, step) {
        (model::Stage::Layer(layer), Step::Layer(step)) => whole_layer(tile, layer, step, arena),
        (model::Stage::Transition(transition), Step::Transition(step)) => {
            whole_transition(tile, transition, step, arena)
        }
        (model::Stage::Head(head), Step::Head(step)) => whole_head(tile, head, step, arena),
        // Stages and steps come from the same records.
        _ => Err(Refused),
    }
}

// Each stage has a stack frame of its own, so that the deepest counts and not the sum.

#[inline(never)]
fn whole_layer<T: Tile>(
    tile: T,
    layer: &model::Layer<'_>,
    step: &LayerStep,
    arena: &mut [u8],
) -> Result<(), Refused> {
    let first = layer
        .bottleneck
        .as_ref()
        .map_or(Weights::EMPTY, |conv| conv.weights);
    let (first, weights, arena) = weights::prepare(first, layer.conv.weights, &step.window, arena)?;
    let mut memory = layer::Memory::cut::<T>(layer, step, arena)?;
    let bottleneck = layer::bottleneck(tile, layer, first, &mut memory)?;
    let conv = layer::conv(tile, layer, weights, &mut memory)?;
    let mut stage = layer::Layer::new(layer.clamp, bottleneck.as_ref(), &conv, step);
    while stage.next_row(tile, &mut memory)? {}
    Ok(())
}

#[inline(never)]
fn whole_transition<T: Tile>(
    tile: T,
    transition: &model::Transition<'_>,
    step: &TransitionStep,
    arena: &mut [u8],
) -> Result<(), Refused> {
    let stored = transition.conv.weights;
    let (_, weights, arena) = weights::prepare(Weights::EMPTY, stored, &step.window, arena)?;
    let mut memory = transition::Memory::cut(step, arena)?;
    let mut stage = transition::Transition::new(tile, transition, weights, step)?;
    while stage.next_row(tile, &mut memory)? {}
    Ok(())
}

#[inline(never)]
fn whole_head<T: Tile>(
    tile: T,
    head: &model::Head<'_>,
    step: &HeadStep,
    arena: &mut [u8],
) -> Result<(), Refused> {
    let (_, weights, arena) = weights::prepare(Weights::EMPTY, head.conv.weights, &step.window, arena)?;
    let mut memory = head::Memory::cut(step, arena)?;
    let mut stage = head::Head::new(head, weights, step);
    while stage.next_row(tile, &mut memory)? {}
    Ok(())
}
