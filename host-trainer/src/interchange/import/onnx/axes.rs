//! Which axis of an ONNX value is which: batch, channels, rows, columns. Transposing and reshaping change nothing but this.
//! Belongs to `import`.

use crate::spec::Map;

/// What an axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Batch,
    Channel,
    Row,
    Column,
}

use Axis::{Batch, Channel, Column, Row};

/// The order that convolutions and pools want.
pub(super) const NCHW: [Axis; 4] = [Batch, Channel, Row, Column];
/// The same of a network of one dimension, whose images have one row.
pub(super) const NCW: [Axis; 3] = [Batch, Channel, Column];
/// TensorFlow's order of one dimension.
pub(super) const NWC: [Axis; 3] = [Batch, Column, Channel];
/// TensorFlow's order.
pub(super) const NHWC: [Axis; 4] = [Batch, Row, Column, Channel];

impl Axis {
    /// Its length in a map; one for the batch.
    pub(super) fn len(self, map: Map) -> usize {
        match self {
            Batch => 1,
            Channel => map.channels,
            Row => map.height,
            Column => map.width,
        }
    }
}

/// Whether a value of axes `axes` lies in memory as one of axes `wanted` does: axes of length one may stand anywhere.
pub(super) fn agree(axes: &[Axis], wanted: &[Axis], map: Map) -> bool {
    axes.len() == wanted.len()
        && axes.iter().zip(wanted).all(|(axis, wanted)| {
            let both = *axis != Batch && *wanted != Batch;
            axis == wanted || both && axis.len(map) == 1 && wanted.len(map) == 1
        })
}

/// The axes of a value of axes `axes` once it has the sides `target` (a side of the batch is `None`); `None` if axes
/// longer than one would be torn apart or run together.
pub(super) fn reshaped(axes: &[Axis], map: Map, target: &[Option<usize>]) -> Option<Vec<Axis>> {
    let mut long = axes.iter().copied().filter(|axis| axis.len(map) > 1);
    let mut short = [Row, Column, Channel]
        .into_iter()
        .filter(|axis| axis.len(map) == 1);
    let mut found = Vec::with_capacity(target.len());
    for side in target {
        found.push(match side {
            None => Batch,
            Some(1) => short.next()?,
            Some(side) => long.next().filter(|axis| axis.len(map) == *side)?,
        });
    }
    let is_whole = long.next().is_none() && found.first() == Some(&Batch);
    is_whole.then_some(found)
}

/// The sides a Reshape asks for, of a value with `total` values per image and the sides `own` after the batch.
pub(super) fn asked(target: &[Option<i64>], own: &[usize], zero_copies: bool) -> Option<Vec<Option<usize>>> {
    let total: usize = own.iter().product();
    let (first, rest) = target.split_first()?;
    let mut sides = Vec::with_capacity(rest.len());
    let mut open = None;
    for (index, side) in rest.iter().enumerate() {
        sides.push(match (*side)? {
            -1 if open.is_none() => {
                open = Some(index);
                1
            }
            0 if zero_copies => *own.get(index)?,
            side => usize::try_from(side).ok().filter(|side| *side > 0)?,
        });
    }
    let known = sides
        .iter()
        .try_fold(1usize, |product, side| product.checked_mul(*side))?;
    if let Some(open) = open {
        sides[open] = total.checked_div(known)?;
    }
    let product = sides
        .iter()
        .try_fold(1usize, |product, side| product.checked_mul(*side))?;
    // The batch itself: unknown, copied, inferred, or the size the file was made with.
    let is_batch = first.is_none_or(|side| side >= -1);
    (product == total && is_batch).then(|| {
        let sides = sides.into_iter().map(Some);
        core::iter::once(None).chain(sides).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(height: usize, width: usize, channels: usize) -> Map {
        Map {
            height,
            width,
            channels,
        }
    }

    #[test]
    fn one_channel_may_stand_anywhere() {
        let grey = map(28, 28, 1);
        let target = asked(&[None, Some(1), Some(28), Some(28)], &[28, 28, 1], true).unwrap();
        let axes = reshaped(&NHWC, grey, &target).unwrap();
        assert!(agree(&axes, &NCHW, grey));
        assert!(!agree(&NHWC, &NCHW, map(28, 28, 3)));
        assert!(!agree(&NHWC, &NCHW, map(1, 1, 7)));
    }

    #[test]
    fn averages_become_vectors() {
        let averaged = map(1, 1, 20);
        for target in [
            vec![None, Some(-1)],
            vec![Some(-1), Some(20)],
            vec![Some(0), Some(20)],
            vec![Some(1), Some(-1)],
        ] {
            let sides = asked(&target, &[20, 1, 1], true).unwrap();
            assert_eq!(
                reshaped(&NCHW, averaged, &sides),
                Some(vec![Batch, Channel]),
                "{target:?}"
            );
        }
    }

    #[test]
    fn maps_are_not_flattened() {
        let sides = asked(&[None, Some(-1)], &[20, 4, 4], true).unwrap();
        assert_eq!(sides, [None, Some(320)]);
        assert_eq!(reshaped(&NCHW, map(4, 4, 20), &sides), None);
        assert_eq!(asked(&[None, Some(-1), Some(-1)], &[20, 4, 4], true), None);
        assert_eq!(asked(&[None, Some(7)], &[20, 4, 4], true), None);
        assert_eq!(asked(&[None, Some(i64::MAX), Some(4)], &[20, 4, 4], true), None);
    }
}
