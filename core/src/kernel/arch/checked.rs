//! The only way from a row kernel into an architecture: each function checks the obligations of its namesake in [`Tile`]. A
//! caller that breaks one gets [`Refused`].

use crate::error::Refused;
use crate::kernel::source::starts_at_word;
use crate::kernel::tile::{Clamp, Lines, Pixels, Prepared, Sources, Taps, Tile};
use crate::layout::{GROUP, TAPS, TILE};

/// `line = taps`: see [`Tile::gather`].
///
/// # Errors
/// [`Refused`] if an obligation is broken, here and in all functions of this file.
#[inline(always)]
pub fn gather<T: Tile>(tile: T, taps: &Taps<'_>, line: &mut [u32]) -> Result<(), Refused> {
    Refused::unless(taps.fit(T::PIXELS, values::<T>(line)))?;
    // SAFETY: `fit` has checked bytes and places.
    unsafe { tile.gather(taps, line) };
    Ok(())
}

/// `line = window`: see [`Tile::widen_window`].
#[inline(always)]
pub fn widen_window<T: Tile>(tile: T, window: &Sources<'_>, line: &mut [u32]) -> Result<(), Refused> {
    let columns = T::PIXELS + TAPS - 1;
    let is_window = matches!(window.rows.len(), 1 | TAPS) && (TAPS..=columns).contains(&window.count);
    let rows = window.rows.len();
    Refused::unless(is_window && window.fit(columns * rows, values::<T>(line)))?;
    // SAFETY: rows and pixels have been counted, and `fit` has checked bytes and places.
    unsafe { tile.widen_window(window, line) };
    Ok(())
}

/// `line = clamp(pixels)`: see [`Tile::clamp`].
#[inline(always)]
pub fn clamp<T: Tile>(
    tile: T,
    pixels: &Pixels<'_>,
    clamp: Clamp<'_>,
    line: &mut [u32],
) -> Result<(), Refused> {
    Refused::unless(pixels.fit(T::PIXELS, values::<T>(line)) && pixels.depth <= clamp.len())?;
    // SAFETY: `fit` has checked bytes and places, and the clamp is long enough.
    unsafe { tile.clamp(pixels, clamp, line) };
    Ok(())
}

/// `line = the sum of clamp(pixels)`: see [`Tile::pool`].
#[inline(always)]
pub fn pool<T: Tile>(
    tile: T,
    sources: &Sources<'_>,
    clamp: Clamp<'_>,
    line: &mut [u32],
) -> Result<(), Refused> {
    let is_few = matches!(sources.rows.len(), 2 | 4) && sources.depth <= clamp.len();
    Refused::unless(is_few && sources.fit(TILE, 2 * line.len()))?;
    // SAFETY: sources have been counted, `fit` has checked bytes and places, and the clamp is long enough.
    unsafe { tile.pool(sources, clamp, line) };
    Ok(())
}

/// `out = clamp(source)`: see [`Tile::clamp_bytes`].
#[inline(always)]
pub fn clamp_bytes<T: Tile>(tile: T, source: &[u8], clamp: Clamp<'_>, out: &mut [u8]) -> Result<(), Refused> {
    Refused::unless(is_whole(source, clamp) && source.len() == out.len() && starts_at_word(out))?;
    // SAFETY: all lengths and starts have been checked.
    unsafe { tile.clamp_bytes(source, clamp, out) };
    Ok(())
}

/// `sums += clamp(source)`: see [`Tile::clamp_sum`].
#[inline(always)]
pub fn clamp_sum<T: Tile>(tile: T, source: &[u8], clamp: Clamp<'_>, sums: &mut [i32]) -> Result<(), Refused> {
    Refused::unless(is_whole(source, clamp) && source.len() == sums.len())?;
    // SAFETY: all lengths and starts have been checked.
    unsafe { tile.clamp_sum(source, clamp, sums) };
    Ok(())
}

/// `out = requantise(bias + filters . lines)`: see [`Tile::multiply`].
pub fn multiply<T: Tile>(
    tile: T,
    lines: &Lines<'_>,
    conv: &Prepared<'_, T>,
    out: &mut [u8],
    out_stride: usize,
) -> Result<(), Refused> {
    Refused::unless(lines.fit(conv, out, out_stride))?;
    // SAFETY: `fit` has checked lines, biases and outputs.
    unsafe { tile.multiply(lines, conv, out, out_stride) };
    Ok(())
}

/// Values of [`Content::Bytes`](crate::kernel::Content::Bytes) that a line has room for.
fn values<T: Tile>(line: &[u32]) -> usize {
    line.len() * 2 * (T::PIXELS / TILE)
}

/// Whether bytes are whole groups from a word on, and the clamp has as many channels.
fn is_whole(source: &[u8], clamp: Clamp<'_>) -> bool {
    !source.is_empty()
        && source.len().is_multiple_of(GROUP)
        && starts_at_word(source)
        && source.len() <= clamp.len()
}
