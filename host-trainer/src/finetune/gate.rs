//! Clamps, forward and backward.

use super::integers::Gate;
use super::lattice::Lattice;
use crate::spec::Map;
use pulp::Arch;

/// Clamps bytes `u` into `v`.
pub(super) fn clamp(gate: &Gate, map: Map, u: (&[f32], Lattice), v: (&mut [f32], Lattice)) {
    each(
        gate,
        map,
        u,
        v,
        #[inline(always)]
        |v, clamped| *v = clamped,
    );
}

/// Clamps bytes `u` and adds them to `v`.
pub(super) fn clamp_add(gate: &Gate, map: Map, u: (&[f32], Lattice), v: (&mut [f32], Lattice)) {
    each(
        gate,
        map,
        u,
        v,
        #[inline(always)]
        |v, clamped| *v += clamped,
    );
}

/// Does `put` with every value of `v` and what the clamp leaves of its byte.
#[inline(always)]
fn each(gate: &Gate, map: Map, u: (&[f32], Lattice), v: (&mut [f32], Lattice), put: impl Fn(&mut f32, f32)) {
    let n = gate.sign.len();
    Arch::new().dispatch(
        #[inline(always)]
        move || {
            let (sign, offset) = (&gate.sign[..n], &gate.offset[..n]);
            for y in 0..map.height {
                for x in 0..map.width {
                    let u = &u.0[u.1.at(y, x)..][..n];
                    let v = &mut v.0[v.1.at(y, x)..][..n];
                    for i in 0..n {
                        put(&mut v[i], (sign[i] * u[i] + offset[i]).max(0.0));
                    }
                }
            }
        },
    );
}

/// Adds the gradients of clamped bytes, `d`, to those of the bytes, `g`, where the gate is open; sums them in `open`.
pub(super) fn unclamp(
    gate: &Gate,
    map: Map,
    d: (&[f32], Lattice),
    u: (&[f32], Lattice),
    g: (&mut [f32], Lattice),
    open: &mut [f32],
) {
    let n = gate.sign.len();
    Arch::new().dispatch(
        #[inline(always)]
        move || {
            let (sign, offset, shut) = (&gate.sign[..n], &gate.offset[..n], &gate.shut[..n]);
            let open = &mut open[..n];
            for y in 0..map.height {
                for x in 0..map.width {
                    let d = &d.0[d.1.at(y, x)..][..n];
                    let u = &u.0[u.1.at(y, x)..][..n];
                    let g = &mut g.0[g.1.at(y, x)..][..n];
                    for i in 0..n {
                        let v = (sign[i] * u[i] + offset[i]).max(0.0);
                        let passed = if v > shut[i] { d[i] } else { 0.0 };
                        g[i] += sign[i] * passed;
                        open[i] += passed;
                    }
                }
            }
        },
    );
}
