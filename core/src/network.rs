//! A network at work: rows in, logits out. Rank 7: the only file that knows every stage.
//!
//! The stem runs as rows arrive; with the last row every other stage runs, each over its whole map.

mod stages;

use crate::arena::{Arena, cut};
use crate::error::{Error, FormatError};
use crate::format::Shapes;
use crate::kernel::arch::{self, cast};
use crate::kernel::{Content, Job, Ready, Tile, pool, stem};
use crate::layout::stride;
use crate::logits::Logits;
use crate::model::{Model, Stage, Stem};
use crate::plan::{Buffer, Plan, Step, Steps};
use crate::shape::{Shape, StemPool};
use crate::tap::{Blind, Tap};
use core::ops::Range;
use half::f16;
use stages::{classify, dense_layer, pooled};

/// A network: a blob in flash and an arena.
#[derive(Debug)]
pub struct Network<'b, 'a> {
    model: Model<'b>,
    plan: Plan,
    memory: &'a mut [u8],
    /// Rows of the current image that have arrived.
    rows: usize,
    /// Where the logits lie in the arena, and what one stands for.
    logits: (Range<usize>, f16),
}

impl<'b, 'a> Network<'b, 'a> {
    /// Reads the blob, plans, and takes the arena.
    ///
    /// # Errors
    /// [`Error::Format`] where the blob breaks a rule of [`crate::format`], [`Error::ArenaTooSmall`] where `N` is less than
    /// [`arena_len`](crate::arena_len) of the blob. After this, nothing about the blob can fail.
    pub fn new<const N: usize>(blob: &'b [u8], arena: &'a mut Arena<N>) -> Result<Self, Error> {
        Self::in_bytes(blob, arena.as_bytes_mut())
    }

    /// The same in any bytes, for a caller whose arena is sized at run time.
    ///
    /// # Errors
    /// As [`Network::new`]. Bytes are lost to alignment (to 16) where `memory` is not aligned.
    pub fn in_bytes(blob: &'b [u8], memory: &'a mut [u8]) -> Result<Self, Error> {
        let model = Model::read(blob)?;
        let plan = plan(&model).ok_or(FormatError::TooLarge)?;
        let found = model.header().arena_len;
        if found != plan.arena_len {
            return Err(FormatError::ArenaLen {
                needed: plan.arena_len,
                found,
            }
            .into());
        }
        let lost = memory.as_ptr().addr().wrapping_neg() % 16;
        let had = memory.len().saturating_sub(lost);
        let memory = memory
            .get_mut(lost..)
            .and_then(|memory| memory.get_mut(..plan.arena_len));
        let memory = memory.ok_or(Error::ArenaTooSmall {
            needed: plan.arena_len,
            had,
        })?;
        let place = steps(&model, &plan).and_then(Iterator::last);
        let place = place.map_or(0..0, |step| match step {
            Step::Head { logits, .. } => logits,
            _ => 0..0,
        });
        let scale = model.stages().last().map_or(f16::ZERO, |(stage, _)| match stage {
            Stage::Head(head) => head.scale,
            _ => f16::ZERO,
        });
        Ok(Self {
            model,
            plan,
            memory,
            rows: 0,
            logits: (place, scale),
        })
    }

    /// Shape of an input picture.
    pub fn input_shape(&self) -> Shape {
        self.model.header().input
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
    /// [`Error::InputLen`] where the image has another length than the input shape, [`Error::RowsPending`] where rows of
    /// another image have been pushed.
    pub fn run(&mut self, image: &[u8]) -> Result<Logits<'_>, Error> {
        self.run_tapped(image, &mut Blind)
    }

