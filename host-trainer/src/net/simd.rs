//! Vectors of this machine's widest kind that fits, and loops over channels in groups of them.

use pulp::{Arch, Simd, WithSimd};

/// Runs `op` with vectors of `lanes` floats, one of the widths [`lanes`] returns.
pub(super) fn dispatch<Op: WithSimd>(lanes: usize, op: Op) -> Op::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if lanes == 16
            && let Some(simd) = pulp::x86::V4::try_new()
        {
            return Simd::vectorize(simd, op);
        }
        if lanes == 8
            && let Some(simd) = pulp::x86::V3::try_new()
        {
            return Simd::vectorize(simd, op);
        }
    }
    debug_assert_eq!(lanes, widest());
    Arch::new().dispatch(op)
}

struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

/// Floats of this machine's widest vector.
pub(super) fn widest() -> usize {
    Arch::new().dispatch(Lanes)
}

/// Floats per vector that waste the fewest lanes on `channels`.
pub(crate) fn lanes(channels: usize) -> usize {
    let widest = widest();
    let half = 8;
    if widest == 16 && channels.next_multiple_of(half) < channels.next_multiple_of(16) {
        half
    } else {
        widest
    }
}

/// Channels are padded to a multiple of this many in every row and every list of factors, so that whole vectors can be
/// read and written wherever a row begins.
pub(super) const PAD: usize = 16;

/// Vectors of channels that are worked on together while a loop walks the pixels: enough to read memory in order, few
/// enough that their factors stay in registers.
pub(super) const GROUP: usize = 4;

/// Calls `$body::<S, V>($first, ...)` for all channels in groups of V vectors that start at channel `$first`, the last
/// group first: where rows lie close together, a vector that reaches beyond its row is overwritten by the next row's.
macro_rules! by_groups {
    ($channels:expr, $body:ident, $($arg:expr),+) => {
        let mut end: usize = usize::div_ceil($channels, S::F32_LANES);
        for before in (0..end.div_ceil($crate::net::simd::GROUP)).rev() {
            let vectors = end.div_ceil(before + 1);
            end -= vectors;
            let first = end * S::F32_LANES;
            match vectors {
                1 => $body::<S, 1>(first, $($arg),+),
                2 => $body::<S, 2>(first, $($arg),+),
                3 => $body::<S, 3>(first, $($arg),+),
                _ => $body::<S, 4>(first, $($arg),+),
            }
        }
    };
}
pub(super) use by_groups;

/// V vectors of `row` from float `at` on.
#[inline(always)]
pub(super) fn load<S: Simd, const V: usize>(row: &[f32], at: usize) -> [S::f32s; V] {
    let (vectors, _) = S::as_simd_f32s(&row[at..at + V * S::F32_LANES]);
    let (groups, _) = vectors.as_chunks::<V>();
    groups[0]
}

/// Writes V vectors to `row` from float `at` on.
#[inline(always)]
pub(super) fn store<S: Simd, const V: usize>(row: &mut [f32], at: usize, values: [S::f32s; V]) {
    let (vectors, _) = S::as_mut_simd_f32s(&mut row[at..at + V * S::F32_LANES]);
    let (groups, _) = vectors.as_chunks_mut::<V>();
    groups[0] = values;
}
