//! Packing for Helium: what each function asks the assembly for. The obligations are those of [`Tile`].

use crate::kernel::tile::{Clamp, Pixels, Sources, Taps};

/// What a pooling function works on. The assembly knows this layout.
#[repr(C)]
pub(super) struct Pool {
    pub(super) sources: [*const u8; 4],
    pub(super) mask: *const u8,
    pub(super) threshold: *const u8,
    pub(super) line: *mut u32,
    pub(super) depth: usize,
    pub(super) pitch: usize,
    pub(super) columns: usize,
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

    // Clamps `depth` bytes, at least one. Obligation: each pointer points to `depth` bytes, or words.
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

/// [`Tile::gather`].
pub(super) unsafe fn gather(taps: &Taps<'_>, line: &mut [u8]) {
    if taps.len == 0 {
        return;
    }
    // SAFETY: every column's bytes and their places after `at` exist; there is at least one of them.
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
pub(super) unsafe fn window(window: &Sources<'_>, line: &mut [u8]) {
    match *window.rows {
        // A ring's columns lie side by side.
        [top, middle, bottom] if window.pitch == window.depth => {
            // SAFETY: every row has the window's columns, and the line has a place for three times as many.
            unsafe {
                denselet_mve_window(
                    top.as_ptr(),
                    middle.as_ptr(),
                    bottom.as_ptr(),
                    line.as_mut_ptr(),
                    window.depth,
                    window.count,
                );
            }
        }
        _ => {
            for (ky, row) in window.rows.iter().enumerate() {
                // SAFETY: the row has the window's columns, and each has a place in its column of the line.
                unsafe {
                    denselet_mve_gather(
                        row.as_ptr(),
                        window.pitch,
                        line[ky * window.depth..].as_mut_ptr(),
                        window.rows.len() * window.depth,
                        window.depth,
                        window.count,
                    );
                }
            }
        }
    }
}

/// [`Tile::clamp`].
pub(super) unsafe fn clamp(pixels: &Pixels<'_>, clamp: Clamp<'_>, line: &mut [u8]) {
    // SAFETY: columns, their places and the clamp exist.
    unsafe {
        denselet_mve_clamp(
            pixels.bytes.as_ptr(),
            clamp.mask().as_ptr(),
            clamp.threshold().as_ptr(),
            line.as_mut_ptr(),
            pixels.depth,
            pixels.pitch,
            pixels.count,
        );
    }
}

/// [`Tile::pool`].
pub(super) unsafe fn pool(sources: &Sources<'_>, clamp: Clamp<'_>, line: &mut [u32]) {
    let (all, run): (_, unsafe extern "C" fn(&Pool)) = match *sources.rows {
        [a, b] => ([a, b, a, b], denselet_mve_pool_two),
        [a, b, c, d] => ([a, b, c, d], denselet_mve_pool_four),
        _ => return,
    };
    let work = Pool {
        sources: all.map(<[u8]>::as_ptr),
        mask: clamp.mask().as_ptr(),
        threshold: clamp.threshold().as_ptr(),
        line: line.as_mut_ptr(),
        depth: sources.depth,
        pitch: sources.pitch,
        columns: sources.count,
    };
    // SAFETY: the sources, their places and the clamp exist.
    unsafe { run(&work) };
}

/// [`Tile::clamp_bytes`].
pub(super) unsafe fn clamp_bytes(source: &[u8], clamp: Clamp<'_>, out: &mut [u8]) {
    // SAFETY: all have the source's length, which is not 0.
    unsafe {
        denselet_mve_clamp_bytes(
            source.as_ptr(),
            clamp.mask().as_ptr(),
            clamp.threshold().as_ptr(),
            out.as_mut_ptr(),
            source.len(),
        );
    }
}

/// [`Tile::clamp_sum`].
pub(super) unsafe fn clamp_sum(source: &[u8], clamp: Clamp<'_>, sums: &mut [i32]) {
    // SAFETY: all have the source's length, which is not 0.
    unsafe {
        denselet_mve_clamp_sum(
            source.as_ptr(),
            clamp.mask().as_ptr(),
            clamp.threshold().as_ptr(),
            sums.as_mut_ptr(),
            source.len(),
        );
    }
}
