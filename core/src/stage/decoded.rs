//! Coded weights of a stage, decoded into the window of its step: once when a network is made, which checks them, and again before
//! the stage runs, because other stages use the memory in between.

use crate::arena::cut;
use crate::codec::{self, Codec};
use crate::error::{FormatError, Refused};
use crate::format::{Blob, Section, filters};
use crate::kernel::arch::cast::{as_i8s, as_words};
use crate::model::Weights;
use crate::plan::{HeadStep, LayerStep, Step, TransitionStep, Window};

/// The weights of two convolutions, and the arena below them.
type Both<'m> = (&'m [i8], &'m [i8], &'m mut [u8]);

/// Decodes those of two arrays that are coded.
#[inline(never)]
pub(crate) fn decode<'m>(
    bottleneck: Weights<'m>,
    conv: Weights<'m>,
    window: &Window,
    arena: &'m mut [u8],
) -> Result<Both<'m>, Refused> {
    let [first, second] = &window.weights;
    let (below, mut above) = cut(arena, first.start)?;
    let (_, mut idle) = cut(below, window.table.start)?;
    let table = idle.take_words(&window.table)?;
    let mut ready = |stored: Weights<'m>, place| {
        if stored.codec == Codec::Raw {
            return Ok(as_i8s(stored.bytes));
        }
        let out = above.take(place)?;
        let decoded = codec::decode(stored.codec, as_words(stored.bytes), out, table);
        decoded.map_err(|_| Refused).map(|()| as_i8s(out))
    };
    Ok((ready(bottleneck, first)?, ready(conv, second)?, below))
}

/// Checks every coded array of a blob by decoding it: rule 24, and rule 8 for weights that meet no value.
#[inline(never)]
pub(crate) fn check(
    blob: &Blob<'_>,
    steps: impl Iterator<Item = Step>,
    arena: &mut [u8],
) -> Result<(), FormatError> {
    for (stage, step) in blob.stages().zip(steps) {
        let (Step::Layer(LayerStep { window, .. })
        | Step::Transition(TransitionStep { window, .. })
        | Step::Head(HeadStep { window, .. })) = &step
        else {
            continue;
        };
        let sections = [Section::BottleneckWeights, Section::Weights];
        for (section, place) in sections.into_iter().zip(&window.weights) {
            let (bytes, codec) = (stage.section(section), stage.codec(section));
            if codec == Codec::Raw {
                continue;
            }
            // The other array is left out, so that its place and its error are not this one's.
            let weights = Weights { bytes, codec };
            let (bottleneck, conv) = match section {
                Section::Weights => (Weights::EMPTY, weights),
                _ => (weights, Weights::EMPTY),
            };
            let at = blob.offset(bytes);
            decode(bottleneck, conv, window, arena).map_err(|_| FormatError::Code { at })?;
            let filters = filters(section, stage.kind, stage.input).ok_or(FormatError::TooLarge)?;
            let decoded = cut(arena, place.start).and_then(|(_, mut above)| above.take(place));
            let padding = decoded.map(|weights| blob.header().order.find_padding(&filters, weights));
            if padding != Ok(None) {
                return Err(FormatError::NotZero { at });
            }
        }
    }
    Ok(())
}