    /// [`run`](Self::run), with somebody looking.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_tapped(&mut self, image: &[u8], tap: &mut impl Tap) -> Result<Logits<'_>, Error> {
        arch::dispatch(self.whole(image, tap)?);
        Ok(self.logits())
    }

    /// Runs one whole image with the given inner loop instead of the machine's best: for tests, which take theirs from
    /// [`arch::each`].
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_on<T: Tile>(&mut self, tile: T, image: &[u8]) -> Result<Logits<'_>, Error> {
        self.whole(image, &mut Blind)?.run(tile);
        Ok(self.logits())
    }

    /// All rows of an image as one job.
    fn whole<'r, W: Tap>(
        &'r mut self,
        image: &'r [u8],
        tap: &'r mut W,
    ) -> Result<Rows<'r, 'b, 'a, W>, Error> {
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
        Ok(Rows {
            network: self,
            rows: image,
            row_len,
            tap,
        })
    }

    /// Takes the next row of an image, `[x][channel]`; gives the logits with the last one. A camera's rows go in as they
    /// arrive, and no image is kept.
    ///
    /// # Errors
    /// [`Error::InputLen`] where the row has another length than the input's.
    pub fn push_row(&mut self, row: &[u8]) -> Result<Option<Logits<'_>>, Error> {
        let shape = self.input_shape();
        let needed = shape.width * shape.channels;
        if row.len() != needed {
            return Err(Error::InputLen {
                needed,
                had: row.len(),
            });
        }
        let is_complete = arch::dispatch(Rows {
            network: self,
            rows: row,
            row_len: needed,
            tap: &mut Blind,
        });
        Ok(is_complete.then(|| self.logits()))
    }

    /// Forgets the rows of an image that was begun.
    pub fn restart(&mut self) {
        self.rows = 0;
    }

    fn logits(&self) -> Logits<'_> {
        let (place, scale) = &self.logits;
        let bytes = self.memory.get(place.clone()).unwrap_or(&[]);
        Logits::new(cast::as_i32s(bytes).unwrap_or(&[]), *scale)
    }
}

/// The plan of a model.
pub(crate) fn plan(model: &Model<'_>) -> Option<Plan> {
    let header = model.header();
    Plan::new(header.input, &header.stem, model.shapes())
}

/// Pushing whole rows, compiled once for each architecture; whether an image is complete.
struct Rows<'r, 'b, 'a, W> {
    network: &'r mut Network<'b, 'a>,
    rows: &'r [u8],
    row_len: usize,
    tap: &'r mut W,
}

impl<W: Tap> Job for Rows<'_, '_, '_, W> {
    type Output = bool;

    fn run<T: Tile>(self, tile: T) -> bool {
        let Self {
            network,
            rows,
            row_len,
            tap,
        } = self;
        let stages = network.model.stages();
        let Some(mut steps) = steps(&network.model, &network.plan) else {
            return false;
        };
        // One place for a stage and one for a step, not a zip's pairs of them, keep this frame small.
        for (index, (stage, input)) in stages.enumerate() {
            let Some(step) = steps.next() else {
                return false;
            };
            if index > 0 {
                run_stage(tile, &stage, &step, network.memory);
            } else if !feed(tile, network, &stage, input, &step, rows, row_len) {
                return false;
            }
            report(tap, index, &step, network.memory);
        }
        true
    }
}

/// The steps of a planned model; none where it was not planned.
fn steps<'b>(model: &Model<'b>, plan: &Plan) -> Option<Steps<Shapes<'b>>> {
    let header = model.header();
    plan.steps(header.input, &header.stem, model.shapes())
}

/// Pushes rows through the stem; whether the image is complete.
#[inline(never)]
fn feed<T: Tile>(
    tile: T,
    network: &mut Network<'_, '_>,
    stage: &Stage<'_>,
    input: Shape,
    step: &Step,
    rows: &[u8],
    row_len: usize,
) -> bool {
    let (Stage::Stem(stem), Step::Stem { to, line, pool, ring }) = (stage, step) else {
        return false;
    };
    let feed = Feed {
        stem,
        conv: Ready::new(tile, &stem.conv, Content::Bytes, &mut []),
        input,
        to,
        line,
        pool,
        ring,
    };
    for row in rows.chunks_exact(row_len) {
        feed.push(tile, network.memory, network.rows, row);
        network.rows += 1;
    }
    if network.rows < input.height {
        return false;
    }
    network.rows = 0;
    true
}

