//! Packing for Helium: the checks in front of the assembly, and nothing else.

use super::Mve;
use crate::kernel::tile::{Clamp, Pixels, Taps, Tile};
use crate::layout::{TAPS, TILE};

/// What a pooling function works on. The assembly knows this layout.
#[repr(C)]
struct Pool {
    sources: [*const u8; 4],
    mask: *const u8,
    threshold: *const u8,
    line: *mut i16,
    depth: usize,
    pitch: usize,
    columns: usize,
}

unsafe extern "C" {
    // Packs `columns` columns of `depth` bytes, neither none. Obligations: that many bytes may be read from each column,
    // `pitch` bytes apart, and in the clamp; the line has a place for them.
    fn denselet_mve_clamp(
        source: *const u8,
        mask: *const u8,
        threshold: *const u8,
        line: *mut u8,
        depth: usize,
        pitch: usize,
        columns: usize,
    );

    // The same for the columns of two sources or of four, into places of two bytes.
    fn denselet_mve_pool_two(work: &Pool);
    fn denselet_mve_pool_four(work: &Pool);

    // Clamp `depth` bytes, at least one. Obligations: there are as many behind each pointer, or words.
    fn denselet_mve_clamp_bytes(
        source: *const u8,
        mask: *const u8,
        threshold: *const u8,
        out: *mut u8,
        depth: usize,
    );
    fn denselet_mve_clamp_sum(
        source: *const u8,
        mask: *const u8,
        threshold: *const u8,
        sums: *mut i32,
        depth: usize,
    );

    // Packs `columns` columns of `depth` bytes of three rows, neither none. Obligations: `columns * depth` bytes may be
    // read from each row, and the line has a place for all of them.
    fn denselet_mve_window(
        top: *const u8,
        middle: *const u8,
        bottom: *const u8,
        line: *mut u8,
        depth: usize,
        columns: usize,
    );

    // Packs `len` bytes of each of `columns` columns, neither none. Obligations: they may be read, `step` bytes apart, and
    // their places, `depth` bytes apart, written.
    fn denselet_mve_gather(
        source: *const u8,
        step: usize,
        line: *mut u8,
        depth: usize,
        len: usize,
        columns: usize,
    );
}

fn is_there(clamp: Clamp<'_>, depth: usize) -> bool {
    depth <= clamp.mask.len() && depth <= clamp.threshold.len()
}

/// [`Tile::gather`].
pub(super) fn gather(taps: &Taps<'_>, line: &mut [u8]) {
    if taps.len == 0 || !taps.fit(Mve::PIXELS, line.len()) {
        return;
    }
    // SAFETY: `fit` says that every column's bytes and their places behind `at` are there; they are not none.
    unsafe {
        denselet_mve_gather(
            taps.bytes.as_ptr(),
            taps.step,
            line[taps.at..].as_mut_ptr(),
            taps.depth,
            taps.len,
            taps.count,
        );
    }
}

/// [`Tile::widen_window`].
pub(super) fn window(rows: &[Pixels<'_>], line: &mut [u8]) {
    let columns = (Mve::PIXELS + TAPS - 1) * rows.len();
    match rows {
        [top, middle, bottom] => {
            let len = top.count * top.depth;
            let is_contiguous = top.pitch == top.depth;
            let are_alike = len <= middle.bytes.len() && len <= bottom.bytes.len();
            if !is_contiguous || !are_alike || !top.fit_values(columns, line.len()) {
                return;
            }
            // SAFETY: the top row fits, its columns lie side by side, the others have as many bytes, and the line has a
            // place for three times its columns.
            unsafe {
                denselet_mve_window(
                    top.bytes.as_ptr(),
                    middle.bytes.as_ptr(),
                    bottom.bytes.as_ptr(),
                    line.as_mut_ptr(),
                    top.depth,
                    top.count,
                );
            }
        }
        [row] if row.fit_values(columns, line.len()) => {
            // SAFETY: the row fits.
            unsafe {
                denselet_mve_gather(
                    row.bytes.as_ptr(),
                    row.pitch,
                    line.as_mut_ptr(),
                    row.depth,
                    row.depth,
                    row.count,
                );
            }
        }
        _ => {}
    }
}

/// [`Tile::clamp`].
pub(super) fn clamp(pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [u8]) {
    if !pixels.fit_values(Mve::PIXELS, line.len()) || !is_there(clamp, pixels.depth) {
        return;
    }
    // SAFETY: `fit_values` says that the columns and their places are there, `is_there` that the clamp is.
    unsafe {
        denselet_mve_clamp(
            pixels.bytes.as_ptr(),
            clamp.mask.as_ptr(),
            clamp.threshold.as_ptr(),
            line.as_mut_ptr(),
            pixels.depth,
            pixels.pitch,
            pixels.count,
        );
    }
}

/// [`Tile::pool`].
pub(super) fn pool(sources: &[Pixels<'_>], clamp: Clamp<'_>, line: &mut [i16]) {
    let (all, run): (_, unsafe extern "C" fn(&Pool)) = match sources {
        [a, b] => ([a, b, a, b], denselet_mve_pool_two),
        [a, b, c, d] => ([a, b, c, d], denselet_mve_pool_four),
        _ => return,
    };
    let first = all[0];
    let are_alike = |pixels: &&Pixels<'_>| {
        pixels.depth == first.depth
            && pixels.pitch == first.pitch
            && pixels.count == first.count
            && pixels.fit(TILE, line)
    };
    if !all.iter().all(are_alike) || !is_there(clamp, first.depth) {
        return;
    }
    let work = Pool {
        sources: all.map(|pixels| pixels.bytes.as_ptr()),
        mask: clamp.mask.as_ptr(),
        threshold: clamp.threshold.as_ptr(),
        line: line.as_mut_ptr(),
        depth: first.depth,
        pitch: first.pitch,
        columns: first.count,
    };
    // SAFETY: all sources fit, with the same number of columns and bytes; `is_there` says that the clamp is.
    unsafe { run(&work) };
}

/// [`Tile::clamp_bytes`].
pub(super) fn clamp_bytes(source: &[u8], clamp: Clamp<'_>, out: &mut [u8]) {
    let len = source.len().min(out.len());
    if len == 0 || !is_there(clamp, len) {
        return;
    }
    // SAFETY: there are `len` bytes everywhere.
    unsafe {
        denselet_mve_clamp_bytes(
            source.as_ptr(),
            clamp.mask.as_ptr(),
            clamp.threshold.as_ptr(),
            out.as_mut_ptr(),
            len,
        );
    }
}

/// [`Tile::clamp_sum`].
pub(super) fn clamp_sum(source: &[u8], clamp: Clamp<'_>, sums: &mut [i32]) {
    let len = source.len().min(sums.len());
    if len == 0 || !is_there(clamp, len) {
        return;
    }
    // SAFETY: there are `len` bytes and sums everywhere.
    unsafe {
        denselet_mve_clamp_sum(
            source.as_ptr(),
            clamp.mask.as_ptr(),
            clamp.threshold.as_ptr(),
            sums.as_mut_ptr(),
            len,
        );
    }
}
