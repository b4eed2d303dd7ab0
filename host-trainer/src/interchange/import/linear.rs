//! Transitions without a ReLU: what scales, the 1x1 convolution and the average pool, in any order, since all are linear. A step
//! of `chain`.

use super::chain::Chain;
use super::error::Problem;
use super::found::{Before, Place, Stage};
use super::graph::{Affine, Op, Window};

impl Chain<'_> {
    /// The linear transition that begins with `reader`; `None` if another thing does.
    pub(super) fn linear_transition(&self, reader: usize, place: Place) -> Result<Option<Stage>, Problem> {
        let nodes = &self.graph.nodes;
        let (mut walked, mut affine): (Vec<usize>, Option<Affine>) = (Vec::new(), None);
        let (mut conv, mut pool) = (None, None);
        let mut next = Some(reader);
        while let Some(number) = next {
            let more = match &nodes[number].op {
                Op::Affine(more) if conv.is_none() => Some(more.clone()),
                Op::Norm(norm) if conv.is_none() => Some(Affine::of(norm)),
                Op::Conv(kernel, window)
                    if conv.is_none() && kernel.taps() == 1 && *window == Window::PIXEL =>
                {
                    conv = Some(number);
                    None
                }
                Op::AveragePool(..) if pool.is_none() => {
                    pool = Some(number);
                    None
                }
                _ => return Ok(None),
            };
            if let Some(more) = more {
                affine = Some(affine.map_or(more.clone(), |before| before.then(&more)));
            }
            walked.push(number);
            if let (Some(conv), Some(pool)) = (conv, pool) {
                if place == Place::Stem && walked.first() == Some(&pool) {
                    return Ok(None);
                }
                self.check_half(pool)?;
                walked.iter().for_each(|&number| self.see(number));
                return Ok(Some(Stage::Transition {
                    before: Before::Linear(affine),
                    conv,
                    end: number,
                }));
            }
            next = self.only_reader(number);
        }
        Ok(None)
    }
}
