//! ONNX operations that compute nothing new: constants among themselves, shapes, and other views of the same values.
//! Belongs to `import`.

use super::super::error::Problem;
use super::super::tensor::{Tensor, count};
use super::axes::{Axis, asked, reshaped};
use super::constant::{Constant, Ints, MOST_AXES, spread, zip};
use super::node::View;
use super::{Reader, Value};
use crate::spec::Map;
use std::rc::Rc;

/// What to do where shapes are computed in ways that are not known here.
pub(super) const SHAPES: &str = "export with a fixed image size, or simplify the file (onnxsim) first";

impl<'m> Reader<'m> {
    /// A `Constant` node's value.
    pub(super) fn constant(&mut self, node: &View<'m>) -> Result<Constant, Problem> {
        if let Some(tensor) = node.tensor("value") {
            return self.tensors.read(node.name(), tensor);
        }
        let floats = |values: &[f32], shape: Vec<usize>| {
            Constant::Floats(Rc::new(Tensor {
                shape,
                values: values.to_vec(),
            }))
        };
        let ints = |values: &[i64], is_scalar| {
            Constant::Ints(Ints {
                is_scalar,
                values: values.iter().copied().map(Some).collect(),
            })
        };
        if node.has("value_float") {
            return Ok(floats(&[node.float("value_float", 0.0)], Vec::new()));
        }
        if let Some(values) = node.floats("value_floats") {
            return Ok(floats(values, vec![values.len()]));
        }
        if node.has("value_int") {
            return Ok(ints(&[node.int("value_int", 0)], true));
        }
        if let Some(values) = node.ints("value_ints") {
            return Ok(ints(values, false));
        }
        Err(node.bad(
            "it holds no numbers",
            "only constants of floats and whole numbers are known",
        ))
    }

    /// An operation on constants alone; `None` if it is none that is known.
    pub(super) fn folded(&self, node: &View<'m>, inputs: &[&Constant]) -> Result<Option<Constant>, Problem> {
        if !matches!(
            (node.what(), inputs),
            ("Identity" | "Cast" | "Dropout", [Constant::Floats(_), ..])
        ) {
            let copied = inputs.iter().map(|input| input.len()).sum();
            self.tensors.spend(node.name(), copied)?;
        }
        let found = match (node.what(), inputs) {
            ("Identity" | "Cast" | "Dropout", [first, ..]) => Some((*first).clone()),
            ("Unsqueeze" | "Squeeze" | "Reshape" | "Flatten", [first, ..]) => self.viewed(node, first)?,
            ("Transpose", [Constant::Floats(tensor)]) if tensor.shape.len() == 2 => {
                Some(Constant::Floats(Rc::new(tensor.transposed(node.name())?)))
            }
            (op, [Constant::Floats(a), Constant::Floats(b)]) => {
                let combine: fn(f32, f32) -> f32 = match op {
                    "Add" => |a, b| a + b,
                    "Sub" => |a, b| a - b,
                    "Mul" => |a, b| a * b,
                    "Div" => |a, b| a / b,
                    _ => return Ok(None),
                };
                match spread(a, b) {
                    Some(shape) => {
                        let values = count(&shape).unwrap_or(usize::MAX);
                        self.tensors.spend(node.name(), values)?;
                        Some(Constant::Floats(Rc::new(zip(a, b, shape, combine))))
                    }
                    None => None,
                }
            }
            (op, [Constant::Floats(a)]) => {
                let each: fn(f32) -> f32 = match op {
                    "Sqrt" => f32::sqrt,
                    "Reciprocal" => f32::recip,
                    "Neg" => |value| -value,
                    _ => return Ok(None),
                };
                Some(Constant::Floats(Rc::new(Tensor {
                    shape: a.shape.clone(),
                    values: a.values.iter().map(|value| each(*value)).collect(),
                })))
            }
            ("Concat", _) => {
                let mut values = Vec::new();
                for input in inputs {
                    let Constant::Ints(ints) = input else {
                        return Ok(None);
                    };
                    values.extend_from_slice(&ints.values);
                }
                Some(Constant::Ints(Ints {
                    is_scalar: false,
                    values,
                }))
            }
            ("Gather", [Constant::Ints(from), Constant::Ints(at)]) => {
                let pick = |index: &Option<i64>| {
                    let index = (*index)?;
                    let length = i64::try_from(from.values.len()).ok()?;
                    let index = if index < 0 { index + length } else { index };
                    from.values.get(usize::try_from(index).ok()?).copied()
                };
                let values: Option<Vec<Option<i64>>> = at.values.iter().map(pick).collect();
                values.map(|values| {
                    Constant::Ints(Ints {
                        is_scalar: at.is_scalar,
                        values,
                    })
                })
            }
            (
                "Slice",
                [
                    Constant::Ints(from),
                    Constant::Ints(starts),
                    Constant::Ints(ends),
                    ..,
                ],
            ) => {
                let bound = |ints: &Ints| {
                    let [Some(at)] = ints.values[..] else { return None };
                    let length = i64::try_from(from.values.len()).ok()?;
                    let at = if at < 0 { at.checked_add(length)? } else { at };
                    usize::try_from(at.clamp(0, length)).ok()
                };
                let steps = inputs.get(4).is_none_or(
                    |steps| matches!(steps, Constant::Ints(Ints { values, .. }) if values[..] == [Some(1)]),
                );
                let range = bound(starts)
                    .zip(bound(ends))
                    .filter(|(start, end)| steps && start <= end);
                range.map(|(start, end)| {
                    Constant::Ints(Ints {
                        is_scalar: false,
                        values: from.values[start..end].to_vec(),
                    })
                })
            }
            _ => return Ok(None),
        };
        found
            .map(Some)
            .ok_or_else(|| node.bad("its constants do not fit together", SHAPES))
    }

