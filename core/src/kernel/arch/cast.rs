//! Bytes as the integers they hold: the casts that safe Rust has no word for. Every bit pattern of these types is
//! a value, so the only questions are alignment and length, and they are checked.

/// Weights.
pub fn as_i8s(bytes: &[u8]) -> &[i8] {
    // SAFETY: `i8` has the size and alignment of `u8`, and every bit pattern is an `i8`.
    let (_, values, _) = unsafe { bytes.align_to::<i8>() };
    values
}

/// Biases and multipliers; `None` where the bytes do not start and end at whole, aligned `i32`s.
pub fn as_i32s(bytes: &[u8]) -> Option<&[i32]> {
    // SAFETY: every bit pattern is an `i32`; `align_to` itself takes care of alignment.
    let (before, values, behind) = unsafe { bytes.align_to::<i32>() };
    (before.is_empty() && behind.is_empty()).then_some(values)
}

/// Sums; empty where the bytes hold no whole, aligned `i32`.
pub fn as_i32s_mut(bytes: &mut [u8]) -> &mut [i32] {
    // SAFETY: every bit pattern is an `i32` and every `i32` is four bytes; `align_to_mut` takes care of alignment.
    let (_, values, _) = unsafe { bytes.align_to_mut::<i32>() };
    values
}

/// The line buffer; empty where the bytes hold no whole, aligned `i16`.
pub fn as_i16s_mut(bytes: &mut [u8]) -> &mut [i16] {
    // SAFETY: every bit pattern is an `i16` and every `i16` is two bytes; `align_to_mut` takes care of alignment.
    let (_, values, _) = unsafe { bytes.align_to_mut::<i16>() };
    values
}

/// What is left of the line buffer, as words; all of it where it starts and ends at whole, aligned `i32`s.
pub fn as_i32s_of(values: &mut [i16]) -> &mut [i32] {
    // SAFETY: every two `i16`s are an `i32` and the other way round; `align_to_mut` takes care of alignment.
    let (_, words, _) = unsafe { values.align_to_mut::<i32>() };
    words
}

/// A line buffer of bytes.
pub fn as_bytes(values: &[i16]) -> &[u8] {
    // SAFETY: an `i16` is two bytes without padding, and a byte has no alignment.
    let (_, bytes, _) = unsafe { values.align_to::<u8>() };
    bytes
}

/// A line buffer of bytes.
pub fn as_bytes_mut(values: &mut [i16]) -> &mut [u8] {
    // SAFETY: an `i16` is two bytes without padding, every bit pattern is one, and a byte has no alignment.
    let (_, bytes, _) = unsafe { values.align_to_mut::<u8>() };
    bytes
}

/// Groups of channels, a word each; `None` where the bytes do not start at a whole word.
pub fn as_words(bytes: &[u8]) -> Option<&[u32]> {
    // SAFETY: every four bytes are a `u32`; `align_to` takes care of alignment.
    let (before, words, _) = unsafe { bytes.align_to::<u32>() };
    before.is_empty().then_some(words)
}

/// The same, to be written.
pub fn as_words_mut(bytes: &mut [u8]) -> Option<&mut [u32]> {
    // SAFETY: every four bytes are a `u32` and the other way round; `align_to_mut` takes care of alignment.
    let (before, words, _) = unsafe { bytes.align_to_mut::<u32>() };
    before.is_empty().then_some(words)
}

/// The line buffer as pairs of values; `None` where it does not start at a whole word.
pub fn as_pairs_mut(values: &mut [i16]) -> Option<&mut [u32]> {
    // SAFETY: every two `i16`s are a `u32` and the other way round; `align_to_mut` takes care of alignment.
    let (before, pairs, _) = unsafe { values.align_to_mut::<u32>() };
    before.is_empty().then_some(pairs)
}
