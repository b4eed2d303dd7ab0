//! The stages after the stem, each over its whole map. `network.rs` says when, the plan says where.

use crate::arena::cut;
use crate::kernel::arch::cast;
use crate::kernel::{Content, Ready, Tile, conv1x1, conv3x3, head, tile, transition};
use crate::layout::{self, TILE};
use crate::model::{Head, Layer, Transition};
use crate::plan::Buffer;
use crate::shape::Shape;
use core::ops::Range;

/// A dense layer: every row through the ring into the slot after `channels`.
#[inline(never)]
pub(super) fn dense_layer<T: Tile>(
    tile: T,
    layer: &Layer<'_>,
    buffer: &Buffer,
    channels: usize,
    map: &mut [u8],
    line: &mut [u8],
    ring: &mut [u8],
) {
    let line = cast::as_i16s_mut(line);
    let first = layer.bottleneck.as_ref().map(|(conv, _)| conv);
    let (line, [first_notes, notes]) = tile::with_notes::<T>(line, first, &layer.conv);
    let bottleneck = first.map(|conv| Ready::new(tile, conv, Content::Bytes, first_notes));
    let conv = Ready::new(tile, &layer.conv, Content::Bytes, notes);
    let shape = Shape {
        height: buffer.height,
        width: buffer.width,
        channels,
    };
    let tap_rows = shape.tap_rows();
    let ring_row_len = ring.len() / tap_rows;
    let reach = tap_rows / 2;
    let row_len = buffer.width * buffer.stride;
    if reach > 0 {
        ring[(tap_rows - 1) * ring_row_len..].fill(0);
    }
    for y in 0..buffer.height + reach {
        let slot = &mut ring[(y % tap_rows) * ring_row_len..][..ring_row_len];
        if y < buffer.height {
            let source = &map[y * row_len..][..row_len];
            match &bottleneck {
                Some(conv) => {
                    conv1x1::row(tile, source, buffer.stride, layer.clamp, conv, line, slot);
                }
                None => conv1x1::clamp_row(tile, source, buffer.stride, layer.clamp, slot),
            }
        } else {
            slot.fill(0);
        }
        let Some(out_y) = y.checked_sub(reach) else {
            continue;
        };
        let window = conv3x3::Ring {
            bytes: ring,
            tap_rows,
            stride: ring_row_len / (buffer.width + 2),
            height: buffer.height,
            width: buffer.width,
        };
        let out = &mut map[out_y * row_len..][..row_len][channels..];
        conv3x3::row(tile, &window, out_y, &conv, line, out, buffer.stride);
    }
}

/// A transition: tile by tile from one block buffer into the next, which overlap.
#[inline(never)]
pub(super) fn pooled<T: Tile>(
    tile: T,
    transition: &Transition<'_>,
    from: &Buffer,
    to: &Buffer,
    memory: &mut [u8],
    line: Range<usize>,
) {
    let (below, [line]) = cut(memory, line.start, [line.clone()]);
    let line = cast::as_i16s_mut(line);
    let conv = Ready::new(tile, &transition.conv, Content::Sums, &mut []);
    let pool_rows = Shape {
        height: from.height,
        width: from.width,
        channels: 1,
    }
    .pool_rows();
    for y in 0..to.height {
        for x in (0..to.width).step_by(TILE) {
            let pixels = TILE.min(to.width - x);
            let rows = [
                &below[from.row(pool_rows * y)],
                &below[from.row(pool_rows * y + pool_rows - 1)],
            ];
            transition::pack(
                tile,
                &rows[..pool_rows],
                from.stride,
                transition.clamp,
                x,
                pixels,
                line,
            );
            let start = to.offset + layout::pixel_offset(to.height, to.width, to.stride, y, x);
            let out = &mut below[start..start + pixels * to.stride];
            transition::multiply(tile, line, pixels, &conv, out, to.stride);
        }
    }
}

/// The head: sums, then logits.
#[inline(never)]
pub(super) fn classify<T: Tile>(
    tile: T,
    head: &Head<'_>,
    from: &Buffer,
    map: &[u8],
    sums: &mut [u8],
    logits: &mut [u8],
) {
    let sums = cast::as_i32s_mut(sums);
    head::sum(tile, map, from.stride, head.clamp, sums);
    head::linear(sums, &head.conv, cast::as_i32s_mut(logits));
}
