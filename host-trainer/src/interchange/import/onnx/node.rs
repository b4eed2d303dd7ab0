//! One node of an ONNX graph, with its attributes by name.

use super::super::error::Problem;
use super::super::graph::{Pads, Window, same};
use super::proto;
use crate::spec::Map;

/// A node as the operations read it.
pub(super) struct View<'m> {
    pub(super) node: &'m proto::Node,
}

impl<'m> View<'m> {
    pub(super) fn new(node: &'m proto::Node) -> Self {
        Self { node }
    }

    /// Its name, or its output's if it has none.
    pub(super) fn name(&self) -> &'m str {
        if self.node.name.is_empty() {
            self.node.output.first().map_or("", String::as_str)
        } else {
            &self.node.name
        }
    }

    pub(super) fn what(&self) -> &'m str {
        &self.node.op_type
    }

    pub(super) fn input(&self, index: usize) -> Option<&'m str> {
        let name = self.node.input.get(index)?;
        (!name.is_empty()).then_some(name.as_str())
    }

    pub(super) fn bad(&self, why: &str, advice: &str) -> Problem {
        Problem::node(self.name(), self.what(), why, advice)
    }

    fn attribute(&self, name: &str) -> Option<&'m proto::Attribute> {
        self.node
            .attribute
            .iter()
            .find(|attribute| attribute.name == name)
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.i)
    }

    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).map_or(default, |attribute| attribute.f)
    }

    pub(super) fn ints(&self, name: &str) -> Option<&'m [i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice())
    }

    pub(super) fn floats(&self, name: &str) -> Option<&'m [f32]> {
        self.attribute(name).map(|attribute| attribute.floats.as_slice())
    }

    pub(super) fn tensor(&self, name: &str) -> Option<&'m proto::Tensor> {
        self.attribute(name)?.t.as_ref()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    fn pair(&self, name: &str, default: usize) -> Result<[usize; 2], Problem> {
        let Some(ints) = self.ints(name) else {
            return Ok([default; 2]);
        };
        let pair: Option<Vec<usize>> = ints.iter().map(|&n| usize::try_from(n).ok()).collect();
        if let Some([columns]) = pair.as_deref() {
            return Ok([1, *columns]);
        }
        pair.and_then(|pair| pair.try_into().ok()).ok_or_else(|| {
            self.bad(
                &format!("its {name} are {ints:?}"),
                "two numbers are expected: rows and columns",
            )
        })
    }

    /// How its kernel moves over `map`; `kernel` if the weights say it.
    pub(super) fn window(&self, map: Map, kernel: Option<[usize; 2]>) -> Result<Window, Problem> {
        let own = self.pair("kernel_shape", 0)?;
        let kernel = match kernel {
            Some(kernel) if own == [0, 0] || own == kernel => kernel,
            None if own != [0, 0] => own,
            _ => return Err(self.bad(&format!("its kernel_shape is {own:?}"), "it must be its weights'")),
        };
        if self.pair("dilations", 1)? != [1, 1] {
            return Err(self.bad("it is dilated", "only kernels without gaps are known"));
        }
        let stride = self.pair("strides", 1)?;
        let mode = self
            .attribute("auto_pad")
            .map_or(b"" as &[u8], |attribute| &attribute.s);
        let pads = match mode {
            b"" | b"NOTSET" => self.pads(self.ints("pads").unwrap_or(&[0; 4]))?,
            b"VALID" => Pads::default(),
            b"SAME_UPPER" | b"SAME_LOWER" => {
                let (rows, columns) = (
                    same(map.height, kernel[0], stride[0]),
                    same(map.width, kernel[1], stride[1]),
                );
                let upper = Pads {
                    top: rows.0,
                    left: columns.0,
                    bottom: rows.1,
                    right: columns.1,
                };
                if mode == b"SAME_UPPER" {
                    upper
                } else {
                    Pads {
                        top: upper.bottom,
                        left: upper.right,
                        bottom: upper.top,
                        right: upper.left,
                    }
                }
            }
            _ => return Err(self.bad("its auto_pad is unknown", "use NOTSET, VALID or SAME_UPPER")),
        };
        Ok(Window {
            kernel,
            stride,
            pads,
            round_up: self.int("ceil_mode", 0) != 0,
        })
    }

    /// Four numbers as padding: top, left, bottom, right.
    pub(super) fn pads(&self, ints: &[i64]) -> Result<Pads, Problem> {
        let sides: Option<Vec<usize>> = ints.iter().map(|&n| usize::try_from(n).ok()).collect();
        match sides.as_deref() {
            Some(&[left, right]) => Ok(Pads {
                left,
                right,
                ..Pads::default()
            }),
            Some(&[top, left, bottom, right]) => Ok(Pads {
                top,
                left,
                bottom,
                right,
            }),
            _ => Err(self.bad(
                &format!("its pads are {ints:?}"),
                "four numbers of at least zero are expected: top, left, bottom, right; or two: left, right",
            )),
        }
    }
}
