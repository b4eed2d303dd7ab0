//! Follows a graph from node to node without branches: the stem, the nodes between two joins, the end.

use super::error::Problem;
use super::found::{Before, Ending, Gate, Place, Stage};
use super::graph::{Affine, Graph, Node, Op, Pads, Window};
use super::joins::Joins;
use super::window::described;
use crate::spec::Map;
use core::cell::RefCell;
use denselet::limits::{STEM_KERNEL, STEM_STRIDE};
use denselet::shape::StemPool;

/// A walk over a graph that remembers where it has been.
pub(super) struct Chain<'g> {
    pub(super) graph: &'g Graph,
    readers: &'g [Vec<usize>],
    seen: RefCell<Vec<bool>>,
}

impl<'g> Chain<'g> {
    pub(super) fn new(graph: &'g Graph, readers: &'g [Vec<usize>]) -> Self {
        Self {
            graph,
            readers,
            seen: RefCell::new(vec![false; graph.nodes.len()]),
        }
    }

    pub(super) fn refuse(&self, number: usize, why: &str, advice: &str) -> Problem {
        let node = &self.graph.nodes[number];
        Problem::node(&node.name, &node.what, why, advice)
    }

    fn node(&self, number: usize) -> &'g Node {
        self.see(number);
        &self.graph.nodes[number]
    }

    pub(super) fn see(&self, number: usize) {
        self.seen.borrow_mut()[number] = true;
    }

    /// The node that reads `number`, if it is the only one.
    pub(super) fn only_reader(&self, number: usize) -> Option<usize> {
        match self.readers[number].as_slice() {
            [one] if number != self.graph.output => Some(*one),
            _ => None,
        }
    }

    /// The only reader of `number`, which must be there.
    fn next(&self, number: usize) -> Result<usize, Problem> {
        self.only_reader(number).ok_or_else(|| {
            if let [_, second, ..] = self.readers[number].as_slice() {
                let name = &self.graph.nodes[number].name;
                return self.refuse(
                    *second,
                    &format!("it is the second to read `{name}`"),
                    "only whole blocks may be read more than once, by joins",
                );
            }
            self.refuse(
                number,
                "the network ends here, without a head",
                "end it in a global average and a fully connected layer",
            )
        })
    }

    /// What scales the image, and the first convolution.
    pub(super) fn input(&self) -> Result<(Option<Affine>, usize), Problem> {
        self.see(0);
        let mut affine: Option<Affine> = None;
        let mut at = self.next(0)?;
        loop {
            let next = match &self.node(at).op {
                Op::Affine(next) => next.clone(),
                Op::Norm(norm) => Affine::of(norm),
                Op::Conv(..) => return Ok((affine, at)),
                _ => {
                    return Err(self.refuse(
                        at,
                        "it is the first to read the image",
                        "the first layer must be a convolution, with nothing but scaling before it",
                    ));
                }
            };
            affine = Some(affine.map_or(next.clone(), |before| before.then(&next)));
            at = self.next(at)?;
        }
    }

    /// What follows the stem's convolution: a ReLU's gate, a max pool, and where the first block starts.
    pub(super) fn stem(&self, stem: usize) -> Result<(Option<Gate>, StemPool, usize), Problem> {
        self.check_stem(stem)?;
        let Some((gate, relu)) = self.only_reader(stem).and_then(|reader| self.gate(reader)) else {
            if let Some(pool) = self.only_reader(stem)
                && matches!(self.graph.nodes[pool].op, Op::MaxPool(_))
            {
                return Err(self.refuse(
                    pool,
                    "it pools what no ReLU has passed",
                    "put a ReLU between the first convolution and its max pool",
                ));
            }
            return Ok((None, StemPool::None, stem));
        };
        let Some(number) = self.only_reader(relu) else {
            return Ok((Some(gate), StemPool::None, relu));
        };
        let Op::MaxPool(window) = &self.graph.nodes[number].op else {
            return Ok((Some(gate), StemPool::None, relu));
        };
        self.see(number);
        let map = self.graph.nodes[relu].map;
        let rows = if map.height == 1 { 1 } else { 3 };
        let expected = Window {
            kernel: [rows, 3],
            stride: [rows.min(2), 2],
            pads: Pads {
                top: rows / 2,
                left: 1,
                bottom: rows / 2,
                right: 1,
            },
            round_up: false,
        };
        let is_pool = window.kernel == expected.kernel
            && (window.stride == expected.stride || map.height == 1 && window.stride[1] == 2)
            && window.over(map) == expected.over(map);
        let starts = (window.pads.top, window.pads.left);
        let pool = [StemPool::Centred, StemPool::Same].into_iter().find(|pool| {
            let top = if map.height == 1 {
                0
            } else {
                pool.before(map.height)
            };
            is_pool && starts == (top, pool.before(map.width))
        });
        let Some(pool) = pool else {
            return Err(self.refuse(
                number,
                &format!("it pools {}", described(window)),
                "the max pool after a stem is 3x3 with stride 2 and one pixel of padding on every side \
                 (in Keras: ZeroPadding2D(1) and MaxPooling2D(3, strides=2)), or padding=\"same\"",
            ));
        };
        Ok((Some(gate), pool, number))
    }

    fn check_stem(&self, stem: usize) -> Result<(), Problem> {
        let Op::Conv(_, window) = &self.graph.nodes[stem].op else {
            return Ok(());
        };
        let height = self.graph.nodes[0].map.height;
        let ([rows, columns], [down, across], pads) = (window.kernel, window.stride, window.pads);
        let rows = if height == 1 { 1 } else { rows };
        let why = if rows.max(columns) > STEM_KERNEL {
            format!("its kernel is {rows}x{columns}")
        } else if across > STEM_STRIDE || (height > 1 && down != across) {
            format!("its strides are {down} and {across}")
        } else if pads.top.max(pads.bottom) >= window.kernel[0] || pads.left.max(pads.right) >= columns {
            "its padding is as large as its kernel".to_owned()
        } else if height == 1
            && window
                .over(self.graph.nodes[0].map)
                .is_none_or(|(rows, _)| rows != 1)
        {
            "it makes several rows of one".to_owned()
        } else {
            return Ok(());
        };
        let advice = format!(
            "a stem has up to {STEM_KERNEL}x{STEM_KERNEL} taps, one stride up to {STEM_STRIDE}, and less padding than taps"
        );
        Err(self.refuse(stem, &why, &advice))
    }

    /// From a node that scales, or a ReLU itself, to the ReLU: the gate and the ReLU.
    fn gate(&self, number: usize) -> Option<(Gate, usize)> {
        match self.graph.nodes[number].op {
            Op::Relu => {
                self.see(number);
                Some((None, number))
            }
            Op::Affine(_) | Op::Norm(_) => {
                let relu = self.only_reader(number)?;
                if self.graph.nodes[relu].op != Op::Relu {
                    return None;
                }
                self.see(number);
                self.see(relu);
                Some((Some(number), relu))
            }
            _ => None,
        }
    }

    /// What `reader`, the only one to read a whole block, begins.
    pub(super) fn stage(&self, reader: usize, place: Place) -> Result<Stage, Problem> {
        if let Some(linear) = self.head(reader) {
            return Ok(Stage::Head { gate: None, linear });
        }
        if let Some(stage) = self.linear_transition(reader, place)? {
            return Ok(stage);
        }
        let Some((gate, relu)) = self.gate(reader) else {
            return Err(self.not_a_stage(reader, place));
        };
        let next = self.next(relu)?;
        if let Some(linear) = self.head(next) {
            let gate = Some(gate);
            return Ok(Stage::Head { gate, linear });
        }
        match &self.node(next).op {
            Op::Conv(conv, window) if conv.taps() == 1 => self.narrow(gate, next, window),
            Op::Conv(..) => {
                self.check_layer(next)?;
                Ok(Stage::Layer {
                    gate,
                    bottleneck: None,
                    conv: next,
                })
            }
            Op::AveragePool(..) => {
                self.check_half(next)?;
                let conv = self.next(next)?;
                match &self.node(conv).op {
                    Op::Conv(kernel, window) if kernel.taps() == 1 && *window == Window::PIXEL => {
                        Ok(Stage::Transition {
                            before: Before::Relu(gate),
                            conv,
                            end: conv,
                        })
                    }
                    _ => Err(self.refuse(
                        conv,
                        "it follows a transition's average pool",
                        "a transition is BatchNorm, ReLU, 1x1 convolution and 2x2 average pool",
                    )),
                }
            }
            _ => Err(self.not_after_relu(next)),
        }
    }

    /// A 1x1 convolution over a block: a bottleneck, or a transition's.
    fn narrow(&self, gate: Gate, conv: usize, window: &Window) -> Result<Stage, Problem> {
        if *window != Window::PIXEL {
            return Err(self.refuse(
                conv,
                &format!("it is a convolution of {}", described(window)),
                "bottlenecks and transitions have stride 1 and no padding; a transition shrinks by its average pool",
            ));
        }
        let Some(reader) = self.only_reader(conv) else {
            return Err(self.refuse(
                conv,
                "it appends what a 1x1 convolution made",
                "a dense layer ends in a 3x3 convolution",
            ));
        };
        if matches!(self.graph.nodes[reader].op, Op::AveragePool(..)) {
            self.see(reader);
            self.check_half(reader)?;
            return Ok(Stage::Transition {
                before: Before::Relu(gate),
                conv,
                end: reader,
            });
        }
        let Some((second, relu)) = self.gate(reader) else {
            return Err(self.refuse(
                reader,
                &format!("it reads the 1x1 convolution `{}`", self.graph.nodes[conv].name),
                "a 1x1 convolution is followed by BatchNorm, ReLU and a 3x3 (a bottleneck) or by a 2x2 average pool \
                 (a transition)",
            ));
        };
        let last = self.next(relu)?;
        self.see(last);
        self.check_layer(last)?;
        Ok(Stage::Layer {
            gate,
            bottleneck: Some((conv, second)),
            conv: last,
        })
    }

    fn check_layer(&self, number: usize) -> Result<(), Problem> {
        let node = &self.graph.nodes[number];
        let map = self.graph.nodes[node.inputs[0]].map;
        let advice = "a dense layer ends in a 3x3 convolution with stride 1 that keeps the map's size";
        let Op::Conv(_, window) = &node.op else {
            return Err(self.refuse(
                number,
                "it stands where a dense layer's convolution should",
                advice,
            ));
        };
        let side = Pads {
            top: 0,
            left: 1,
            bottom: 0,
            right: 1,
        };
        let all = Pads {
            top: 1,
            bottom: 1,
            ..side
        };
        let is_flat = map.height == 1 && window.kernel == [1, 3] && window.pads == side;
        let is_square = window.kernel == [3, 3] && window.pads == all;
        if (is_flat || is_square) && window.stride == [1, 1] {
            return Ok(());
        }
        Err(self.refuse(
            number,
            &format!("it is a convolution of {}", described(window)),
            advice,
        ))
    }

    /// A transition's average pool.
    pub(super) fn check_half(&self, number: usize) -> Result<(), Problem> {
        let node = &self.graph.nodes[number];
        let map = self.graph.nodes[node.inputs[0]].map;
        let Op::AveragePool(window, _) = &node.op else {
            return Ok(());
        };
        let half = map.halved(map.channels);
        let is_half = window.kernel == [map.height.min(2), 2]
            && (window.stride == [map.height.min(2), 2] || map.height == 1 && window.stride[1] == 2)
            && (window.pads.top, window.pads.left) == (0, 0)
            && (node.map.height, node.map.width) == (half.height, half.width);
        if is_half {
            return Ok(());
        }
        let advice = "a transition averages 2x2 pixels with stride 2 and drops an odd row or column";
        Err(self.refuse(number, &format!("it averages {}", described(window)), advice))
    }

    /// From an average over the whole map, or nothing if the map is one pixel, to the linear layer.
    fn head(&self, number: usize) -> Option<usize> {
        let node = &self.graph.nodes[number];
        let covers = |map: Map| map.height == 1 && map.width == 1;
        let linear = match &node.op {
            Op::Linear(_) => number,
            Op::GlobalAverage => self.only_reader(number)?,
            Op::AveragePool(..) if covers(node.map) => self.only_reader(number)?,
            _ => return None,
        };
        if !matches!(self.graph.nodes[linear].op, Op::Linear(_)) {
            return None;
        }
        if let Op::AveragePool(..) = &node.op {
            self.check_half(number).ok()?;
        }
        self.see(number);
        self.see(linear);
        Some(linear)
    }

    /// What the network makes of its logits, and the last node.
    pub(super) fn ending(&self, linear: usize) -> Result<(Ending, usize), Problem> {
        if linear == self.graph.output {
            return Ok((Ending::Logits, linear));
        }
        let last = self.next(linear)?;
        let ending = match self.node(last).op {
            Op::Softmax => Ending::Softmax,
            Op::LogSoftmax => Ending::LogSoftmax,
            Op::Sigmoid if self.graph.nodes[linear].map.channels == 1 => Ending::Sigmoid,
            _ => return Err(self.not_an_ending(last)),
        };
        if last == self.graph.output {
            return Ok((ending, last));
        }
        Err(self.refuse(
            last,
            "the network goes on after it",
            "a softmax or a sigmoid ends the network",
        ))
    }

    /// Every node the answer depends on must be a part that was found.
    pub(super) fn check_all_used(&self, last: usize, joins: &Joins<'_>) -> Result<(), Problem> {
        let seen = self.seen.borrow();
        for (number, is_seen) in seen.iter().enumerate().take(last) {
            if !is_seen && !joins.is_join(number) && !self.readers[number].is_empty() {
                return Err(self.refuse(
                    number,
                    "it is not part of the stem, a dense layer, a transition or the head",
                    "remove the branch it belongs to",
                ));
            }
        }
        Ok(())
    }
}