    /// The same constant with other sides.
    fn viewed(&self, node: &View<'m>, first: &Constant) -> Result<Option<Constant>, Problem> {
        match first {
            Constant::Ints(ints) => Ok(Some(Constant::Ints(Ints {
                is_scalar: node.what() == "Squeeze" && ints.values.len() == 1,
                values: ints.values.clone(),
            }))),
            Constant::Floats(tensor) => {
                let shape = match node.what() {
                    "Reshape" => {
                        let target = self.ints_at(node, 1)?.unwrap_or_default();
                        let target: Option<Vec<usize>> =
                            target.iter().map(|&n| usize::try_from(n).ok()).collect();
                        target.filter(|target| count(target) == Some(tensor.values.len()))
                    }
                    "Unsqueeze" => {
                        let mut axes = self.axes_at(node)?.unwrap_or_default();
                        let rank = tensor.shape.len() + axes.len();
                        for axis in &mut axes {
                            if *axis < 0 {
                                *axis += i64::try_from(rank).unwrap_or(0);
                            }
                        }
                        let mut own = tensor.shape.iter().copied();
                        let sides = (0..i64::try_from(rank).unwrap_or(0))
                            .map(|axis| if axes.contains(&axis) { Some(1) } else { own.next() });
                        sides.collect()
                    }
                    _ => Some(tensor.shape.iter().copied().filter(|side| *side != 1).collect()),
                };
                let shape = shape.filter(|shape| shape.len() <= MOST_AXES);
                Ok(shape.map(|shape| {
                    Constant::Floats(Rc::new(Tensor {
                        shape,
                        values: tensor.values.clone(),
                    }))
                }))
            }
        }
    }

    /// The axes that `Squeeze` and `Unsqueeze` name: their second input, or an attribute in operator sets before 13.
    fn axes_at(&self, node: &View<'m>) -> Result<Option<Vec<i64>>, Problem> {
        let axes = match node.ints("axes") {
            Some(axes) => Some(axes.to_vec()),
            None => self.ints_at(node, 1)?,
        };
        if let Some(axes) = axes.as_ref().filter(|axes| axes.len() > MOST_AXES) {
            return Err(node.bad(&format!("it names {} axes", axes.len()), SHAPES));
        }
        Ok(axes)
    }

    /// The whole numbers of an input that is a constant; `None` if the input is left out.
    pub(super) fn ints_at(&self, node: &View<'m>, index: usize) -> Result<Option<Vec<i64>>, Problem> {
        match self.value(node, index)? {
            None => Ok(None),
            Some(Value::Constant(Constant::Ints(ints))) if ints.known().is_some() => {
                self.tensors.spend(node.name(), ints.values.len())?;
                Ok(ints.known())
            }
            Some(_) => Err(node.bad(
                &format!(
                    "its input `{}` is not a constant",
                    node.input(index).unwrap_or_default()
                ),
                SHAPES,
            )),
        }
    }

    /// `Shape` of a map; the batch's side is not known.
    pub(super) fn shape_of(&self, node: &View<'m>, at: usize, axes: &[Axis]) -> Value {
        let map = self.graph.nodes[at].map;
        let side = |axis: &Axis| match axis {
            Axis::Batch => None,
            other => i64::try_from(other.len(map)).ok(),
        };
        let rank = i64::try_from(axes.len()).unwrap_or(0);
        let bound = |name: &str, default: i64| {
            let at = node.int(name, default);
            let at = if at < 0 { at.saturating_add(rank) } else { at };
            usize::try_from(at.clamp(0, rank)).unwrap_or(0)
        };
        let (start, end) = (bound("start", 0), bound("end", rank));
        let values = axes.iter().map(side).skip(start).take(end.saturating_sub(start));
        Value::Constant(Constant::Ints(Ints {
            is_scalar: false,
            values: values.collect(),
        }))
    }

