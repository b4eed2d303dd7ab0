//! Bytes as the integers that they hold. Every bit pattern of these types is a value, so only alignment and length matter:
//! `align_to` leaves out what is not aligned.

/// Weights.
pub fn as_i8s(bytes: &[u8]) -> &[i8] {
    // SAFETY: `i8` has the size and alignment of `u8`, and every bit pattern is an `i8`.
    let (_, values, _) = unsafe { bytes.align_to::<i8>() };
    values
}

/// Biases and multipliers; `None` if the bytes do not start and end at whole, aligned `i32`s.
// Inlined for every array of a blob, it takes 180 bytes of flash more.
#[inline(never)]
pub fn as_i32s(bytes: &[u8]) -> Option<&[i32]> {
    // SAFETY: every bit pattern is an `i32`; `align_to` itself takes care of alignment.
    let (before, values, after) = unsafe { bytes.align_to::<i32>() };
    (before.is_empty() && after.is_empty()).then_some(values)
}

/// Words as the sums and biases that they hold.
pub fn as_i32s_mut(words: &mut [u32]) -> &mut [i32] {
    // SAFETY: `i32` has the size and alignment of `u32`, and every bit pattern is one.
    let (_, values, _) = unsafe { words.align_to_mut::<i32>() };
    values
}

/// Whole words; empty if the bytes hold no aligned one.
pub fn as_words_mut(bytes: &mut [u8]) -> &mut [u32] {
    // SAFETY: every bit pattern is a `u32` and every `u32` is four bytes; `align_to_mut` takes care of alignment.
    let (_, words, _) = unsafe { bytes.align_to_mut::<u32>() };
    words
}

/// A line of `i16` values.
pub fn as_i16s(line: &[u32]) -> &[i16] {
    // SAFETY: every `u32` is two `i16`s, whose alignment is less.
    let (_, values, _) = unsafe { line.align_to::<i16>() };
    values
}

/// A line of `i16` values, to be written.
pub fn as_i16s_mut(line: &mut [u32]) -> &mut [i16] {
    // SAFETY: every `u32` is two `i16`s and the reverse, and their alignment is less.
    let (_, values, _) = unsafe { line.align_to_mut::<i16>() };
    values
}

/// A line of bytes.
pub fn as_bytes(line: &[u32]) -> &[u8] {
    // SAFETY: a `u32` is four bytes, which have no alignment.
    let (_, bytes, _) = unsafe { line.align_to::<u8>() };
    bytes
}

/// A line of bytes, to be written.
pub fn as_bytes_mut(line: &mut [u32]) -> &mut [u8] {
    // SAFETY: a `u32` is four bytes and the reverse, and they have no alignment.
    let (_, bytes, _) = unsafe { line.align_to_mut::<u8>() };
    bytes
}

/// Groups of channels, a word each, of bytes that start at a word.
pub fn as_words(bytes: &[u8]) -> &[u32] {
    // SAFETY: every four bytes are a `u32`; `align_to` takes care of alignment.
    let (_, words, _) = unsafe { bytes.align_to::<u32>() };
    words
}