/// Runs one stage behind the stem. Each has a frame of its own on the stack, so that the deepest counts and not the sum.
fn run_stage<T: Tile>(tile: T, stage: &Stage<'_>, step: &Step, memory: &mut [u8]) {
    match (stage, step) {
        (
            Stage::Layer(layer),
            Step::Layer {
                buffer,
                channels,
                line,
                ring,
            },
        ) => {
            let (below, [line, ring]) = cut(memory, buffer.end(), [line.clone(), ring.clone()]);
            dense_layer(
                tile,
                layer,
                buffer,
                *channels,
                &mut below[buffer.offset..],
                line,
                ring,
            );
        }
        (Stage::Transition(transition), Step::Transition { from, to, line }) => {
            pooled(tile, transition, from, to, memory, line.clone());
        }
        (Stage::Head(head), Step::Head { from, sums, logits }) => {
            let (below, [sums, logits]) = cut(memory, from.end(), [sums.clone(), logits.clone()]);
            classify(tile, head, from, &below[from.offset..], sums, logits);
        }
        // Stages and steps are made from the same records.
        _ => {}
    }
}

/// Shows the tap the map that a step has worked on.
fn report(tap: &mut impl Tap, index: usize, step: &Step, memory: &[u8]) {
    match step {
        Step::Stem { to: map, .. } | Step::Layer { buffer: map, .. } | Step::Transition { to: map, .. } => {
            tap.done(index, &memory[map.offset..map.end()], map.stride);
        }
        Step::Head { .. } => tap.done(index, &[], 0),
    }
}

/// The stem, row by row.
struct Feed<'f, 'b, T: Tile> {
    stem: &'f Stem<'b>,
    conv: Ready<'f, T>,
    input: Shape,
    to: &'f Buffer,
    line: &'f Range<usize>,
    pool: &'f Range<usize>,
    ring: &'f Range<usize>,
}

impl<T: Tile> Feed<'_, '_, T> {
    /// Takes input row `y` and computes what it completes. Rows of padding come with the first and the last row.
    fn push(&self, tile: T, memory: &mut [u8], y: usize, row: &[u8]) {
        let shape = &self.stem.shape;
        if y == 0 {
            for above in 0..shape.pad_top {
                self.place(tile, memory, above, None);
            }
        }
        self.place(tile, memory, shape.pad_top + y, Some(row));
        if y + 1 == self.input.height {
            for below in 0..shape.pad_bottom {
                self.place(tile, memory, shape.pad_top + y + 1 + below, None);
            }
        }
    }

    /// Puts padded row `r` into the ring and computes the output row that ends with it, if any.
    fn place(&self, tile: T, memory: &mut [u8], r: usize, row: Option<&[u8]>) {
        let Stem { shape, padding, .. } = self.stem;
        let conv = &self.conv;
        let ranges = [self.line.clone(), self.pool.clone(), self.ring.clone()];
        let (below, [line, pool_ring, ring]) = cut(memory, self.to.end(), ranges);
        let row_len = ring.len() / shape.kernel_height;
        let slot = &mut ring[(r % shape.kernel_height) * row_len..][..row_len];
        match row {
            Some(row) => stem::pad_row(shape, padding, row, slot),
            None => stem::pad_whole_row(padding, slot),
        }
        let Some(top) = (r + 1).checked_sub(shape.kernel_height) else {
            return;
        };
        if top % shape.stride_y != 0 {
            return;
        }
        let y = top / shape.stride_y;
        let line = cast::as_i16s_mut(line);
        let channels = self.input.channels;
        if shape.pool == StemPool::None {
            let (out, out_stride) = (&mut below[self.to.row(y)], self.to.stride);
            stem::row(tile, shape, channels, ring, top, conv, line, out, out_stride);
            return;
        }
        let pool_stride = stride(shape.filters);
        let (first, rest) = pool_ring.split_at_mut(pool_ring.len() / 3);
        let (second, third) = rest.split_at_mut(rest.len() / 2);
        let slots = [first, second, third];
        stem::row(
            tile,
            shape,
            channels,
            ring,
            top,
            conv,
            line,
            slots[y % 3],
            pool_stride,
        );
        let height = shape.convolved(self.input).map_or(0, |map| map.height);
        if let Some(at) = shape.pool.completed(y, height) {
            let rows = [slots[(y + 1) % 3] as &[u8], slots[(y + 2) % 3], slots[y % 3]];
            // The newest rows, as many as the window has.
            let rows = &rows[3 - shape.pool.window(at, height).len()..];
            pool::row(
                shape.pool,
                rows,
                pool_stride,
                &mut below[self.to.row(at)],
                self.to.stride,
            );
        }
    }
}