    /// Another view of a map: `Transpose`, `Reshape`, `Flatten`, `Squeeze`, `Unsqueeze`.
    pub(super) fn view(&self, node: &View<'m>, at: usize, axes: &[Axis]) -> Result<Value, Problem> {
        let map = self.graph.nodes[at].map;
        let sides: Vec<Option<usize>> = axes
            .iter()
            .map(|axis| (*axis != Axis::Batch).then(|| axis.len(map)))
            .collect();
        let found = match node.what() {
            "Transpose" => {
                let reversed: Vec<i64> = (0..i64::try_from(axes.len()).unwrap_or(0)).rev().collect();
                let order = node.ints("perm").unwrap_or(&reversed);
                let mut sorted = order.to_vec();
                sorted.sort_unstable();
                let is_order = sorted
                    .iter()
                    .enumerate()
                    .all(|(index, at)| usize::try_from(*at) == Ok(index));
                let picked = order
                    .iter()
                    .filter_map(|&at| axes.get(usize::try_from(at).ok()?).copied());
                let picked: Vec<Axis> = picked.collect();
                (is_order && picked.len() == axes.len()).then_some(picked)
            }
            "Reshape" => {
                let own: Vec<usize> = sides.iter().copied().flatten().collect();
                let target = match self.value(node, 1)? {
                    Some(Value::Constant(Constant::Ints(ints))) if ints.values.len() <= MOST_AXES => {
                        ints.values.clone()
                    }
                    _ => return Err(node.bad("its target shape is not a constant of a few sides", SHAPES)),
                };
                let asked = asked(&target, &own, node.int("allowzero", 0) == 0);
                let starts_with_batch = axes.first() == Some(&Axis::Batch);
                let asked = asked.filter(|_| starts_with_batch);
                return self.reshape(node, at, axes, asked.as_deref());
            }
            "Flatten" => {
                let total = map.pixels() * map.channels;
                let wanted = (node.int("axis", 1) == 1).then_some([None, Some(total)]);
                return self.reshape(node, at, axes, wanted.as_ref().map(|sides| sides.as_slice()));
            }
            "Squeeze" => {
                let rank = i64::try_from(axes.len()).unwrap_or(0);
                let dropped = self.axes_at(node)?;
                let keep = |(index, side): (usize, &Option<usize>)| {
                    let index = i64::try_from(index).unwrap_or(0);
                    let named = dropped
                        .as_ref()
                        .map(|list| list.contains(&index) || list.contains(&(index - rank)));
                    !named.unwrap_or(*side == Some(1))
                };
                let kept: Vec<Option<usize>> = (sides.iter().enumerate())
                    .filter(|(index, side)| keep((*index, *side)))
                    .map(|(_, side)| *side)
                    .collect();
                return self.reshape(node, at, axes, Some(&kept));
            }
            _ => {
                let added = self.axes_at(node)?.unwrap_or_default();
                let rank = i64::try_from(axes.len() + added.len()).unwrap_or(0);
                let mut own = sides.iter();
                let all: Option<Vec<Option<usize>>> = (0..rank)
                    .map(|axis| {
                        if added.contains(&axis) || added.contains(&(axis - rank)) {
                            Some(Some(1))
                        } else {
                            own.next().copied()
                        }
                    })
                    .collect();
                return self.reshape(node, at, axes, all.as_deref());
            }
        };
        found.map(|axes| Value::Map(at, axes)).ok_or_else(|| {
            node.bad(
                "its perm is not an order of the axes",
                "check the file with onnx.checker",
            )
        })
    }

    fn reshape(
        &self,
        node: &View<'m>,
        at: usize,
        axes: &[Axis],
        target: Option<&[Option<usize>]>,
    ) -> Result<Value, Problem> {
        let map: Map = self.graph.nodes[at].map;
        let found = target.and_then(|target| reshaped(axes, map, target));
        found.map(|axes| Value::Map(at, axes)).ok_or_else(|| {
            let Map {
                height,
                width,
                channels,
            } = map;
            node.bad(
                &format!("it flattens or regroups a map of {height}x{width}x{channels}"),
                "a network of the family ends in a global average; only averaged maps may be flattened",
            )
        })
    }
}
