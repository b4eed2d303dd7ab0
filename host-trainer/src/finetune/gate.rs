//! Clamps, forward and backward, on vectors of channels.
//!
//! A pixel's channels are whole vectors and a rest: the rest is loaded and stored in part, so that no lane of the next
//! pixel is touched. Values of a forward pass are whole numbers below 2^24, so no order of operations changes a bit.

use super::integers::Gate;
use super::lattice::Lattice;
use crate::spec::Map;
use pulp::{Arch, Simd, WithSimd};

/// Clamps bytes `u` into `v`.
pub(super) fn clamp(gate: &Gate, map: Map, u: (&[f32], Lattice), v: (&mut [f32], Lattice)) {
    Arch::new().dispatch(Clamp::<false> { gate, map, u, v });
}

/// Clamps bytes `u` and adds them to `v`.
pub(super) fn clamp_add(gate: &Gate, map: Map, u: (&[f32], Lattice), v: (&mut [f32], Lattice)) {
    Arch::new().dispatch(Clamp::<true> { gate, map, u, v });
}

/// `v = clamp(u)`, or `v += clamp(u)` if `ADD`.
struct Clamp<'a, const ADD: bool> {
    gate: &'a Gate,
    map: Map,
    u: (&'a [f32], Lattice),
    v: (&'a mut [f32], Lattice),
}

impl<const ADD: bool> WithSimd for Clamp<'_, ADD> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { gate, map, u, v } = self;
        let n = gate.sign.len();
        let (signs, sign) = S::as_simd_f32s(&gate.sign);
        let (offsets, offset) = S::as_simd_f32s(&gate.offset);
        let zero = simd.splat_f32s(0.0);
        let clamped = |sign, u, offset| simd.max_f32s(simd.mul_add_e_f32s(sign, u, offset), zero);
        let put = |v, clamped| if ADD { simd.add_f32s(v, clamped) } else { clamped };
        for y in 0..map.height {
            for x in 0..map.width {
                let (us, u) = S::as_simd_f32s(&u.0[u.1.at(y, x)..][..n]);
                let (vs, v) = S::as_mut_simd_f32s(&mut v.0[v.1.at(y, x)..][..n]);
                for (((v, &u), &sign), &offset) in vs.iter_mut().zip(us).zip(signs).zip(offsets) {
                    *v = put(*v, clamped(sign, u, offset));
                }
                if !v.is_empty() {
                    let load = |values: &[f32]| simd.partial_load_f32s(values);
                    let clamped = clamped(load(sign), load(u), load(offset));
                    simd.partial_store_f32s(v, put(load(v), clamped));
                }
            }
        }
    }
}

/// Adds the gradients of clamped bytes, `d`, to those of the bytes, `g`, if the gate is open; sums them in `open`.
pub(super) struct Unclamp<'a> {
    pub(super) gate: &'a Gate,
    pub(super) map: Map,
    pub(super) d: (&'a [f32], Lattice),
    pub(super) u: (&'a [f32], Lattice),
    pub(super) g: (&'a mut [f32], Lattice),
    pub(super) open: &'a mut [f32],
}

impl Unclamp<'_> {
    /// Does it.
    pub(super) fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl WithSimd for Unclamp<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            gate,
            map,
            d,
            u,
            g,
            open,
        } = self;
        let n = gate.sign.len();
        let (signs, sign) = S::as_simd_f32s(&gate.sign);
        let (offsets, offset) = S::as_simd_f32s(&gate.offset);
        let (shuts, shut) = S::as_simd_f32s(&gate.shut);
        let (opens, open) = S::as_mut_simd_f32s(&mut open[..n]);
        let zero = simd.splat_f32s(0.0);
        let passed = |d, u, sign, offset, shut| {
            let v = simd.max_f32s(simd.mul_add_e_f32s(sign, u, offset), zero);
            simd.select_f32s(simd.greater_than_f32s(v, shut), d, zero)
        };
        for y in 0..map.height {
            for x in 0..map.width {
                let (ds, d) = S::as_simd_f32s(&d.0[d.1.at(y, x)..][..n]);
                let (us, u) = S::as_simd_f32s(&u.0[u.1.at(y, x)..][..n]);
                let (gs, g) = S::as_mut_simd_f32s(&mut g.0[g.1.at(y, x)..][..n]);
                let gates = signs.iter().zip(offsets).zip(shuts);
                let rows = gs.iter_mut().zip(ds).zip(us).zip(opens.iter_mut());
                for ((((g, &d), &u), open), ((&sign, &offset), &shut)) in rows.zip(gates) {
                    let passed = passed(d, u, sign, offset, shut);
                    *g = simd.mul_add_e_f32s(sign, passed, *g);
                    *open = simd.add_f32s(*open, passed);
                }
                if !g.is_empty() {
                    let load = |values: &[f32]| simd.partial_load_f32s(values);
                    let passed = passed(load(d), load(u), load(sign), load(offset), load(shut));
                    simd.partial_store_f32s(g, simd.mul_add_e_f32s(load(sign), passed, load(g)));
                    simd.partial_store_f32s(open, simd.add_f32s(load(open), passed));
                }
            }
        }
    }
}
