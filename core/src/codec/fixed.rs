//! Weights of a fixed number of bits: four of them at a time, each in a byte of a word.

/// Returns the bytes of a word, of 0 to 15 each, minus the same byte of `middle` each.
fn centred(word: u32, middle: u32) -> [u8; 4] {
    // With its highest bit set, no byte borrows from the next.
    let differences = (word | 0x8080_8080).wrapping_sub(middle);
    (differences ^ 0x8080_8080).to_le_bytes()
}

/// A byte a weight.
pub(super) fn bytes(stream: &[u32], out: &mut [u8]) -> Option<()> {
    let (groups, []) = out.as_chunks_mut::<4>() else {
        return None;
    };
    if groups.len() != stream.len() {
        return None;
    }
    for (group, word) in groups.iter_mut().zip(stream) {
        *group = word.to_le_bytes();
    }
    Some(())
}

/// Four bits a weight: the low halves of the bytes of a word, then their high halves.
pub(super) fn nibbles(stream: &[u32], out: &mut [u8]) -> Option<()> {
    let half = |word: u32| centred(word & 0x0f0f_0f0f, 0x0808_0808);
    let (groups, []) = out.as_chunks_mut::<4>() else {
        return None;
    };
    if groups.len().div_ceil(2) != stream.len() {
        return None;
    }
    let (pairs, last) = groups.as_chunks_mut::<2>();
    let mut words = stream.iter();
    for ([low, high], &word) in pairs.iter_mut().zip(&mut words) {
        *low = half(word);
        *high = half(word >> 4);
    }
    if let ([low], Some(&word)) = (last, words.next()) {
        *low = half(word);
        return (word & 0xf0f0_f0f0 == 0).then_some(());
    }
    Some(())
}

/// Three bits a weight: of 32 weights, two words of the lower two bits and one word of the third.
pub(super) fn planes(stream: &[u32], out: &mut [u8]) -> Option<()> {
    let (groups, []) = out.as_chunks_mut::<4>() else {
        return None;
    };
    let (triples, []) = stream.as_chunks::<3>() else {
        return None;
    };
    if groups.len().div_ceil(8) != triples.len() {
        return None;
    }
    for (groups, &[first, second, mut third]) in groups.chunks_mut(8).zip(triples) {
        let mut halves = groups.chunks_mut(4);
        for mut low in [first, second] {
            for group in halves.next().unwrap_or_default() {
                *group = centred(low & 0x0303_0303 | (third & 0x0101_0101) << 2, 0x0404_0404);
                // What is left at the end must be zero, so no bit may come from the next byte.
                low = (low & 0xfcfc_fcfc) >> 2;
                third = (third & 0xfefe_fefe) >> 1;
            }
            if low != 0 {
                return None;
            }
        }
        if third != 0 {
            return None;
        }
    }
    Some(())
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used
)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_format() {
        let mut out = [0; 8];
        assert_eq!(
            nibbles(&[u32::from_le_bytes([0x80, 0xf7, 0x09, 0x8a])], &mut out),
            Some(())
        );
        assert_eq!(out.map(u8::cast_signed), [-8, -1, 1, 2, 0, 7, -8, 0]);
        let words = [[0b01_00, 0b11, 0b10, 0b00], [0; 4], [0b10, 0b01, 0b11, 0b00]].map(u32::from_le_bytes);
        let mut out = [0; 8];
        assert_eq!(planes(&words, &mut out), Some(()));
        assert_eq!(out.map(u8::cast_signed), [-4, 3, 2, -4, 1, -4, 0, -4]);
    }

    #[test]
    fn bits_beyond_the_last_weight_are_zero() {
        let mut out = [0; 12];
        assert_eq!(nibbles(&[0, 0x0f0f_0f0f], &mut out), Some(()));
        for bit in [4, 7, 12, 31] {
            assert_eq!(nibbles(&[0, 1 << bit], &mut out), None);
        }
        assert_eq!(planes(&[0x3f3f_3f3f, 0, 0x0707_0707], &mut out), Some(()));
        for (word, bit) in [(0, 6), (0, 31), (1, 0), (2, 3), (2, 31)] {
            let mut words = [0; 3];
            words[word] = 1 << bit;
            assert_eq!(planes(&words, &mut out), None, "word {word}, bit {bit}");
        }
    }

    #[test]
    fn streams_of_another_length_are_refused() {
        let mut out = [0; 12];
        for words in [0, 1, 3] {
            assert_eq!(nibbles(&[0; 3][..words], &mut out), None);
        }
        for words in [0, 2, 4, 6] {
            assert_eq!(planes(&[0; 6][..words], &mut out), None);
        }
        assert_eq!(bytes(&[0; 2], &mut out), None);
        assert_eq!(bytes(&[0; 3], &mut out[..11]), None);
    }
}
